"""How well the judgements of a scenario fit its labels: precision and recall of each class."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import combinations

from nightly_pipeline.model.history import TestIdentity
from nightly_pipeline.model.judgement import Judgement
from nightly_pipeline.model.outcomes import NightStatus
from nightly_pipeline.model.quarantine import Quarantine, QuarantineEntry
from nightly_pipeline.model.report import Report, RunFacts, RunState
from nightly_pipeline.steps.judge import Rules, judge
from nightly_pipeline.steps.ports import History
from tests.labelled.causes import NEVER
from tests.labelled.nights import Played, day

FIRST_JUDGED = 3
CLASSES = ("flaky", "new", "recurring", "fixed", "environment", "incidents", "drift")


@dataclass
class Score:
    """Right, wrong and missed, by class."""

    right: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)

    def add(self, other: Score) -> None:
        """Count another scenario's as well."""
        self.right += other.right
        self.wrong += other.wrong
        self.missed += other.missed

    def precision(self, what: str) -> float:
        """Of what was said, the share that is right; 1 where nothing was said."""
        said = self.right[what] + self.wrong[what]
        return self.right[what] / said if said else 1.0

    def recall(self, what: str) -> float:
        """Of what is there, the share that was said; 1 where nothing is there."""
        there = self.right[what] + self.missed[what]
        return self.right[what] / there if there else 1.0

    def count(self, what: str, said: set[object], there: set[object]) -> None:
        """Count what was said against what is there."""
        self.right[what] += len(said & there)
        self.wrong[what] += len(said - there)
        self.missed[what] += len(there - said)


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
            test=suite.node_id(key[1], 0).partition("[")[0],
            cells=(f"{key[0]}/amd64",),
            owner="@team",
            reason="known",
            issue="#1",
            since=date.fromisoformat(day(0)),
            expires=date.fromisoformat(day(played.scenario.nights)),
        )
        for key in sorted(played.scenario.quarantined)
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
        _count_pairs(found, judgement, played, night)
        drifted |= {(one.what, one.framework, one.name or one.stage) for one in judgement.drifts}
    found.count("drift", drifted, _moved(played))
    return found


def _moved(played: Played) -> set[object]:
    """The series that something moved, named as drifts are."""
    suite, keys = played.scenario.suite, played.keys
    return {
        (what, framework, suite.node_id(int(name), 0) if what == "test" else name)
        for what, framework, name in played.scenario.moves
        if what != "test" or (framework, int(name)) not in keys
    }


def _count_verdicts(found: Score, judgement: Judgement, played: Played, night: int) -> None:
    said: dict[str, set[object]] = defaultdict(set)
    there: dict[str, set[object]] = defaultdict(set)
    for verdict in judgement.verdicts:
        said[verdict.verdict.value].add(verdict.test)
    for test, label in played.labels[night].items():
        there[label].add(test)
    for what in ("flaky", "new", "recurring", "fixed", "environment"):
        found.count(what, said[what], there[what])


def _count_pairs(found: Score, judgement: Judgement, played: Played, night: int) -> None:
    """Pairs of bad tests that are in one incident, against pairs that have one cause."""
    there: dict[str, set[TestIdentity]] = defaultdict(set)
    for test, cause in played.because[night].items():
        if played.labels[night].get(test) != "quarantined":
            there[cause].add(test)
    among = set().union(*there.values()) if there else set()
    said = [set(incident.tests) & among for incident in judgement.incidents]
    found.count("incidents", _pairs(said), _pairs(there.values()))


def _pairs(groups: object) -> set[object]:
    return {frozenset(pair) for group in groups for pair in combinations(group, 2)}  # type: ignore[attr-defined]
