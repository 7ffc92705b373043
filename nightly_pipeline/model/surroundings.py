"""Errors that did not come from the image: what the reruns of a night showed of what is around its tests.

Two things show it. A test that is bad now on an earlier image as well, on which it was good. And an error that tests of
several images have for the first time, where many of them were good on the same image, just after or the night before:
so much at once is no chance.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from nightly_pipeline.model.history import BAD_RESULTS, GOOD_RESULTS, TestIdentity
from nightly_pipeline.model.incident_words import is_bare_comparison
from nightly_pipeline.model.past import TestNight
from nightly_pipeline.model.signature import says_little

AT_ONCE = 5
"""So many tests with one error that were good and bad on the same image are no chance..."""
IMAGES_AT_ONCE = 2
"""... when so many images have the error: a race in one image may well hit many of its tests."""


def environment_errors(pasts: Mapping[TestIdentity, Sequence[TestNight]]) -> dict[str, frozenset[str]]:
    """Night -> signatures of errors that did not come from the images of that night.

    One test that was good on the image of the night before clears its error: what changed is in the image.
    """
    seen = _Seen(pasts)
    for test, nights in pasts.items():
        for at, night in enumerate(nights):
            if night.bad or night.mixed:  # hardly ever
                seen.add(test, nights, at)
    return {date: frozenset(errors) for date, errors in seen.errors().items() if errors}


def fails_where_it_was_good(nights: Sequence[TestNight]) -> bool:
    """Whether it was bad in every check on an image of an earlier night, and had been good on that very image."""
    checks = nights[-1].checks
    if not checks:  # hardly ever are there any
        return False
    good_on = {run.image_digest for night in nights[:-1] for run in night.runs if run.result in GOOD_RESULTS}
    return all(check.result in BAD_RESULTS and check.image_digest in good_on for check in checks)


def spreads(message: str) -> bool:
    """Whether what is known of an error in one test says something of it in another: not when it names nothing.

    >>> spreads("OSError: cannot reach https://hub.example.org"), spreads("assert 404 == 200")
    (True, False)
    """
    return not says_little(message) and not is_bare_comparison(message)


@dataclass
class _Seen:
    """What the nights showed.

    Attributes:
        outside, cleared: night -> signatures that were seen on an earlier image as well, or were not.
        both_ways: (night, signature) -> the tests that were good and bad on one image.
    """

    pasts: Mapping[TestIdentity, Sequence[TestNight]]
    outside: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    cleared: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    both_ways: dict[tuple[str, str], list[TestIdentity]] = field(default_factory=lambda: defaultdict(list))

    def add(self, test: TestIdentity, nights: Sequence[TestNight], at: int) -> None:
        """One night of a test, which has nights before it."""
        night = nights[at]
        if night.mixed or _was_good_on_it(nights, at):
            for signature in night.signatures:
                self.both_ways[night.date, signature].append(test)
        if not night.row.signature or not night.checks or night.mixed:
            return
        if fails_where_it_was_good(nights[: at + 1]):
            self.outside[night.date].add(night.row.signature)
        elif any(check.result in GOOD_RESULTS for check in night.checks):
            self.cleared[night.date].add(night.row.signature)

    def errors(self) -> dict[str, set[str]]:
        """Those of no image."""
        found = {date: set(errors) for date, errors in self.outside.items()}
        first: dict[str, str] = {}
        for date, signature in sorted(self.both_ways):
            if first.setdefault(signature, date) == date and self._too_many_for_chance(date, signature):
                found.setdefault(date, set()).add(signature)
        return {date: errors - self.cleared[date] for date, errors in found.items()}

    def _too_many_for_chance(self, date: str, signature: str) -> bool:
        """Tests of several files and images: neither one flaky fixture nor a race in one image."""
        tests = self.both_ways[date, signature]
        several_files = len({test.node_id.partition("::")[0] for test in tests}) > 1
        return (
            len(tests) >= AT_ONCE and several_files and len(self._images(date, signature)) >= IMAGES_AT_ONCE
        )

    def _images(self, date: str, signature: str) -> set[tuple[str, str]]:
        """The cells that had an error on a night."""
        had = (night.row for nights in self.pasts.values() for night in nights if night.date == date)
        return {(row.framework, row.arch) for row in had if row.signature == signature}


def _was_good_on_it(nights: Sequence[TestNight], at: int) -> bool:
    """Whether the test was good the last time it ran, and that was on the image of this night."""
    digest = nights[at].row.image_digest
    for earlier in range(at - 1, -1, -1):
        last = nights[earlier]
        if last.good or last.bad:
            return last.good and digest is not None and last.row.image_digest == digest
    return False
