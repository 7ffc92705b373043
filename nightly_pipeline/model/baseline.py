"""Durations and sizes against their usual range: the median of the nights before, and how far they lie from it.

Median and median absolute deviation, because one strange night must not move what is usual. A value has moved when it
is off by a share of the usual, by an amount that matters, and by more than the nights before differ among themselves.
Durations are also long on single nights for no reason, so one that is not far off has to be so two nights in a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import median

from pydantic import Field

from nightly_pipeline.model.catalog import Strict

_DEVIATION = 1.4826
"""Median absolute deviation -> standard deviation, where values are normally distributed."""


class Thresholds(Strict):
    """When a duration or size has moved.

    Attributes:
        nights: how many nights before make the usual; with fewer than `at_least` nothing is said.
        share: of the usual, 0.3 is 30 %.
        test_share: likewise for single tests: there are many, so some lie far off by chance.
        at_once_share: a duration that is off by so much is told on the first night, any other on the second in a row.
        deviations: of the nights before, so many of their own (robust) standard deviations.
        slow_share: a slow drift: the last `slow_recent` nights against those that lie `slow_nights` back.
        stage_s, test_s, build_s, build_step_s, night_s: seconds that matter.
        image_mb: megabytes that matter.
    """

    nights: int = Field(default=14, ge=3)
    at_least: int = Field(default=7, ge=3)
    share: float = Field(default=0.3, gt=0)
    test_share: float = Field(default=0.5, gt=0)
    at_once_share: float = Field(default=1.0, gt=0)
    deviations: float = Field(default=5.0, gt=0)
    slow_share: float = Field(default=0.15, gt=0)
    slow_recent: int = Field(default=7, ge=3)
    slow_nights: int = Field(default=14, ge=7)
    stage_s: float = Field(default=60.0, ge=0)
    test_s: float = Field(default=5.0, ge=0)
    build_s: float = Field(default=60.0, ge=0)
    build_step_s: float = Field(default=20.0, ge=0)
    night_s: float = Field(default=300.0, ge=0)
    image_mb: float = Field(default=50.0, ge=0)


@dataclass(frozen=True, slots=True)
class Move:
    """A value that left its usual range.

    Attributes:
        value: tonight's; of a slow drift the median of the last few nights.
        usual, spread: median and median absolute deviation of the nights before.
        nights: how many nights those are.
        slow: it crept there.
    """

    value: float
    usual: float
    spread: float
    nights: int
    slow: bool = False


@dataclass(frozen=True, slots=True)
class Measure:
    """What is measured, as far as it decides what counts.

    Attributes:
        matters: the least difference that does, in the unit of the values.
        both_ways: smaller counts, too.
        by_chance: it is off on single nights for no reason, as durations are and sizes are not.
        strictness: by how much more of the usual it has to be off than the thresholds say.
    """

    matters: float
    both_ways: bool = False
    by_chance: bool = True
    strictness: float = 1.0


def move_of(values: Sequence[float], thresholds: Thresholds, measure: Measure) -> Move | None:
    """Whether the last value, or the last few, left the usual range.

    Args:
        values: of nights of which each was good, oldest first, tonight's last.
        thresholds: what counts.
        measure: what the values are.
    """
    return _jump(values, thresholds, measure) or _creep(values, thresholds, measure)


def _jump(values: Sequence[float], thresholds: Thresholds, measure: Measure) -> Move | None:
    """Off tonight: by so much that it is no chance, or on the night before as well."""
    share = max(thresholds.share, thresholds.at_once_share) if measure.by_chance else thresholds.share
    return _off(values, 1, share, thresholds, measure) or _off(
        values, 2, thresholds.share, thresholds, measure
    )


def _off(
    values: Sequence[float], nights: int, share: float, thresholds: Thresholds, measure: Measure
) -> Move | None:
    """Whether each of the last few nights is off from what was usual before them."""
    before = values[:-nights][-thresholds.nights :]
    if len(before) < thresholds.at_least:
        return None
    moves = [_against(value, before) for value in values[-nights:]]
    return moves[-1] if all(_is_far(move, share, thresholds, measure) for move in moves) else None


def _creep(values: Sequence[float], thresholds: Thresholds, measure: Measure) -> Move | None:
    recent = values[-thresholds.slow_recent :]
    older = values[: -thresholds.slow_nights][-thresholds.nights :]
    if len(older) < thresholds.at_least or len(recent) < thresholds.slow_recent:
        return None
    move = _against(median(recent), older, slow=True)
    return move if _is_far(move, thresholds.slow_share, thresholds, measure) else None


def _against(value: float, before: Sequence[float], *, slow: bool = False) -> Move:
    usual = median(before)
    return Move(value, usual, median(abs(one - usual) for one in before), len(before), slow)


def _is_far(move: Move, share: float, thresholds: Thresholds, measure: Measure) -> bool:
    """A median of several nights varies less than one night does: by the root of their number."""
    difference = move.value - move.usual
    if not measure.both_ways and difference < 0:
        return False
    nights = thresholds.slow_recent if move.slow else 1
    own = thresholds.deviations * _DEVIATION * move.spread / sqrt(nights)
    return abs(difference) > max(share * measure.strictness * move.usual, measure.matters, own)
