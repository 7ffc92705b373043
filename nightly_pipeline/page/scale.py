"""The axis of a plot: from where to where, and which round values stand beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nightly_pipeline.model.quantities import bytes_text
from nightly_pipeline.model.trends import Unit

_MINUTE, _HOUR = 60, 3600
_INTERVALS = 3
_LEAST_SPAN = {"%": 0.002, "s": 0.25, "bytes": 0.1}
"""Part of the largest value that an axis shows at least: noise must not look like a mountain range."""
_SECONDS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 14400, 28800)
_ROUND = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class Scale:
    """An axis from `low` to `high`, with its ticks."""

    low: float
    high: float
    ticks: tuple[float, ...]


def scale_of(values: Sequence[float], unit: Unit) -> Scale:
    """An axis that holds all values, begins and ends at round ones, and never exceeds what is possible."""
    low, high = min(values), max(values)
    least = max(abs(high) * _LEAST_SPAN[unit], 1e-9)
    if high - low < least:
        middle = (low + high) / 2
        low, high = max(0.0, middle - least / 2), middle + least / 2
    if unit == "%":
        high = min(high, 100.0)
        low = min(low, high - least)
    step = _step((high - low) / _INTERVALS, unit)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = tuple(round(number * step, 9) for number in range(first, last + 1))
    return Scale(low=ticks[0], high=ticks[-1], ticks=ticks)


def tick_text(value: float, unit: Unit) -> str:
    """Short, for the side of a plot: `99.5%`, `40 min`, `1:20 h`, `60 MB`."""
    if unit == "%":
        return f"{value:g}%"
    if unit == "bytes":
        return bytes_text(round(value)).replace(".0 ", " ")
    if value < _MINUTE:
        return f"{value:g} s"
    if value < _HOUR:
        return f"{value / _MINUTE:g} min"
    minutes = round(value / _MINUTE)
    return f"{minutes // 60}:{minutes % 60:02} h" if minutes % 60 else f"{minutes // 60} h"


def _step(roughly: float, unit: Unit) -> float:
    """The round step next to this one."""
    if unit == "s":
        return next(
            (float(step) for step in _SECONDS if step >= roughly), math.ceil(roughly / 28800) * 28800.0
        )
    power = 10.0 ** math.floor(math.log10(roughly))
    return next(part * power for part in _ROUND if part * power >= roughly * (1 - 1e-9))
