"""A night against its past: what is new, since when, what belongs together, what moved, and whose it is.

Reads what it needs of the history and hands it to the rules. How much is read is bounded: where thousands of tests
are bad at once, the past is followed back for fewer nights, and `since` may then be later than the truth.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from nightly_pipeline.model.baseline import Thresholds
from nightly_pipeline.model.drifts import IMAGES, entry_drifts, night_drifts, slow_test_drifts, step_drifts
from nightly_pipeline.model.history import (
    BAD_RESULTS,
    GOOD_RESULTS,
    EntryRow,
    NightRow,
    TestIdentity,
    TestRow,
)
from nightly_pipeline.model.incidents import Failure, incidents_of
from nightly_pipeline.model.judgement import Drift, Incident, Judgement, TestVerdict, Verdict
from nightly_pipeline.model.metrics import BuildStep
from nightly_pipeline.model.owners import Owners
from nightly_pipeline.model.past import TestNight, engine_kind, pasts
from nightly_pipeline.model.quarantine import Quarantine
from nightly_pipeline.model.renames import renamed
from nightly_pipeline.model.report import Report
from nightly_pipeline.model.stage_incidents import stage_incidents
from nightly_pipeline.model.tonight import rows_of_tonight
from nightly_pipeline.model.verdicts import (
    RATE_NIGHTS,
    VERDICT_ORDER,
    Background,
    environment_errors,
    judge_test,
    signature_row,
)
from nightly_pipeline.steps.ports import History

LOOKED_BACK = 14
"""How many nights back a test may have been bad for its recovery to be told as fixed."""
MOST_ROWS = 150_000
"""About so many results are read of the tests in question."""
FEWEST_NIGHTS = 10
MOST_SLOW_TESTS = 200
RENAMES_FOLLOWED = 4
"""So many nights back a test's old name is looked for."""

StepsOf = Callable[[EntryRow], Sequence[BuildStep]]
"""The steps of a build, as far as its metrics are still kept; else empty."""

_Pasts = Mapping[TestIdentity, tuple[TestNight, ...]]


@dataclass(frozen=True)
class Rules:
    """What a team decides about its nights.

    Attributes:
        quarantine: tests known to be bad.
        owners: who is asked about which test.
        thresholds: when a duration or a size has moved.
        steps_of: for drifts of build steps; None leaves them out.
    """

    quarantine: Quarantine = field(default_factory=Quarantine)
    owners: Owners = field(default_factory=Owners)
    thresholds: Thresholds = field(default_factory=Thresholds)
    steps_of: StepsOf | None = None


def judge(report: Report, history: History, rules: Rules) -> Judgement:
    """Judge a night, by nothing but what is known up to it.

    Args:
        report: the night, or one run of it.
        history: with the night's own rows where they are written already; its failures are known either way.
        rules: the team's.

    Raises:
        NightlyError: the history cannot be read.
    """
    past = _Past(report, history)
    found = _verdicts(past, rules)
    failures = [_failure(found.verdicts[test], past.of[test], found.background) for test in found.bad(past)]
    by_test = incidents_of(failures)
    incidents = [*by_test, *stage_incidents(report.stages, past.entries, tonight=report.date)]
    named = {test: one.id for one in by_test for test in one.tests}
    told = [one.model_copy(update={"incident": named.get(one.test)}) for one in found.verdicts.values()]
    return Judgement(
        compared_with=past.dates[-1] if past.dates else None,
        known_nights=len(past.dates),
        verdicts=tuple(sorted(told, key=_order)),
        incidents=tuple(_owned(one, found.verdicts, rules.owners) for one in incidents),
        drifts=tuple(_drifts(past, history, rules)),
        quarantine=rules.quarantine.notes(past.of, report.date),
    )


class _Past:
    """What is read of the history for one night.

    Attributes:
        tonight: every result of the night; `there` has them by test.
        dates: the nights before with results of this kind of engine, oldest first.
        of: the nights of every test that may have a verdict.
        entries: rows of images and stages of as many nights as a baseline needs.
    """

    def __init__(self, report: Report, history: History) -> None:
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

    def read(self, tests: Iterable[TestIdentity]) -> None:
        """Add the nights of some tests to what is known."""
        wanted = [test for test in dict.fromkeys(tests) if test not in self.of]
        if not wanted:
            return
        since = self.since(max(FEWEST_NIGHTS, MOST_ROWS // len(wanted)))
        before = self.history.of_tests(wanted, since=since, until=_day_before(self.date))
        own = [row for test in wanted for row in self.there.get(test, ())]
        self.of |= _by_kind([*before, *own], self.date, self.engine)

    def last_of(self, places: set[tuple[str, str, str]]) -> list[TestRow]:
        """The results of the newest night before on which each of these stages ran, of the last few."""
        missing, found = set(places), list[TestRow]()
        for night in reversed(self.dates[-RENAMES_FOLLOWED:]):
            rows = [row for row in self.history.tests(night) if _place(row) in missing and _ran(row)]
            found += rows
            missing -= {_place(row) for row in rows}
            if not missing:
                break
        return found

    def lately_bad(self) -> set[TestIdentity]:
        """Tests that were bad in one of the last nights."""
        since = self.since(LOOKED_BACK)
        rows = self.history.recent_bad(_day_before(self.date), LOOKED_BACK, since=since)
        return {row.identity for row in rows if row.result in BAD_RESULTS}


@dataclass(frozen=True)
class _Found:
    verdicts: dict[TestIdentity, TestVerdict]
    background: Background

    def bad(self, past: _Past) -> list[TestIdentity]:
        """The tests that are bad tonight."""
        return [test for test in self.verdicts if past.of[test][-1].bad]


def _verdicts(past: _Past, rules: Rules) -> _Found:
    in_question = [row.identity for row in past.tonight if _is_in_question(row)]
    quarantined = [test for test in past.there if rules.quarantine.means(test)]
    past.read([*in_question, *(past.lately_bad() & past.there.keys()), *quarantined])
    background = Background(past.date, tuple(past.dates), environment_errors(past.of.values()))
    judged = {test: judge_test(nights, background) for test, nights in past.of.items()}
    found = {test: verdict for test, verdict in judged.items() if verdict is not None}
    _follow_renames(found, past, background)
    return _Found({test: _told(one, past, rules) for test, one in found.items()}, background)


def _place(row: TestRow) -> tuple[str, str, str]:
    return row.framework, row.arch, row.stage


def _ran(row: TestRow) -> bool:
    return row.source in {"night", "import"} and (row.result in GOOD_RESULTS or row.result in BAD_RESULTS)


def _is_in_question(row: TestRow) -> bool:
    return row.result in BAD_RESULTS or row.failed_attempts > 0 or row.source != "night"


def _told(verdict: TestVerdict, past: _Past, rules: Rules) -> TestVerdict:
    """With its owners, and quarantined where the file says so and it is bad."""
    test, nights = verdict.test, past.of[verdict.test]
    owners = rules.owners.of(test)
    entry = rules.quarantine.active(test, nights, past.date) if nights[-1].bad else None
    if entry is None:
        return verdict.model_copy(update={"owners": owners})
    why = f"quarantined until {entry.expires}: {entry.reason} ({entry.issue}); without it {verdict.verdict.value}"
    own = {"verdict": Verdict.QUARANTINED, "owners": (entry.owner,), "why": why}
    return verdict.model_copy(update=own)


def _follow_renames(
    found: dict[TestIdentity, TestVerdict],
    past: _Past,
    background: Background,
) -> None:
    """Give tests that only changed their name the past of their old one."""
    newcomers = [past.of[test][-1].row for test, one in found.items() if one.verdict is Verdict.UNKNOWN]
    if not newcomers or not past.dates:
        return
    last = past.last_of({(row.framework, row.arch, row.stage) for row in newcomers})
    names = renamed(newcomers, [row for row in last if row.identity not in past.there])
    past.read(names.values())
    for new, old in names.items():
        nights = (*past.of.get(old, ()), *past.of[new])
        verdict = judge_test(nights, background)
        if verdict is not None:
            past.of[new] = nights
            found[new] = verdict.model_copy(update={"why": f"{verdict.why}; until then it was {old.node_id}"})


def _failure(verdict: TestVerdict, nights: Sequence[TestNight], background: Background) -> Failure:
    row = signature_row(nights, background)
    tonight, first = nights[-1].row, row[0]
    before = [night.date for night in nights if night.date < first.date and (night.good or night.bad)]
    alike = [
        night for night in nights[-RATE_NIGHTS:] if night.bad and night.row.signature == tonight.signature
    ]
    return Failure(
        verdict=verdict,
        row=tonight,
        bad_on=tuple(night.date for night in alike),
        began=first.date,
        good_until=before[-1] if before else None,
        nights=len(row),
    )


def _owned(incident: Incident, verdicts: Mapping[TestIdentity, TestVerdict], owners: Owners) -> Incident:
    if incident.verdict is not Verdict.QUARANTINED:
        return incident.model_copy(update={"owners": owners.of_all(incident.tests)})
    entries = sorted({name for test in incident.tests for name in verdicts[test].owners})
    return incident.model_copy(update={"owners": tuple(entries)})


def _drifts(past: _Past, history: History, rules: Rules) -> list[Drift]:
    """What moved, of the same kind of engine; the night as a whole first."""
    thresholds, tonight = rules.thresholds, past.date
    return [
        *night_drifts(past.whole_runs, thresholds, tonight=tonight),
        *entry_drifts(past.entries, thresholds, tonight=tonight),
        *_step_drifts(past, rules),
        *slow_test_drifts(_slow_tests(past, history, thresholds), thresholds, tonight=tonight),
    ]


def _slow_tests(past: _Past, history: History, thresholds: Thresholds) -> list[TestRow]:
    """Results of the tests that took long enough tonight to have moved at all, the slowest first."""
    slow = [
        row
        for row in past.tonight
        if row.duration_s > thresholds.test_s
        and row.result in GOOD_RESULTS
        and engine_kind(row) == past.engine
    ]
    slowest = sorted(slow, key=lambda row: -row.duration_s)[:MOST_SLOW_TESTS]
    if not slowest:
        return []
    since = past.since(thresholds.nights + thresholds.slow_nights)
    before = history.of_tests([row.identity for row in slowest], since=since, until=_day_before(past.date))
    return [*(row for row in before if engine_kind(row) == past.engine), *slowest]


def _step_drifts(past: _Past, rules: Rules) -> list[Drift]:
    if rules.steps_of is None:
        return []
    recent = set([*past.dates, past.date][-rules.thresholds.nights - 1 :])
    drifts: list[Drift] = []
    for image in [row for row in past.entries if row.date == past.date and row.name in IMAGES]:
        own = [row for row in past.entries if _is_build_of(image, row) and row.date in recent]
        if image.status == "built" and own:
            drifts += step_drifts([(row, rules.steps_of(row)) for row in own], rules.thresholds)
    return drifts


def _is_build_of(image: EntryRow, row: EntryRow) -> bool:
    same = (row.framework, row.arch, row.name) == (image.framework, image.arch, image.name)
    return same and row.status == "built"


def _by_kind(rows: Sequence[TestRow], tonight: str, engine: str) -> dict[TestIdentity, tuple[TestNight, ...]]:
    """Nights of the kind of engine each test ran with tonight; the night's own kind where it ran with both."""
    other = "mock" if engine == "real" else "real"
    found = pasts(rows, until=tonight, engine=engine)
    rest = pasts(rows, until=tonight, engine=other)
    fitting = {
        test: nights
        for test, nights in rest.items()
        if nights[-1].date == tonight and not (found.get(test) and found[test][-1].date == tonight)
    }
    return {**found, **fitting}


def _day_before(night: str) -> str:
    return (date.fromisoformat(night) - timedelta(days=1)).isoformat()


def _order(verdict: TestVerdict) -> tuple[int, str, str, str, str]:
    test = verdict.test
    return VERDICT_ORDER.index(verdict.verdict), test.framework, test.arch, test.stage, test.node_id
