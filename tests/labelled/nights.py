"""Nights played out: what a history would hold of a scenario, and the label of everything in it.

The labels come from the hidden causes and from what ran; the rules that are measured are not asked. What a label
stands on may have left no trace (a flake that also failed when it was repeated): that is noted beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from nightly_pipeline.model.history import TestIdentity, TestResult, TestRow
from nightly_pipeline.model.signature import says_little
from tests.labelled.reruns import Reruns
from tests.labelled.runs import BAD, Run, Runner, day
from tests.labelled.scenario import Cause, Scenario
from tests.labelled.suite import FRAMEWORKS, Key

_LATELY = 13
"""For so many nights it is remembered that a test was seen to be flaky."""


@dataclass
class Played:
    """A scenario as it happened.

    Attributes:
        rows: night -> rows of the tests that have a cause, as the history would hold them.
        of_other_engine: night -> rows of a run of the other engine.
        digests: (night, framework) -> the image.
        labels: night -> test -> the verdict that is right: `new`, `recurring`, `fixed`, `flaky`, `environment`,
            `quarantined`, `unknown`.
        because: night -> bad test -> the name of its cause.
        began: night -> tests that are bad by a break that nobody had seen before that night.
        traceless: night -> tests whose label nobody could know who sees nothing but the history.
        keys: the tests with causes.
    """

    scenario: Scenario
    rows: dict[int, list[TestRow]] = field(default_factory=dict)
    of_other_engine: dict[int, list[TestRow]] = field(default_factory=dict)
    digests: dict[tuple[int, str], str] = field(default_factory=dict)
    labels: dict[int, dict[TestIdentity, str]] = field(default_factory=dict)
    because: dict[int, dict[TestIdentity, str]] = field(default_factory=dict)
    began: dict[int, set[TestIdentity]] = field(default_factory=dict)
    traceless: dict[int, set[TestIdentity]] = field(default_factory=dict)
    keys: dict[Key, list[Cause]] = field(default_factory=dict)

    @property
    def nights(self) -> list[int]:
        """The nights there is anything of."""
        return [night for night in range(self.scenario.nights) if night not in self.scenario.missing]


def play(scenario: Scenario) -> Played:
    """Play all nights of a scenario, in order."""
    return _Player(scenario).play()


@dataclass(frozen=True)
class _Last:
    """A test's last result, as far as labels need it: what made it bad, and what it was called."""

    cause: Cause | None
    node_id: str


class _Player:
    def __init__(self, scenario: Scenario) -> None:
        self.scenario, self.played = scenario, Played(scenario)
        for cause in scenario.causes:
            for key in cause.tests:
                self.played.keys.setdefault(key, []).append(cause)
        self.runner = Runner(scenario, self.played.keys, Random(scenario.seed + 7))  # noqa: S311 - to be repeated
        self.reruns = Reruns(self.runner)
        self.proven: dict[TestIdentity, int] = {}  # the last night on which it passed and failed on one image
        self.last: dict[Key, _Last] = {}
        self.traceless: set[Key] = set()
        self.seen: set[str] = set()  # causes that made a test bad on an earlier night

    def play(self) -> Played:
        for night in range(self.scenario.nights):
            if night in self.scenario.other_engine:
                self.played.of_other_engine[night] = self.runner.of_other_engine(night)
            if night not in self.scenario.missing:
                self._night(night)
        return self.played

    def _night(self, night: int) -> None:
        self.runner.build(night)
        self.played.digests |= {(night, framework): self.runner.digest(framework) for framework in FRAMEWORKS}
        ran = {key: self.runner.runs(key, night) for key in sorted(self.played.keys)}
        again = self.reruns.of(ran, self._to_repeat(ran, night), night)
        rows = [run.row for runs in ran.values() for run in runs] + again
        self.played.rows[night] = rows
        self._note_proofs(rows, night)
        self._label(ran, night)

    def _to_repeat(self, ran: dict[Key, list[Run]], night: int) -> list[Key]:
        """What the pipeline repeats: what was good the last time, and what may be chance but is not proven tonight."""
        bad = [key for key, runs in ran.items() if runs and runs[-1].cause and not _mixed(runs)]
        known = [key for key in bad if key in self.last and key not in self.scenario.quarantined]
        return [key for key in known if self._may_be_repeated(key, ran[key][-1], night)]

    def _may_be_repeated(self, key: Key, run: Run, night: int) -> bool:
        last, proven = self.last[key], self.proven.get(run.row.identity)
        if _name(last.node_id) != _name(run.row.node_id):
            return False  # it never ran before, as far as anybody knows
        good = last.cause is None or (last.cause.kind == "environment" and last.cause is not run.cause)
        return good or (proven is not None and proven >= night - _LATELY)

    def _note_proofs(self, rows: list[TestRow], night: int) -> None:
        results: dict[tuple[TestIdentity, str | None], set[bool]] = {}
        for row in rows:
            if row.result in (*BAD, TestResult.PASSED) and row.source != "previous_image":
                seen = results.setdefault((row.identity, row.image_digest), set())
                seen |= {row.result in BAD, row.failed_attempts > 0}
        self.proven |= {test: night for (test, _), seen in results.items() if len(seen) > 1}

    def _label(self, ran: dict[Key, list[Run]], night: int) -> None:
        labels, because = self.played.labels.setdefault(night, {}), self.played.because.setdefault(night, {})
        began, traceless = (
            self.played.began.setdefault(night, set()),
            self.played.traceless.setdefault(night, set()),
        )
        shown = self._causes_shown(night)
        for key, runs in ran.items():
            decided = [run for run in runs if run.row.result in (*BAD, TestResult.PASSED)]
            if not decided:
                continue
            run = decided[-1]
            test = run.row.identity
            label = self._right(key, decided)
            if label:
                labels[test] = label
            if self._leaves_no_trace(key, run, label, shown):
                traceless.add(test)
            if run.cause:
                because[test] = run.cause.name
                if run.cause.kind == "break" and run.cause.name not in self.seen:
                    began.add(test)
            self.last[key] = _Last(run.cause, run.row.node_id)
        self.seen |= set(because.values())

    def _right(self, key: Key, runs: list[Run]) -> str | None:
        cause, last = runs[-1].cause, self.last.get(key)
        before = last.cause if last else None
        if cause is None:
            flaked = any(one and one.kind == "flake" for run in runs for one in (run.cause, run.before))
            if flaked or self._passes_where_it_flaked(key, runs[-1].row):
                return "flaky"
            same_name = last is not None and last.node_id == runs[-1].row.node_id
            return "fixed" if same_name and before and before.kind == "break" else None
        if key in self.scenario.quarantined:
            return "quarantined"
        return {"flake": "flaky", "environment": "environment"}.get(cause.kind) or _of_break(runs[-1], last)

    def _passes_where_it_flaked(self, key: Key, row: TestRow) -> bool:
        """Whether its last result was a flake on the very image that it passes on now."""
        last = self.last.get(key)
        nights = [one for one in self.played.nights if day(one) < row.date]
        same = bool(nights) and self.played.digests[nights[-1], key[0]] == row.image_digest
        flaked = last is not None and last.cause is not None and last.cause.kind == "flake"
        return same and flaked and self.proven.get(row.identity) != nights[-1]

    def _causes_shown(self, night: int) -> set[str]:
        """Causes around the tests that somebody can have seen: an earlier image, or a rerun, showed them."""
        shown = {
            row.identity
            for row in self.played.rows[night]
            if row.source == "previous_image" and row.result in BAD
        }
        shown |= {test for test, last in self.proven.items() if last == night}
        keys = [key for key in self.played.keys if self.scenario.suite.identity(key, night) in shown]
        causes = (cause for key in keys for cause in self.played.keys[key])
        return {cause.name for cause in causes if cause.kind == "environment" and cause.active(night)}

    def _leaves_no_trace(self, key: Key, run: Run, label: str | None, shown: set[str]) -> bool:
        if label == "flaky" or (label == "quarantined" and run.cause and run.cause.kind == "flake"):
            found = run.row.identity not in self.proven and not self._passes_where_it_flaked(key, run.row)
        elif label == "environment":
            found = run.cause is None or run.cause.name not in shown
        elif label is None:  # good again after what only looked like a break
            return key in self.traceless
        else:
            found = False
        (self.traceless.add if found else self.traceless.discard)(key)
        return found


def _of_break(run: Run, last: _Last | None) -> str:
    """A new one, or one that goes on; under a new name it is known again by its error, where that says something."""
    if last is None:
        return "unknown"
    if _name(last.node_id) != _name(run.row.node_id):
        same = last.cause is run.cause and not says_little(run.row.message or "")
        return (
            "recurring"
            if same and last.node_id.partition("::")[0] == run.row.node_id.partition("::")[0]
            else "unknown"
        )
    return "recurring" if last.cause and last.cause.kind == "break" else "new"


def _mixed(runs: list[Run]) -> bool:
    return len({run.row.result in BAD for run in runs}) > 1


def _name(node_id: str) -> str:
    return node_id.rpartition("::")[2]
