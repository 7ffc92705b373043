"""Whatever the past looks like: what every judgement must hold to, whichever rules it came by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nightly_pipeline.model.history import BAD_RESULTS, GOOD_RESULTS, SharedRow, TestIdentity, TestRow
from nightly_pipeline.model.judgement import Judgement, TestVerdict, Verdict
from nightly_pipeline.model.quarantine import Quarantine, QuarantineEntry
from nightly_pipeline.steps.judge import Rules, judge
from tests.fakes.history import MemoryHistory
from tests.unit.model.pasts import day, row
from tests.unit.steps.judging import named, night_row, report

ERRORS = (
    "KeyError: 'usage'",
    "AssertionError",
    "assert 1 == 2",
    "Failed: Timeout >600.0s",
    "ConnectionRefusedError: [Errno 111] Connection refused",
    "never ended: the process ended while it was running",
    "",
)
QUARANTINE = Quarantine(
    entries=(
        QuarantineEntry(
            test="unit/f0.py::*",
            owner="@a",
            reason="r",
            issue="#1",
            since=date.fromisoformat(day(0)),
            expires=date.fromisoformat(day(30)),
        ),
    ),
    leave_after_nights=3,
)


@st.composite
def pasts(draw: st.DrawFn) -> MemoryHistory:
    """Tests with any results on some nights: on own images, on the night's before, on unknown ones; repeated or not."""
    nights = draw(st.integers(1, 12))
    files = draw(st.lists(st.integers(0, 2), min_size=1, max_size=8))
    random = draw(st.randoms(use_true_random=True))
    history = MemoryHistory()
    for night in range(nights):
        rows: dict[str, list[TestRow]] = {"night": [], "again": []}
        for number, file in enumerate(files):
            test = named(f"unit/f{file}.py::t{number}")
            for source, some in (
                ("night", 0.9),
                ("confirmation", 0.2),
                ("previous_image", 0.2),
                ("bisect", 0.1),
            ):
                if random.random() > some:
                    continue
                before = source == "previous_image" or random.random() < 0.2
                digest = None if random.random() < 0.05 else f"sha256:{max(night - before, 0)}"
                sign, error = random.choice("....FFECxsnc"), random.choice(ERRORS)
                made = row(sign, night, test=test, error=error, source=source, image_digest=digest)
                rows["night" if source == "night" else "again"].append(made)
        history.write(night_row(night), [], rows["night"])
        history.add(rows["again"], date=day(night), run_id=f"run-{night}", part="again")
    return history


@given(pasts(), st.sampled_from([Quarantine(), QUARANTINE]))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_failure_has_one_verdict_and_one_incident_and_nothing_contradicts_itself(history, quarantine):
    tonight = max(night.date for night in history.nights())
    judgement = judge(report(len(history.nights()) - 1), history, Rules(quarantine=quarantine))
    bad = {
        one.identity for one in history.tests(tonight) if one.source == "night" and one.result in BAD_RESULTS
    }
    assert Counter(test for one in judgement.incidents for test in one.tests) == Counter(bad)
    assert Counter(one.test for one in judgement.verdicts if one.test in bad) == Counter(bad)
    for told in judgement.verdicts:
        assert told.verdict in _possible(told.test in bad), told
        assert told.why
        assert told.since <= tonight
        assert told.last_good is None or told.last_good < told.since
        assert _nights_fit(told), told
        assert _is_proven(told, history), told
    assert all(one.incident in _ids(judgement) for one in judgement.verdicts if one.test in bad)


class Unshared(MemoryHistory):
    """In which every row is one test's own."""

    def shared_rows(self, identities, *, alone=(), since=None, until=None):
        place_of = {test: place for place, test in enumerate(identities)}
        rows = self.of_tests(identities, since=since, until=until)
        return [SharedRow(row, [place_of[row.identity]]) for row in rows]


@given(pasts(), st.sampled_from([Quarantine(), QUARANTINE]))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_rows_that_tests_share_make_no_difference(history, quarantine):
    own = Unshared(history.nights_by_run, history.entries_by_run, history.tests_by_run, history.parts)
    night = report(len(history.nights()) - 1)
    rules = Rules(quarantine=quarantine)
    assert judge(night, history, rules) == judge(night, own, rules)


def _possible(bad: bool) -> set[Verdict]:  # noqa: FBT001 - one of two
    return set(Verdict) - {Verdict.FIXED} if bad else {Verdict.FIXED, Verdict.FLAKY}


def _nights_fit(told: TestVerdict) -> bool:
    if told.verdict is Verdict.NEW:
        return told.nights == 1
    return told.verdict is not Verdict.RECURRING or told.nights > 1


def _ids(judgement: Judgement) -> set[str]:
    return {one.id for one in judgement.incidents}


def _is_proven(told: TestVerdict, history: MemoryHistory) -> bool:
    """Flaky is only what passed and failed on one and the same image."""
    if told.verdict is not Verdict.FLAKY:
        return True
    return any(len(seen) > 1 for seen in _seen(told.test, history).values())


def _seen(test: TestIdentity, history: MemoryHistory) -> dict[str | None, set[bool]]:
    seen: dict[str | None, set[bool]] = {}
    for one in _rows_of(test, history):
        if one.result in GOOD_RESULTS:
            seen.setdefault(one.image_digest, set()).add(True)
        if one.result in BAD_RESULTS or one.failed_attempts:
            seen.setdefault(one.image_digest, set()).add(False)
    return seen


def _rows_of(test: TestIdentity, history: MemoryHistory) -> Iterator[TestRow]:
    yield from (one for one in history.of_tests([test]) if one.source != "bisect")
