"""How a night stands beside the nights before it: pass rates, durations, sizes, one value a night.

Every calendar day has its place: a night that is missing is a gap and never a line drawn over it. Nights of another
kind of engine are gaps too, because a mock's minutes say nothing about a real engine's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from nightly_pipeline.model.history import EntryRow, NightRow
from nightly_pipeline.model.night_rows import entry_rows_of, night_row_of
from nightly_pipeline.model.outcomes import NightStatus, StageStatus
from nightly_pipeline.model.report import Report
from nightly_pipeline.model.usual import usual_duration_s

NIGHTS = 30
_IMAGES = ("framework_image", "runtime_image")
_PUBLICATIONS = ("published_image", "multi_arch_image")
_REUSED = "reused"

Unit = Literal["%", "s", "bytes"]


@dataclass(frozen=True)
class Reading:
    """One value of one night. `whole` is False when something that belongs in it did not come to its end."""

    value: float
    whole: bool = True


@dataclass(frozen=True)
class Line:
    """The values of one framework or cell, one for each night; None where there is none."""

    framework: str
    arch: str | None
    values: tuple[Reading | None, ...]

    @property
    def name(self) -> str:
        """`vllm`, or `vllm/amd64`."""
        return f"{self.framework}/{self.arch}" if self.arch else self.framework


@dataclass(frozen=True)
class Chart:
    """Lines that are looked at together: of one quantity, in one unit."""

    key: str
    title: str
    unit: Unit
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Trends:
    """The last nights, tonight last.

    Attributes:
        dates: every calendar day, whether or not a night is on record.
        known: those of them with a night of this kind of engine.
        usual_s: seconds such a night takes as a rule; None where too few are known.
        problem: why there is nothing to show, or not all, when the past could not be read or not whole.
    """

    dates: tuple[str, ...] = ()
    known: frozenset[str] = frozenset()
    charts: tuple[Chart, ...] = ()
    usual_s: float | None = None
    problem: str | None = None


def trends_of(
    report: Report, nights: Iterable[NightRow], entries: Iterable[EntryRow], *, length: int = NIGHTS
) -> Trends:
    """The trends that end with this report's night.

    Args:
        report: tonight; it stands for itself, whether or not its rows are in the history yet.
        nights: runs on record.
        entries: images, publications and stages on record, the newest result of each date.
        length: how many calendar days are shown.
    """
    dates = last_dates(report.date, length)
    rows = _alike(entries, report, dates)
    nights = list(nights)
    runs = [night for night in nights if night.date in dates and night.date != report.date]
    runs = [night for night in runs if night.engine_kind == report.engine] + _tonight(report)
    known = frozenset({row.date for row in rows} | {night.date for night in runs})
    whole = _whole_night(runs, dates)
    return Trends(
        dates=dates,
        known=known,
        charts=(*_charts(rows, dates), *whole),
        usual_s=usual_duration_s(report, nights),
    )


def _tonight(report: Report) -> list[NightRow]:
    """A row for each run of the report's night."""
    night = night_row_of(report)
    own = [
        night.model_copy(
            update={"started_at": run.started_at, "ended_at": run.ended_at, "partial": run.partial}
        )
        for run in report.runs
    ]
    return own or [night]


def last_dates(newest: str, length: int) -> tuple[str, ...]:
    """So many calendar days up to this one, oldest first; the one alone when it is no date."""
    try:
        last = date.fromisoformat(newest)
    except ValueError:
        return (newest,)
    return tuple((last - timedelta(days=back)).isoformat() for back in reversed(range(length)))


def _alike(entries: Iterable[EntryRow], report: Report, dates: Sequence[str]) -> list[EntryRow]:
    """Rows of the window's nights and of this kind of engine; tonight's are the report's own."""
    window = set(dates) - {report.date}
    past = [row for row in entries if row.date in window and row.engine_kind in {None, report.engine}]
    return [*past, *entry_rows_of(report)]


def _whole_night(runs: Sequence[NightRow], dates: Sequence[str]) -> tuple[Chart, ...]:
    """How long each night took: its first whole run; a partial one, or one that was cut short, is marked."""
    by_date: dict[str, Reading] = {}
    for run in sorted(runs, key=lambda one: one.partial):
        if run.started_at and run.ended_at and run.ended_at > run.started_at:
            seconds = (run.ended_at - run.started_at).total_seconds()
            whole = not run.partial and run.status != NightStatus.INCOMPLETE
            by_date.setdefault(run.date, Reading(seconds, whole))
    line = Line("whole night", None, tuple(by_date.get(date_) for date_ in dates))
    return (Chart("night", "Duration of the night", "s", (line,)),) if by_date else ()


def _without_dry_runs(rows: Sequence[EntryRow]) -> list[EntryRow]:
    """Cells that only collect have no duration worth a plot."""
    dry = {(row.framework, row.arch) for row in rows if row.status == StageStatus.COLLECTED}
    return [row for row in rows if (row.framework, row.arch) not in dry]


_Measure = Callable[[Sequence[EntryRow]], Reading | None]


@dataclass(frozen=True)
class _Kind:
    """One chart to be made: what it is called, and how rows of one line and one night become a value."""

    key: str
    title: str
    unit: Unit
    measure: _Measure
    by_cell: bool = True


def _charts(rows: Sequence[EntryRow], dates: Sequence[str]) -> tuple[Chart, ...]:
    stages = [row for row in rows if row.name not in (*_IMAGES, *_PUBLICATIONS)]
    images = [row for row in rows if row.name in _IMAGES]
    runtime = [row for row in images if row.name == _IMAGES[-1]]
    charts = [
        _chart(_Kind("pass-rate", "Pass rate", "%", _pass_rate, by_cell=False), stages, dates),
        _chart(_Kind("build-time", "Build time, both images", "s", _build_time), images, dates),
        _chart(_Kind("image-size", "Runtime image size", "bytes", _size), runtime, dates),
    ]
    for name in dict.fromkeys(row.name for row in stages):
        own = _without_dry_runs([row for row in stages if row.name == name])
        charts.append(_chart(_Kind(f"stage-{name}", f"Duration of {name}", "s", _duration), own, dates))
    return tuple(chart for chart in charts if chart.lines)


def _chart(kind: _Kind, rows: Sequence[EntryRow], dates: Sequence[str]) -> Chart:
    grouped: dict[tuple[str, str | None], dict[str, list[EntryRow]]] = {}
    for row in rows:
        line = (row.framework, row.arch if kind.by_cell else None)
        grouped.setdefault(line, {}).setdefault(row.date, []).append(row)
    lines = (_line(*key, by_date, dates, kind.measure) for key, by_date in _in_order(grouped))
    return Chart(kind.key, kind.title, kind.unit, tuple(line for line in lines if any(line.values)))


def _in_order(
    grouped: Mapping[tuple[str, str | None], dict[str, list[EntryRow]]],
) -> list[tuple[tuple[str, str | None], dict[str, list[EntryRow]]]]:
    """Frameworks side by side in the order they are on record, each with its architectures by name."""
    frameworks = list(dict.fromkeys(framework for framework, _ in grouped))
    return sorted(grouped.items(), key=lambda one: (frameworks.index(one[0][0]), one[0][1] or ""))


def _line(
    framework: str,
    arch: str | None,
    by_date: Mapping[str, Sequence[EntryRow]],
    dates: Sequence[str],
    measure: _Measure,
) -> Line:
    values = tuple(measure(by_date[date_]) if date_ in by_date else None for date_ in dates)
    return Line(framework, arch, values)


def _pass_rate(rows: Sequence[EntryRow]) -> Reading | None:
    """Of the tests that ran and were not skipped; not whole when a stage did not come to its end."""
    good = sum(row.passed for row in rows)
    ran = good + sum(row.failed + row.errors for row in rows)
    whole = all(row.good or row.status == "failed" for row in rows)
    return Reading(100 * good / ran, whole) if ran else None


def _size(rows: Sequence[EntryRow]) -> Reading | None:
    sizes = [row.size_bytes for row in rows if row.size_bytes is not None]
    return Reading(float(sizes[-1])) if sizes else None


def _build_time(rows: Sequence[EntryRow]) -> Reading | None:
    """Of a night that built both images; one with a reused image has no time to compare."""
    if any(row.status == _REUSED for row in rows):
        return None
    seconds = sum(row.build_wall_s if row.build_wall_s is not None else row.duration_s for row in rows)
    return Reading(seconds, all(row.good for row in rows)) if seconds > 0 else None


def _duration(rows: Sequence[EntryRow]) -> Reading | None:
    seconds = sum(row.duration_s for row in rows)
    return Reading(seconds, all(row.good or row.status == "failed" for row in rows)) if seconds > 0 else None
