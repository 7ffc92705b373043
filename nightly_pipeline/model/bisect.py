"""The search for the first bad one of a row that was good once: which to look at next, and what is known so far.

The row is oldest first and ends with one that is bad. Some cannot tell (an image that is gone, a runner without a GPU):
then a neighbour is looked at, and the answer may be several instead of one, as with `git bisect skip`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Finding(StrEnum):
    """What looking at one of them said."""

    GOOD = "good"
    BAD = "bad"
    UNCLEAR = "unclear"  # nothing was learnt: absent, could not be run, skipped


@dataclass(frozen=True)
class Search:
    """A search, as far as it has come. A value: what is found next makes another.

    Attributes:
        row: names of what is searched, oldest first, each once; the first should be good, the last bad.
        found: what is known of them so far.
    """

    row: tuple[str, ...]
    found: Mapping[str, Finding] = field(default_factory=dict)

    @property
    def next(self) -> str | None:
        """What to look at next: both ends first, then the middle of what is left; None when there is nothing."""
        if self.contradiction is not None:
            return None
        for end in (self.row[-1], self.row[0]):
            if end not in self.found:
                return end
        low, high = self._bounds
        left = [place for place in range(low + 1, high) if self.row[place] not in self.found]
        middle = (low + high) / 2
        return self.row[min(left, key=lambda place: (abs(place - middle), place))] if left else None

    @property
    def contradiction(self) -> str | None:
        """Why there is nothing to search, in a sentence; None while the ends are as they should be, or not known."""
        newest, oldest = self.found.get(self.row[-1]), self.found.get(self.row[0])
        if newest not in {None, Finding.BAD}:
            return f"{self.row[-1]} should be bad, but is {newest}"
        if oldest not in {None, Finding.GOOD}:
            return f"{self.row[0]} should be good, but is {oldest}"
        return None

    @property
    def culprits(self) -> tuple[str, ...]:
        """Those of which one is the first bad one, oldest first: from behind the last good one to the first bad one.

        One, when the search is over and everything could tell.
        """
        low, high = self._bounds
        return self.row[low + 1 : high + 1]

    @property
    def last_good(self) -> str:
        """The one right before the culprits."""
        return self.row[self._bounds[0]]

    @property
    def most_left(self) -> int:
        """How many more have to be looked at, at most, when each of them can tell."""
        ends = sum(end not in self.found for end in {self.row[0], self.row[-1]})
        return ends + (len(self.culprits) - 1).bit_length()

    @property
    def _bounds(self) -> tuple[int, int]:
        """Places of the last good one and of the first bad one after it. Before any finding: both ends."""
        high = len(self.row) - 1
        low = 0
        for place in self._narrowing():
            if not low < place < high:
                continue  # a finding that contradicts an earlier one changes nothing
            if self.found[self.row[place]] is Finding.GOOD:
                low = place
            elif self.found[self.row[place]] is Finding.BAD:
                high = place
        return low, high

    def _narrowing(self) -> Sequence[int]:
        """Places that were looked at, in the order they were."""
        places = {name: place for place, name in enumerate(self.row)}
        return [places[name] for name in self.found]
