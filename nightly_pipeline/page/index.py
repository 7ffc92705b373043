"""The list of all nights: a strip of verdicts for each cell, then a row a night."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from nightly_pipeline.model.links import safe_address
from nightly_pipeline.model.outcomes import NightStatus
from nightly_pipeline.model.overview import NightLine, Overview
from nightly_pipeline.model.quantities import duration_text
from nightly_pipeline.model.reading import NIGHT_TONES, SYMBOLS
from nightly_pipeline.model.tags import short_run_id
from nightly_pipeline.model.trends import Reading
from nightly_pipeline.model.untrusted import one_line
from nightly_pipeline.page.charts import value_text
from nightly_pipeline.page.render import render

STYLES = ("base.css", "index.css", "print.css")
_SQUARES = 60


@dataclass(frozen=True)
class SquareShown:
    """One verdict of a strip: its column, what it is, and what it says when it is pointed at."""

    column: int
    kind: str
    title: str


@dataclass(frozen=True)
class StripShown:
    """The last nights of one cell, or of the whole night; newest first."""

    name: str
    words: str
    squares: tuple[SquareShown, ...]


@dataclass(frozen=True)
class NightShown:
    """One row. `address` is None for a night whose artifacts are gone."""

    date: str
    weekday: str
    address: str | None
    known: bool
    tone: str
    symbol: str
    word: str
    mock: bool
    cells: tuple[SquareShown, ...]
    cells_text: str
    pass_rate: str
    failed: int
    passed: int
    took: str
    revision: str
    note: str


def render_index(
    overview: Overview, *, pages: Mapping[str, str], generated_at: datetime, problem: str | None = None
) -> str:
    """The list of nights, self-contained as the pages of the nights are.

    Args:
        overview: every night on record.
        pages: date -> address of that night's page, where it is still kept.
        generated_at: stands in the footer.
        problem: why nights may be missing here, when the history could not be read.
    """
    return render(
        "index.html.j2",
        styles=STYLES,
        nights=tuple(_night(line, overview, pages) for line in overview.nights),
        strips=_strips(overview),
        columns=min(len(overview.nights), _SQUARES),
        months=_months(overview),
        cells=tuple("/".join(map(one_line, cell)) for cell in overview.cells),
        problem=problem,
        generated_at=generated_at,
    )


def _strips(overview: Overview) -> tuple[StripShown, ...]:
    shown = overview.nights[:_SQUARES]
    whole = _strip("whole night", [(line.date, line.status) for line in shown])
    cells = (
        _strip("/".join(map(one_line, cell)), [(line.date, line.cells.get(cell)) for line in shown])
        for cell in overview.cells
    )
    return (whole, *cells)


def _strip(name: str, verdicts: list[tuple[str, NightStatus | None]]) -> StripShown:
    squares = tuple(
        SquareShown(column, _kind(status), f"{one_line(date)} {name}: {_word(status)}")
        for column, (date, status) in enumerate(verdicts)
    )
    counted = {status: sum(one is status for _, one in verdicts) for status in NightStatus}
    said = ", ".join(f"{count} {status.value}" for status, count in counted.items() if count)
    return StripShown(name, f"{name}, last {len(verdicts)} nights: {said or 'nothing known'}", squares)


def _kind(status: NightStatus | None) -> str:
    return status.value if status else "absent"


def _word(status: NightStatus | None) -> str:
    return status.value if status else "no result"


def _months(overview: Overview) -> tuple[tuple[int, str], ...]:
    """A date above every tenth column."""
    return tuple(
        (column, line.date[5:]) for column, line in enumerate(overview.nights[:_SQUARES]) if column % 10 == 0
    )


def _night(line: NightLine, overview: Overview, pages: Mapping[str, str]) -> NightShown:
    tone = NIGHT_TONES[line.status] if line.status else None
    ran = line.passed + line.failed
    return NightShown(
        date=one_line(line.date),
        weekday=_weekday(line.date),
        address=safe_address(pages.get(line.date)),
        known=line.run_id is not None,
        tone=tone.value if tone else "unknown",
        symbol=SYMBOLS[tone] if tone else "",
        word=line.status.value if line.status else "no night",
        mock=line.engine_kind == "mock",
        cells=_squares(line, overview),
        cells_text=", ".join(
            f"{'/'.join(map(one_line, cell))} {status.value}" for cell, status in line.cells.items()
        ),
        pass_rate=value_text(Reading(100 * line.passed / ran).value, "%") if ran else "",
        failed=line.failed,
        passed=line.passed,
        took=duration_text(line.duration_s),
        revision=one_line(line.source_revision or "")[:12],
        note=_note(line),
    )


def _squares(line: NightLine, overview: Overview) -> tuple[SquareShown, ...]:
    return tuple(
        SquareShown(column, _kind(line.cells.get(cell)), "") for column, cell in enumerate(overview.cells)
    )


def _weekday(day: str) -> str:
    try:
        return f"{datetime.fromisoformat(day):%a}"
    except ValueError:
        return ""


def _note(line: NightLine) -> str:
    notes = ["partial"] if line.partial else []
    notes += (
        [f"{line.runs} runs, newest {short_run_id(line.run_id)}"] if line.run_id and line.runs > 1 else []
    )
    return one_line(", ".join(notes))
