"""What is read of the history to judge one night. How much is bounded, whatever the night was like.

Where thousands of tests are bad at once, the past is followed back for fewer nights: `since` may then be later than
the truth.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, timedelta

from nightly_pipeline.model.baseline import Thresholds
from nightly_pipeline.model.history import GOOD_RESULTS, NightRow, TestIdentity, TestResult, TestRow
from nightly_pipeline.model.past import TestNight, engine_kind, night_of, nights_of_each
from nightly_pipeline.model.report import Report
from nightly_pipeline.model.tonight import rows_of_tonight
from nightly_pipeline.model.verdicts import RATE_NIGHTS
from nightly_pipeline.steps.ports import History

WINDOW = RATE_NIGHTS
"""How many nights of a test are read; of one that was bad in all of them, as many more as there are."""
LOOKED_BACK = 14
"""How many nights back a test may have been bad for its recovery to be told as fixed."""
MOST_ROWS = 40_000
"""About so many results are read of the tests in question."""
FEWEST_NIGHTS = 10
MOST_SLOW_TESTS = 200
RENAMES_FOLLOWED = 4
"""So many nights back a test's old name is looked for."""


class JudgedPast:
    """What is read of the history for one night.

    Attributes:
        tonight: every result of the night; `there` has them by test.
        dates: the nights before with results of this kind of engine, oldest first.
        of: the nights of every test that may have a verdict.
        slow: the tests whose durations are looked at. Others may share their rows of the nights before, which
            then have no name and no duration.
        entries: rows of images and stages of as many nights as a baseline needs.
    """

    def __init__(self, report: Report, history: History, thresholds: Thresholds) -> None:
        self.date, self.engine, self.profile = report.date, report.engine, report.profile
        self.history = history
        self.runs = [
            night for night in history.nights(until=report.date) if night.engine_kind == report.engine
        ]
        self.dates = sorted({night.date for night in self.runs if night.date < report.date})
        self.tonight = rows_of_tonight(report, history.tests(report.date))
        self.there: dict[TestIdentity, list[TestRow]] = defaultdict(list)
        for row in self.tonight:
            self.there[row.identity].append(row)
        self.slow = _slowest(self.tonight, thresholds)
        self.entries = [
            entry
            for entry in history.entries(since=self.since(2 * RATE_NIGHTS), until=report.date)
            if entry.engine_kind in {None, report.engine}
        ]
        self.of: dict[TestIdentity, tuple[TestNight, ...]] = {}

    @property
    def whole_runs(self) -> list[NightRow]:
        """Runs of the same profile: how long others take says nothing."""
        return [night for night in self.runs if night.profile == self.profile]

    def since(self, nights: int) -> str | None:
        """The first of the last `nights` nights; None when there are no more."""
        return self.dates[-nights] if len(self.dates) > nights else None

    def read(self, tests: Iterable[TestIdentity], *, since: str | None) -> None:
        """Add the nights of some tests to what is known, from `since` on; None is from the first."""
        wanted = list(dict.fromkeys(tests))
        if not wanted:
            return
        yesterday = _days_before(self.date, 1)
        rows = self.history.shared_rows(wanted, alone=set(self.slow), since=since, until=yesterday)
        before = {kind: nights_of_each(rows, len(wanted), engine=kind) for kind in ("mock", "real")}
        for place, test in enumerate(wanted):
            kind, tonight = self._tonight(test)
            if nights := (*before[kind][place], *tonight):
                self.of[test] = nights

    def read_since(self, first_day: str | None, tests: Sequence[TestIdentity]) -> None:
        """Read some tests from a day on, or their last nights, whichever is more; fewer, the more tests they are."""
        wanted = min(first_day or "", self.since(WINDOW) or "")
        bound = self.since(max(FEWEST_NIGHTS, MOST_ROWS // max(len(tests), 1)))
        self.read(tests, since=max(wanted, bound or "") or None)

    def _tonight(self, test: TestIdentity) -> tuple[str, tuple[TestNight, ...]]:
        """The kind of engine a test ran with tonight, and that night; the night's own kind where it ran with both."""
        for kind in (self.engine, "mock" if self.engine == "real" else "real"):
            rows = [row for row in self.there.get(test, ()) if engine_kind(row) == kind]
            if night := night_of(self.date, rows):
                return kind, (night,)
        return self.engine, ()

    def read_windows(self, *groups: Sequence[TestIdentity]) -> None:
        """Add the last nights of the tests that are not known yet: fewer, the more a group has.

        Groups that reach equally far are read at once.
        """
        by_window: dict[str | None, list[TestIdentity]] = defaultdict(list)
        known = set(self.of)
        for group in groups:
            tests = [test for test in dict.fromkeys(group) if test not in known]
            known.update(tests)
            nights = min(WINDOW, max(FEWEST_NIGHTS, MOST_ROWS // max(len(tests), 1)))
            by_window[self.since(nights)] += tests
        for since, tests in by_window.items():
            self.read(tests, since=since)

    def read_all_of_long_ones(self) -> None:
        """Follow the tests that were not good once in their window back to where they were."""
        long = [test for test, nights in self.of.items() if not any(night.good for night in nights)]
        known = [test for test in long if len(self.of[test]) > 1]
        if len(self.dates) > FEWEST_NIGHTS:
            self.read(known, since=self.since(max(WINDOW, MOST_ROWS // max(len(known), 1))))

    def lately_bad(self) -> list[TestIdentity]:
        """The tests that are there tonight and were bad in one of the last nights: they may be mended."""
        first = min([*self.dates[-LOOKED_BACK:][:1], _days_before(self.date, LOOKED_BACK)])
        bad = self.history.bad_tests(since=first, until=_days_before(self.date, 1))
        return [test for test in bad if test in self.there]

    def last_of(self, places: set[tuple[str, str, str]]) -> list[TestRow]:
        """The results of the newest night before, of the last few, that has any of each of these stages."""
        missing, found = set(places), list[TestRow]()
        for night in reversed(self.dates[-RENAMES_FOLLOWED:]):
            rows = [row for row in self.history.tests(night) if _place(row) in missing and _was_there(row)]
            found += rows
            missing -= {_place(row) for row in rows}
            if not missing:
                break
        return found


def _place(row: TestRow) -> tuple[str, str, str]:
    return row.framework, row.arch, row.stage


def _was_there(row: TestRow) -> bool:
    return row.source in {"night", "import"} and row.result is not TestResult.COLLECTED


def _slowest(rows: Iterable[TestRow], thresholds: Thresholds) -> list[TestIdentity]:
    """The tests that were good and took long enough to have moved at all, the slowest first."""
    slow = [row for row in rows if row.duration_s > thresholds.test_s and row.result in GOOD_RESULTS]
    slowest = sorted(slow, key=lambda row: -row.duration_s)[:MOST_SLOW_TESTS]
    return list(dict.fromkeys(row.identity for row in slowest))


def _days_before(night: str, days: int) -> str:
    return (date.fromisoformat(night) - timedelta(days=days)).isoformat()
