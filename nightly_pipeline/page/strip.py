"""A test's last nights as squares. Their height tells them apart, not only their colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nightly_pipeline.model.judgement import NightResult
from nightly_pipeline.model.strips import Square, square_of, strip_words

HEIGHT, PITCH, WIDTH = 12, 5, 4
_SHOWN = 30
# Where the pieces of a square begin and how tall they are.
_PIECES = {
    Square.PASSED: ((8, 4),),
    Square.FAILED: ((0, 12),),
    Square.FLAKY: ((0, 5), (7, 5)),
    Square.OTHER: ((10, 2),),
}
_NAMES = {
    Square.PASSED: "passed",
    Square.FAILED: "failed",
    Square.FLAKY: "flaky",
    Square.OTHER: "other",
}


@dataclass(frozen=True)
class Strip:
    """One picture: a path for each kind of square (a browser copes with one better than with thirty), and its words."""

    width: int
    words: str
    paths: tuple[tuple[str, str], ...]
    """(name of the kind, path)"""


def strip_of(nights: Sequence[NightResult]) -> Strip | None:
    """The last thirty nights; None without any."""
    shown = nights[-_SHOWN:]
    if not shown:
        return None
    drawn: dict[Square, list[str]] = {}
    for position, night in enumerate(shown):
        square = square_of(night)
        for top, height in _PIECES.get(square, ()):
            drawn.setdefault(square, []).append(f"M{position * PITCH} {top}h{WIDTH}v{height}h-{WIDTH}z")
    paths = tuple((_NAMES[square], "".join(pieces)) for square, pieces in drawn.items())
    return Strip(width=len(shown) * PITCH - (PITCH - WIDTH), words=strip_words(shown), paths=paths)
