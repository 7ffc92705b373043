"""Trend plots as coordinates: a template draws them as SVG, here and not in the browser."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import median

from nightly_pipeline.model.quantities import NOTHING, bytes_text, duration_text
from nightly_pipeline.model.trends import Chart, Line, Reading, Trends, Unit
from nightly_pipeline.model.untrusted import one_line
from nightly_pipeline.page.scale import Scale, scale_of, tick_text

WIDTH, HEIGHT = 340, 128
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 10, 8, 18
_FEWEST_FOR_USUAL = 3
_TEN_MINUTES, _HOUR = 600, 60
HUES = 6
"""So many frameworks are told apart by hue and mark; then both begin again."""


@dataclass(frozen=True)
class Mark:
    """A reading drawn as a dot of its own: tonight's, one without neighbours, or one that is not whole."""

    x: float
    y: float
    hollow: bool
    tonight: bool


@dataclass(frozen=True)
class LineShown:
    """One line. `path` is broken where a night is missing.

    Attributes:
        hue, dash: which of the styles its framework and its architecture have.
        tonight, usual: as text; `usual` is the median of the nights before, empty when they are too few.
        cells: a text for each night, for the table.
    """

    name: str
    hue: int
    dash: int
    path: str
    marks: tuple[Mark, ...]
    tonight: str
    usual: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Night:
    """One night of a chart: the column that answers the pointer. `known` is False where there was none."""

    date: str
    x: float
    width: float
    title: str
    known: bool


@dataclass(frozen=True)
class ChartShown:
    """One chart in a box of WIDTH by HEIGHT. `key` names it for links inside the page."""

    key: str
    title: str
    summary: str
    lines: tuple[LineShown, ...]
    nights: tuple[Night, ...]
    ticks: tuple[tuple[float, str], ...]
    first: str
    last: str

    width = WIDTH
    height = HEIGHT
    left = _LEFT
    right = WIDTH - _RIGHT
    top = _TOP
    bottom = HEIGHT - _BOTTOM


def shown_charts(trends: Trends) -> tuple[ChartShown, ...]:
    """Every chart of the trends."""
    frameworks = list(dict.fromkeys(line.framework for chart in trends.charts for line in chart.lines))
    arches = sorted({line.arch for chart in trends.charts for line in chart.lines if line.arch})
    return tuple(
        replace(_chart(chart, trends, frameworks, arches), key=str(number))
        for number, chart in enumerate(trends.charts, start=1)
    )


def value_text(value: float, unit: Unit) -> str:
    """`99.98 %` (never rounded up to 100), `4 min 3 s`, `38.0 min`, `1:19 h`, `61.5 MB`."""
    if unit == "%":
        return f"{math.floor(value * 100 + 1e-6) / 100:.6g} %"
    if unit == "bytes":
        return bytes_text(round(value))
    if value < _TEN_MINUTES:
        return duration_text(value)
    minutes = round(value / 60)
    return f"{value / 60:.1f} min" if minutes < _HOUR else f"{minutes // 60}:{minutes % 60:02} h"


def _chart(chart: Chart, trends: Trends, frameworks: Sequence[str], arches: Sequence[str]) -> ChartShown:
    scale = scale_of([one.value for line in chart.lines for one in line.values if one], chart.unit)
    lines = tuple(
        _line(line, chart.unit, scale, frameworks.index(line.framework), _dash(line, arches))
        for line in chart.lines
    )
    return ChartShown(
        key=chart.key,
        title=one_line(chart.title),
        summary=_summary(lines, trends),
        lines=lines,
        nights=tuple(_nights(lines, trends)),
        ticks=tuple((_y(tick, scale), tick_text(tick, chart.unit)) for tick in scale.ticks),
        first=trends.dates[0][5:],
        last="tonight",
    )


def _dash(line: Line, arches: Sequence[str]) -> int:
    return min(arches.index(line.arch), 2) if line.arch in arches else 0


def _line(line: Line, unit: Unit, scale: Scale, hue: int, dash: int) -> LineShown:
    before = [one.value for one in line.values[:-1] if one and one.whole]
    newest = line.values[-1]
    return LineShown(
        name=one_line(line.name),
        hue=hue % HUES,
        dash=dash,
        path="".join(_path(line.values, scale)),
        marks=tuple(_marks(line.values, scale)),
        tonight=_cell(newest, unit),
        usual=value_text(median(before), unit) if len(before) >= _FEWEST_FOR_USUAL else "",
        cells=tuple(_cell(one, unit) for one in line.values),
    )


def _cell(one: Reading | None, unit: Unit) -> str:
    if one is None:
        return NOTHING
    return value_text(one.value, unit) + ("" if one.whole else ", not whole")


def _path(values: Sequence[Reading | None], scale: Scale) -> Iterator[str]:
    """A stroke from reading to reading; over a missing night there is none."""
    for position, one in enumerate(values):
        if one is not None:
            begins = position == 0 or values[position - 1] is None
            yield f"{'M' if begins else 'L'}{_x(position, len(values)):.1f} {_y(one.value, scale):.1f}"


def _marks(values: Sequence[Reading | None], scale: Scale) -> Iterator[Mark]:
    last = len(values) - 1
    for position, one in enumerate(values):
        if one is None:
            continue
        alone = not any(0 <= near <= last and values[near] for near in (position - 1, position + 1))
        if position == last or alone or not one.whole:
            yield Mark(
                x=round(_x(position, len(values)), 1),
                y=round(_y(one.value, scale), 1),
                hollow=not one.whole,
                tonight=position == last,
            )


def _nights(lines: Sequence[LineShown], trends: Trends) -> Iterator[Night]:
    pitch = (WIDTH - _LEFT - _RIGHT) / max(1, len(trends.dates) - 1)
    for position, date in enumerate(trends.dates):
        known = date in trends.known
        said = [f"{line.name} {line.cells[position]}" for line in lines if line.cells[position] != NOTHING]
        yield Night(
            date=date,
            x=round(_x(position, len(trends.dates)) - pitch / 2, 1),
            width=round(pitch, 1),
            title="\n".join([date, *said]) if said else f"{date}\n{'no value' if known else 'no night'}",
            known=known,
        )


def _summary(lines: Sequence[LineShown], trends: Trends) -> str:
    """What a reader who does not see the plot should know of it."""
    tonight = "; ".join(
        f"{line.name} {line.tonight}" + (f" (usually {line.usual})" if line.usual else "") for line in lines
    )
    missing = [date for date in trends.dates if date not in trends.known]
    gaps = f" No night on {', '.join(missing)}." if missing else ""
    return f"{trends.dates[0]} to {trends.dates[-1]}. Tonight: {tonight}.{gaps}"


def _x(position: int, count: int) -> float:
    inside = WIDTH - _LEFT - _RIGHT
    return _LEFT + inside * (position / (count - 1) if count > 1 else 1.0)


def _y(value: float, scale: Scale) -> float:
    inside = HEIGHT - _TOP - _BOTTOM
    return round(_TOP + inside * (1 - (value - scale.low) / (scale.high - scale.low)), 1)
