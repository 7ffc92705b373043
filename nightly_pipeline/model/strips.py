"""A test's last nights in a line of characters, and in words: for those who do not see the squares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum

from nightly_pipeline.model.history import BAD_RESULTS, GOOD_RESULTS, TestResult
from nightly_pipeline.model.judgement import NightResult
from nightly_pipeline.model.quantities import plural


class Square(StrEnum):
    """What one night of a strip shows; the value is its letter."""

    PASSED = "."
    FAILED = "F"
    FLAKY = "~"
    OTHER = "s"  # skipped, collected, not reached
    ABSENT = "_"  # not there that night


NAMES = {
    Square.PASSED: "passed",
    Square.FAILED: "failed",
    Square.FLAKY: "flaky",
    Square.OTHER: "skipped or collected",
    Square.ABSENT: "did not run",
}
LEGEND = ", ".join(f"{square.value} {NAMES[square]}" for square in Square)


def _square(result: TestResult | None, *, flaky: bool) -> Square:
    if result is None:
        return Square.ABSENT
    if flaky:
        return Square.FLAKY
    if result in BAD_RESULTS:
        return Square.FAILED
    return Square.PASSED if result in GOOD_RESULTS else Square.OTHER


_SQUARES = {
    (result, flaky): _square(result, flaky=flaky) for result in (None, *TestResult) for flaky in (False, True)
}
"""Looked up: a night in which everything fails has hundreds of thousands of squares."""
_LETTERS = {key: square.value for key, square in _SQUARES.items()}


def square_of(night: NightResult) -> Square:
    """Which square a night gets. A flake is one whatever its last attempt said; unknown is never a pass."""
    return _SQUARES[night.result, night.flaky]


def strip_text(strip: Sequence[NightResult]) -> str:
    """One letter a night, oldest first: `......FFF`."""
    return "".join([_LETTERS[night.result, night.flaky] for night in strip])


def strip_words(strip: Sequence[NightResult]) -> str:
    """`30 nights to 2026-11-20: 27 passed, 3 failed`; empty without nights."""
    if not strip:
        return ""
    counted = Counter(square_of(night) for night in strip)
    said = ", ".join(f"{counted[square]} {NAMES[square]}" for square in Square if counted[square])
    return f"{plural(len(strip), 'night')} to {strip[-1].date}: {said}"
