"""How well the judgements of a scenario fit its labels: precision and recall of each class."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date
from itertools import combinations

from nightly_pipeline.model.history import TestIdentity
from nightly_pipeline.model.judgement import Judgement, Verdict
from nightly_pipeline.model.outcomes import NightStatus
from nightly_pipeline.model.quarantine import Quarantine, QuarantineEntry
from nightly_pipeline.model.report import Report, RunFacts, RunState
from nightly_pipeline.steps.judge import Rules, judge
from nightly_pipeline.steps.ports import History
from tests.labelled.nights import Played
from tests.labelled.runs import day
from tests.labelled.scenario import NEVER

FIRST_JUDGED = 3
VERDICTS = ("flaky", "new", "recurring", "fixed", "environment")
CLASSES = (*VERDICTS, "incidents", "whole incidents", "begun", "drift")
"""`incidents`: pairs of bad tests that belong together; `whole incidents`: exactly the tests of one cause;
`begun`: tests of breaks that nobody had seen before, and tests of incidents that are told as new."""


@dataclass
class Score:
    """Right, wrong and missed, by class; and what of the wrong and missed left no trace: nobody could know it."""

    right: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    wrong_traceless: Counter[str] = field(default_factory=Counter)
    missed_traceless: Counter[str] = field(default_factory=Counter)

    def add(self, other: Score) -> None:
        """Count another scenario's as well."""
        self.right += other.right
        self.wrong += other.wrong
        self.missed += other.missed
        self.wrong_traceless += other.wrong_traceless
        self.missed_traceless += other.missed_traceless

    @property
    def knowable(self) -> Score:
        """The same without what nobody could know."""
        wrong = Counter({what: count - self.wrong_traceless[what] for what, count in self.wrong.items()})
        missed = Counter({what: count - self.missed_traceless[what] for what, count in self.missed.items()})
        return Score(self.right, wrong, missed)

    def precision(self, what: str) -> float:
        """Of what was said, the share that is right; 1 where nothing was said."""
        said = self.right[what] + self.wrong[what]
        return self.right[what] / said if said else 1.0

    def recall(self, what: str) -> float:
        """Of what is there, the share that was said; 1 where nothing is there."""
        there = self.right[what] + self.missed[what]
        return self.right[what] / there if there else 1.0

    def count(
        self,
        what: str,
        said: AbstractSet[object],
        there: AbstractSet[object],
        traceless: AbstractSet[object] = frozenset(),
    ) -> None:
        """Count what was said against what is there; of what left no trace nobody could have known."""
        self.right[what] += len(said & there)
        self.wrong[what] += len(said - there)
        self.missed[what] += len(there - said)
        self.wrong_traceless[what] += len((said - there) & traceless)
        self.missed_traceless[what] += len((there - said) & traceless)


def report_of(night: str, runs: Sequence[str], *, profile: str = "labelled") -> Report:
    """The report of a night (YYYY-MM-DD), as far as its judgement needs it."""
    return Report(
        date=night,
        run_id=runs[-1],
        source_revision=None,
        status=NightStatus.RED,
        engine="mock",
        profile=profile,
        partial=False,
        running=False,
        images=(),
        stages=(),
        publications=(),
        runs=tuple(RunFacts(run_id=run, date=night, state=RunState.FAILED, planned=()) for run in runs),
    )


def rules_of(played: Played) -> Rules:
    """The team's rules: the quarantine of the scenario."""
    suite = played.scenario.suite
    entries = tuple(
        QuarantineEntry(
            test=name.partition("[")[0],
            cells=(f"{key[0]}/amd64",),
            owner="@team",
            reason="known",
            issue="#1",
            since=date.fromisoformat(day(0)),
            expires=date.fromisoformat(day(played.scenario.nights)),
        )
        for key in sorted(played.scenario.quarantined)
        for name in sorted(suite.names(key[1]))
    )
    return Rules(quarantine=Quarantine(entries=entries, leave_after_nights=NEVER))


def score(played: Played, history: History, *, first: int = FIRST_JUDGED) -> Score:
    """Judge every night of a scenario from `first` on, and compare."""
    found = Score()
    drifted: set[object] = set()
    rules = rules_of(played)
    for night in [night for night in played.nights if night >= first]:
        judgement = judge(report_of(day(night), [f"run-{night}-{at}" for at in range(2)]), history, rules)
        _count_verdicts(found, judgement, played, night)
        _count_incidents(found, judgement, played, night)
        drifted |= {(one.what, one.framework, one.name or one.stage) for one in judgement.drifts}
    count_drifts(found, drifted, played)
    return found


def count_drifts(found: Score, drifted: set[object], played: Played) -> None:
    """Count the series that were said to have moved in a month against those that something moved."""
    suite, keys = played.scenario.suite, played.keys
    there, first_name = set[object](), dict[object, object]()
    for what, framework, name in played.scenario.moves:
        if what != "test":
            there.add((what, framework, name))
        elif (framework, int(name)) not in keys:
            moved = (what, framework, suite.node_id(int(name), 0))
            there.add(moved)
            first_name |= {(what, framework, other): moved for other in suite.names(int(name))}
    found.count("drift", {first_name.get(one, one) for one in drifted}, there)


def _count_verdicts(found: Score, judgement: Judgement, played: Played, night: int) -> None:
    said: dict[str, set[object]] = defaultdict(set)
    there: dict[str, set[object]] = defaultdict(set)
    for verdict in judgement.verdicts:
        said[verdict.verdict.value].add(verdict.test)
    for test, label in played.labels[night].items():
        there[label].add(test)
    for what in VERDICTS:
        found.count(what, said[what], there[what], played.traceless[night])


def _count_incidents(found: Score, judgement: Judgement, played: Played, night: int) -> None:
    """Bad tests that are in one incident, against those that have one cause; and what began tonight."""
    there: dict[str, set[TestIdentity]] = defaultdict(set)
    for test, cause in played.because[night].items():
        if played.labels[night].get(test) != "quarantined":
            there[cause].add(test)
    among = set().union(*there.values()) if there else set()
    said = [set(incident.tests) & among for incident in judgement.incidents]
    found.count("incidents", _pairs(said), _pairs(there.values()))
    found.count(
        "whole incidents", {frozenset(one) for one in said if one}, {frozenset(one) for one in there.values()}
    )
    new = {test for one in judgement.incidents if one.verdict is Verdict.NEW for test in one.tests}
    found.count("begun", new & among, played.began[night] & among, played.traceless[night])


def _pairs(groups: Iterable[set[TestIdentity]]) -> set[object]:
    return {frozenset(pair) for group in groups for pair in combinations(group, 2)}
