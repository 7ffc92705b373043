"""Which incident and which step tell of one and the same trouble, so that no trouble is told twice.

A step that broke (a deadline, a crash, an error while collecting, a runner without a GPU) is told as a step, with what
its incident knows: how long it has been so, and whom to ask. Tests that merely failed are told by their incidents.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from nightly_pipeline.model.findings import broken_steps, incidents, since_text
from nightly_pipeline.model.history import TestIdentity
from nightly_pipeline.model.judgement import Incident, Verdict
from nightly_pipeline.model.outcomes import StageOutcome, StageStatus
from nightly_pipeline.model.reading import Item, causes
from nightly_pipeline.model.report import Report, identity_of
from nightly_pipeline.model.step_incidents import step_incident_id

_HASH, _SUSPECTS_NAMED = 12, 5


@dataclass(frozen=True)
class Told:
    """Who tells of what.

    Attributes:
        incidents: those that have more to say than the steps that broke, new ones first.
        steps: what is not good and told by none of these incidents, most urgent first.
        by_step: label of a step that broke -> the incident that knows it.
        by_incidents: the stages that these incidents tell of, and nothing else does.
    """

    incidents: tuple[Incident, ...]
    steps: tuple[Item, ...]
    by_step: Mapping[str, Incident]
    by_incidents: tuple[Item, ...]


def told(report: Report) -> Told:
    """Put each trouble of a night to one teller."""
    known = incidents(report)
    of_test = {test: one for one in known for test in one.tests}
    of_id = {one.id: one for one in known}
    by_step = {
        item.label: found
        for item in broken_steps(report)
        if (found := _incident_of(item, of_test, of_id)) is not None
    }
    blamed = frozenset(_blamed(report, by_step))
    own = tuple(one for one in known if one.tests and not blamed.issuperset(one.tests))
    shown = {test for one in own for test in one.tests}
    problems = causes(report)
    covered = tuple(item for item in problems if _is_covered(item, shown))
    labels = {item.label for item in covered}
    return Told(own, tuple(item for item in problems if item.label not in labels), by_step, covered)


def standing(incident: Incident | None) -> str:
    """What an incident adds to the line of a step: `new`, `since 2026-11-17 (4 nights)`, or nothing."""
    if incident is None or (
        incident.verdict in {Verdict.UNKNOWN, Verdict.ENVIRONMENT} and incident.nights <= 1
    ):
        return ""
    if incident.nights <= 1 or incident.verdict in {Verdict.FLAKY, Verdict.QUARANTINED}:
        return incident.verdict.value
    return since_text(incident.since, incident.nights)


def first_steps(who: Told) -> Mapping[str, Incident]:
    """Label -> incident, of the steps that one incident tells of the first alone: what is said once is said there."""
    firsts = {one.id: (label, one) for label, one in reversed(list(who.by_step.items()))}
    return dict(firsts.values())


def leads(incident: Incident | None) -> tuple[str, ...]:
    """Where to look for what broke a step: the night it was good last, and who wrote what came between."""
    return tuple(_leads(incident)) if incident else ()


def _leads(incident: Incident) -> Iterator[str]:
    good, bad = incident.last_good_revision, incident.first_bad_revision
    between = f", {good[:_HASH]} to {bad[:_HASH]}" if good and bad else ""
    if incident.last_good:
        yield f"good last on {incident.last_good}{between}"
    if incident.suspects:
        left_out = len(incident.suspects) - _SUSPECTS_NAMED
        more = f" and {left_out} more" if left_out > 0 else ""
        yield f"commits since then by {', '.join(incident.suspects[:_SUSPECTS_NAMED])}{more}"


def _incident_of(
    step: Item, of_test: Mapping[TestIdentity, Incident], of_id: Mapping[str, Incident]
) -> Incident | None:
    """Of a stage that names one test to blame the incident of that test; of a step that names none its own."""
    if not step.failures:
        return of_id.get(step_incident_id(step))
    if isinstance(step.outcome, StageOutcome) and len(step.failures) == 1:
        return of_test.get(identity_of(step.outcome, step.failures[0]))
    return None


def _blamed(report: Report, by_step: Mapping[str, Incident]) -> Iterable[TestIdentity]:
    """The tests that stand beside a step that broke as the one to blame."""
    for item in broken_steps(report):
        stage = item.outcome
        if item.label in by_step and isinstance(stage, StageOutcome) and stage.failures:
            yield identity_of(stage, stage.failures[0])


def _is_covered(item: Item, shown: set[TestIdentity]) -> bool:
    """Whether it is nothing but tests that failed, each of which an incident shows."""
    stage = item.outcome
    if not isinstance(stage, StageOutcome) or stage.status is not StageStatus.FAILED or not stage.failures:
        return False
    return all(identity_of(stage, failure) in shown for failure in stage.failures)
