"""All nights side by side: one line a night, with a verdict for each cell. A day without a night has a line too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from nightly_pipeline.model.history import EntryRow, NightRow
from nightly_pipeline.model.outcomes import (
    RED_IMAGE,
    RED_PUBLICATION,
    RED_STAGE,
    NightStatus,
)

_RED = frozenset(status.value for status in (*RED_IMAGE, *RED_STAGE, *RED_PUBLICATION))

Cell = tuple[str, str]


@dataclass(frozen=True)
class NightLine:
    """One calendar day.

    Attributes:
        run_id: the newest run of it; None for a day without a night, of which nothing else is known either.
        status: of everything of that night, each by its newest result.
        cells: the verdict of each (framework, arch); a cell that was not planned is not there.
        passed, failed: tests that ran, over all cells.
        duration_s: of its runs together; None while none has ended.
    """

    date: str
    run_id: str | None = None
    status: NightStatus | None = None
    partial: bool = False
    engine_kind: str | None = None
    source_revision: str | None = None
    runs: int = 0
    cells: Mapping[Cell, NightStatus] = field(default_factory=dict)
    passed: int = 0
    failed: int = 0
    duration_s: float | None = None


@dataclass(frozen=True)
class Overview:
    """Nights, newest first, and every cell that any of them had."""

    nights: tuple[NightLine, ...]
    cells: tuple[Cell, ...]


def overview_of(nights: Iterable[NightRow], entries: Iterable[EntryRow]) -> Overview:
    """One line for each day from the first night to the last.

    Args:
        nights: runs, by date and then by their start.
        entries: images, publications and stages, the newest result of each date.
    """
    runs: dict[str, list[NightRow]] = {}
    for night in nights:
        runs.setdefault(night.date, []).append(night)
    rows: dict[str, list[EntryRow]] = {}
    for entry in entries:
        rows.setdefault(entry.date, []).append(entry)
    lines = tuple(
        _line(day, runs[day], rows.get(day, ())) if day in runs else NightLine(day) for day in _days(runs)
    )
    return Overview(lines, _cells(lines))


def status_of(rows: Sequence[EntryRow]) -> NightStatus:
    """The rule of the night, over rows: red when anything is, green when all is good, else incomplete."""
    if any(row.status in _RED for row in rows):
        return NightStatus.RED
    return NightStatus.GREEN if rows and all(row.good for row in rows) else NightStatus.INCOMPLETE


def _days(known: Iterable[str]) -> list[str]:
    """Every day from the newest to the oldest; what is no date stands at the end, as it is."""
    days, odd = set[date](), []
    for name in known:
        try:
            days.add(date.fromisoformat(name))
        except ValueError:
            odd.append(name)
    span = (max(days) - min(days)).days + 1 if days else 0
    return [(max(days) - timedelta(days=back)).isoformat() for back in range(span)] + sorted(odd)


def _line(day: str, runs: Sequence[NightRow], rows: Sequence[EntryRow]) -> NightLine:
    newest = runs[-1]
    took = [
        (run.ended_at - run.started_at).total_seconds() for run in runs if run.started_at and run.ended_at
    ]
    by_cell: dict[Cell, list[EntryRow]] = {}
    for row in rows:
        if row.arch:
            by_cell.setdefault((row.framework, row.arch), []).append(row)
    return NightLine(
        date=day,
        run_id=newest.run_id,
        status=status_of(rows) if rows else _told(newest.status),
        partial=all(run.partial for run in runs),
        engine_kind="mock" if any(run.engine_kind == "mock" for run in runs) else newest.engine_kind,
        source_revision=newest.source_revision,
        runs=len(runs),
        cells={cell: status_of(own) for cell, own in by_cell.items()},
        passed=sum(row.passed for row in rows),
        failed=sum(row.failed + row.errors for row in rows),
        duration_s=sum(took) if took else None,
    )


def _told(word: str) -> NightStatus:
    """A night's own word, where nothing else is known of it; one that nobody knows is never green."""
    return NightStatus(word) if word in set(NightStatus) else NightStatus.INCOMPLETE


def _cells(lines: Iterable[NightLine]) -> tuple[Cell, ...]:
    """In the order of the newest night that has them, so that a cell that is gone stands last."""
    return tuple(dict.fromkeys(cell for line in lines for cell in line.cells))
