"""A test's past, night by night: which result counts, and what else was seen of it on the same image.

Only nights of one kind of engine are put side by side, and nothing of a later night is looked at: a night of the past
is judged against its own past.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from nightly_pipeline.model.history import (
    BAD_RESULTS,
    GOOD_RESULTS,
    SharedRow,
    TestIdentity,
    TestResult,
    TestRow,
)

_DECIDING = frozenset({"night", "import"})
_SAME_IMAGE = frozenset({"night", "import", "confirmation"})
"""Not a search: it runs days later, when what is around the image may have changed."""
_SAYS_NOTHING = frozenset({TestResult.NOT_RUN, TestResult.COLLECTED})
_EARLIEST = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class TestNight:
    """One night of one test.

    Attributes:
        row: the newest result of the night itself: what counts. One that did not run hides no other, and of
            results that came at the same time (files of one import) a bad one counts, then one that ran.
        runs: everything that ran on that night's image or another's of that night, confirming reruns included;
            good or bad.
        checks: results of that night on the image of the night before.
        good, bad: whether it ran, and how. A test that was skipped or did not run is neither.
        mixed: whether it passed and failed on one and the same image that night: the proof of a flake.
    """

    __test__ = False

    date: str
    row: TestRow
    runs: tuple[TestRow, ...] = ()
    checks: tuple[TestRow, ...] = ()
    good: bool = field(init=False, repr=False, compare=False)
    bad: bool = field(init=False, repr=False, compare=False)
    mixed: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Find out once what the rules ask again and again; many tests have a night of the past in common."""
        good = self.row.result in GOOD_RESULTS
        object.__setattr__(self, "good", good)
        object.__setattr__(self, "bad", self.row.result in BAD_RESULTS)
        alone = len(self.runs) == 1  # nearly always
        mixed = good and self.row.failed_attempts > 0 if alone else passed_and_failed(self.same_image)
        object.__setattr__(self, "mixed", mixed)

    @property
    def same_image(self) -> tuple[TestRow, ...]:
        """What ran on the image of the result that counts. Where no digest is known, that result alone."""
        digest = self.row.image_digest
        return tuple(run for run in self.runs if run is self.row or (digest and run.image_digest == digest))

    @property
    def confirmed(self) -> bool:
        """Whether it ran again on the same image and was bad again, each time."""
        if self.bad and len(self.runs) == 1:  # nearly always
            return False
        again = [run for run in self.same_image if run.source == "confirmation"]
        return bool(again) and all(run.result in BAD_RESULTS for run in again)

    @property
    def signatures(self) -> frozenset[str]:
        """Of what went wrong on the image of the result that counts."""
        return frozenset(run.signature for run in self.same_image if run.signature)


def passed_and_failed(rows: Iterable[TestRow]) -> bool:
    """Whether results of one image are both good and bad; an attempt that failed before one that passed counts."""
    seen = set()
    for row in rows:
        if row.result in GOOD_RESULTS:
            seen |= {"good", "bad"} if row.failed_attempts else {"good"}
        elif row.result in BAD_RESULTS:
            seen.add("bad")
    return len(seen) > 1


def engine_kind(row: TestRow) -> str | None:
    """Mock or real. What was imported from elsewhere never ran on the mock."""
    return row.engine_kind or ("real" if row.source == "import" else None)


def pasts(rows: Iterable[TestRow], *, until: str, engine: str) -> dict[TestIdentity, tuple[TestNight, ...]]:
    """Every test's nights up to `until`, oldest first, of one kind of engine."""
    by_test: dict[tuple[str, str, str, str], list[TestRow]] = defaultdict(list)
    for row in rows:
        if row.date <= until:
            by_test[row.framework, row.arch, row.stage, row.node_id].append(row)
    found = ((own[0].identity, nights_of(own, engine=engine)) for own in by_test.values())
    return {identity: nights for identity, nights in found if nights}


def nights_of_each(shared: Sequence[SharedRow], tests: int, *, engine: str) -> list[tuple[TestNight, ...]]:
    """Every test's nights, by its place, of one kind of engine; tests with the same rows have the same nights.

    Args:
        shared: the rows of some tests, oldest first.
        tests: how many tests were asked for.
        engine: mock or real.
    """
    rows_of: list[list[int]] = [[] for _ in range(tests)]
    for number, one in enumerate(shared):
        if engine_kind(one.row) == engine:
            for place in one.places:
                rows_of[place].append(number)
    histories = [tuple(numbers) for numbers in rows_of]
    known = {own: nights_of((shared[at].row for at in own), engine=engine) for own in set(histories)}
    return [known[own] for own in histories]


def nights_of(rows: Iterable[TestRow], *, engine: str) -> tuple[TestNight, ...]:
    """One test's nights, oldest first, of one kind of engine."""
    by_date: dict[str, list[TestRow]] = defaultdict(list)
    for row in rows:
        if engine_kind(row) == engine:
            by_date[row.date].append(row)
    nights = (night_of(date, by_date[date]) for date in sorted(by_date))
    return tuple(night for night in nights if night is not None)


def night_of(date: str, rows: Sequence[TestRow]) -> TestNight | None:
    """One night of one test, from its rows of that night; None when none of them is the night's own."""
    if len(rows) == 1 and rows[0].source in _DECIDING:  # nearly every night of nearly every test
        return TestNight(date, rows[0], (rows[0],) if _ran(rows[0]) else ())
    own = [row for row in rows if row.source in _DECIDING]
    if not own:
        return None
    newest_last = sorted(own, key=lambda row: (_ended(row), row.result in BAD_RESULTS, _ran(row)))
    saying = [row for row in newest_last if row.result not in _SAYS_NOTHING]
    return TestNight(
        date,
        row=(saying or newest_last)[-1],
        runs=tuple(row for row in rows if row.source in _SAME_IMAGE and _ran(row)),
        checks=tuple(row for row in rows if row.source == "previous_image" and _ran(row)),
    )


def _ran(row: TestRow) -> bool:
    return row.result in GOOD_RESULTS or row.result in BAD_RESULTS


def _ended(row: TestRow) -> datetime:
    return row.finished_at or _EARLIEST
