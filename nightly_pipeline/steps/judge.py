"""A night against its past: what is new, since when, what belongs together, what moved, and whose it is.

Reads what it needs of the history and hands it to the rules.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from nightly_pipeline.model.baseline import Thresholds
from nightly_pipeline.model.drifts import entry_drifts, night_drifts, slow_test_drifts, step_drifts
from nightly_pipeline.model.history import (
    BAD_RESULTS,
    TestIdentity,
    TestRow,
)
from nightly_pipeline.model.incidents import Failure, incidents_of
from nightly_pipeline.model.judgement import Drift, Incident, Judgement, TestVerdict, Verdict
from nightly_pipeline.model.outcomes import ImageOutcome, StageStatus
from nightly_pipeline.model.owners import Owners
from nightly_pipeline.model.past import TestNight
from nightly_pipeline.model.quarantine import Quarantine
from nightly_pipeline.model.reading import Item
from nightly_pipeline.model.renames import renamed
from nightly_pipeline.model.report import Report
from nightly_pipeline.model.step_incidents import step_incidents
from nightly_pipeline.model.surroundings import environment_errors
from nightly_pipeline.model.verdicts import (
    RATE_NIGHTS,
    VERDICT_ORDER,
    Background,
    judge_test,
    signature_row,
)
from nightly_pipeline.steps.judged_past import WINDOW, JudgedPast
from nightly_pipeline.steps.ports import History


@dataclass(frozen=True)
class Rules:
    """What a team decides about its nights.

    Attributes:
        quarantine: tests known to be bad.
        owners: who is asked about which file.
        dockerfiles: framework -> its Dockerfile in the repository under test, whose owners are asked about its images.
        thresholds: when a duration or a size has moved.
    """

    quarantine: Quarantine = field(default_factory=Quarantine)
    owners: Owners = field(default_factory=Owners)
    dockerfiles: Mapping[str, str] = field(default_factory=dict)
    thresholds: Thresholds = field(default_factory=Thresholds)


@contextmanager
def _without_looking_for_cycles() -> Iterator[None]:
    """Rows come by the ten thousand and no cycle among them: looking for some takes a quarter of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@_without_looking_for_cycles()
def judge(report: Report, history: History, rules: Rules) -> Judgement:
    """Judge a night, by nothing but what is known up to it.

    Args:
        report: the night, or one run of it.
        history: with the night's own rows where they are written already; its failures are known either way.
        rules: the team's.

    Raises:
        NightlyError: the history cannot be read.
    """
    past = JudgedPast(report, history, rules.thresholds)
    found = _verdicts(past, rules)
    failures = [_failure(found.verdicts[test], past.of[test], found.background) for test in found.bad(past)]
    by_test = incidents_of(failures)
    by_step = step_incidents(report, past.entries, lambda step: _owners_of_image(step, rules))
    named = {test: one.id for one in by_test for test in one.tests}
    told = [_told(one, named, rules.owners) for one in found.verdicts.values()]
    return Judgement(
        compared_with=past.dates[-1] if past.dates else None,
        known_nights=len(past.dates),
        verdicts=tuple(sorted(told, key=_order)),
        incidents=(*(_owned(one, found.verdicts, rules.owners) for one in by_test), *by_step),
        drifts=tuple(_drifts(past, rules)),
        quarantine=rules.quarantine.notes(past.of, report.date, whole=_all_ran(report)),
    )


@dataclass(frozen=True)
class _Found:
    verdicts: dict[TestIdentity, TestVerdict]
    background: Background

    def bad(self, past: JudgedPast) -> list[TestIdentity]:
        """The tests that are bad tonight."""
        return [test for test in self.verdicts if past.of[test][-1].bad]


def _verdicts(past: JudgedPast, rules: Rules) -> _Found:
    in_question = [test for test, rows in past.there.items() if any(map(_is_in_question, rows))]
    quarantined = rules.quarantine.meant(past.there)
    past.read_since(_first_day(rules.quarantine), quarantined)
    past.read_windows(past.lately_bad(), [*in_question, *past.slow])
    past.read_all_of_long_ones()
    background = Background(past.date, tuple(past.dates), environment_errors(past.of))
    judged = {test: judge_test(nights, background) for test, nights in past.of.items()}
    found = {test: verdict for test, verdict in judged.items() if verdict is not None}
    _follow_renames(found, past, background)
    known = (found[test] for test in quarantined if test in found)
    found |= {one.test: _quarantined(one, past, rules.quarantine) for one in known}
    return _Found(found, background)


def _is_in_question(row: TestRow) -> bool:
    return row.result in BAD_RESULTS or row.failed_attempts > 0 or row.source != "night"


def _told(verdict: TestVerdict, incidents: Mapping[TestIdentity, str], owners: Owners) -> TestVerdict:
    """With its incident and its owners; of a quarantined test these are the entry's."""
    own = {"incident": incidents.get(verdict.test), "owners": verdict.owners or owners.of(verdict.test)}
    return verdict.model_copy(update=own)


def _quarantined(verdict: TestVerdict, past: JudgedPast, quarantine: Quarantine) -> TestVerdict:
    """The verdict on a test that the file names: quarantined, while the file says so and it is bad."""
    nights = past.of[verdict.test]
    entry = quarantine.active(verdict.test, nights, past.date) if nights[-1].bad else None
    if entry is None:
        return verdict
    why = f"quarantined until {entry.expires}: {entry.reason} ({entry.issue}); without it {verdict.verdict.value}"
    own = {"verdict": Verdict.QUARANTINED, "owners": (entry.owner,), "why": why}
    return verdict.model_copy(update=own)


def _follow_renames(
    found: dict[TestIdentity, TestVerdict],
    past: JudgedPast,
    background: Background,
) -> None:
    """Give tests that only changed their name the past of their old one."""
    newcomers = [past.of[test][-1].row for test, one in found.items() if one.verdict is Verdict.UNKNOWN]
    if not newcomers or not past.dates:
        return
    last = past.last_of({(row.framework, row.arch, row.stage) for row in newcomers})
    names = renamed(newcomers, [row for row in last if row.identity not in past.there])
    past.read([old for old in names.values() if old not in past.of], since=past.since(WINDOW))
    for new, old in names.items():
        nights = (*past.of.get(old, ()), *past.of[new])
        verdict = judge_test(nights, background)
        if verdict is not None:
            past.of[new] = nights
            found[new] = verdict.model_copy(update={"why": f"{verdict.why}; until then it was {old.node_id}"})


def _failure(verdict: TestVerdict, nights: Sequence[TestNight], background: Background) -> Failure:
    row = signature_row(nights, background)
    tonight, first = nights[-1].row, row[0]
    ran_before = (
        night.date for night in reversed(nights) if (night.good or night.bad) and night.date < first.date
    )
    lately_bad = (night for night in nights[-RATE_NIGHTS:] if night.bad)
    return Failure(
        verdict=verdict,
        row=tonight,
        bad_on=tuple([night.date for night in lately_bad if night.row.signature == tonight.signature]),
        began=first.date,
        good_until=next(ran_before, None),
        nights=len(row),
    )


def _owned(incident: Incident, verdicts: Mapping[TestIdentity, TestVerdict], owners: Owners) -> Incident:
    if incident.verdict is not Verdict.QUARANTINED:
        return incident.model_copy(update={"owners": owners.of_all(incident.tests)})
    entries = sorted({name for test in incident.tests for name in verdicts[test].owners})
    return incident.model_copy(update={"owners": tuple(entries)})


def _owners_of_image(step: Item, rules: Rules) -> tuple[str, ...]:
    """Who owns the Dockerfile of an image that could not be built. No file speaks for a stage without tests."""
    dockerfile = rules.dockerfiles.get(step.outcome.framework)
    return rules.owners.of_path(dockerfile) if dockerfile and isinstance(step.outcome, ImageOutcome) else ()


def _drifts(past: JudgedPast, rules: Rules) -> list[Drift]:
    """What moved, of the same kind of engine; the night as a whole first."""
    thresholds, tonight = rules.thresholds, past.date
    return [
        *night_drifts(past.whole_runs, thresholds, tonight=tonight),
        *entry_drifts(past.entries, thresholds, tonight=tonight),
        *step_drifts(past.entries, thresholds, tonight=tonight),
        *slow_test_drifts(
            (night.row for test in past.slow for night in past.of.get(test, ())),
            thresholds,
            tonight=tonight,
        ),
    ]


def _all_ran(report: Report) -> bool:
    ended = {StageStatus.PASSED, StageStatus.FAILED, StageStatus.COLLECTED}
    return not report.partial and all(stage.status in ended for stage in report.stages)


def _first_day(quarantine: Quarantine) -> str | None:
    return min((entry.since.isoformat() for entry in quarantine.entries), default=None)


def _order(verdict: TestVerdict) -> tuple[int, str, str, str, str]:
    test = verdict.test
    return VERDICT_ORDER.index(verdict.verdict), test.framework, test.arch, test.stage, test.node_id
