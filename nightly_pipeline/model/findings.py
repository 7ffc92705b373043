"""What a report and its past have to say, in the order in which people ask: incidents, steps, tests by verdict.

The page, the tables and the markdown all read it through this. Without a judgement every failing test is `unknown`:
nothing is made up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

from nightly_pipeline.model.history import TestIdentity
from nightly_pipeline.model.judgement import Incident, TestVerdict, Verdict
from nightly_pipeline.model.outcomes import StageOutcome, StageStatus, TestFailure
from nightly_pipeline.model.quantities import plural
from nightly_pipeline.model.reading import Item, causes
from nightly_pipeline.model.report import Report, identity_of
from nightly_pipeline.model.untrusted import one_line

ORDER = (
    Verdict.NEW,
    Verdict.UNKNOWN,
    Verdict.RECURRING,
    Verdict.FLAKY,
    Verdict.ENVIRONMENT,
    Verdict.FIXED,
    Verdict.QUARANTINED,
)
MEANINGS = {
    Verdict.NEW: "good the last time they ran",
    Verdict.UNKNOWN: "nothing to compare them with",
    Verdict.RECURRING: "bad the last time they ran, too",
    Verdict.FLAKY: "passed and failed on one and the same image",
    Verdict.ENVIRONMENT: "bad on last night's image now as well, where they were good: not the image's doing",
    Verdict.FIXED: "good tonight, bad the last time they ran",
    Verdict.QUARANTINED: "known to be bad, with an owner and a date",
}
LETTERS = {
    Verdict.NEW: "N",
    Verdict.UNKNOWN: "?",
    Verdict.RECURRING: "R",
    Verdict.FLAKY: "~",
    Verdict.ENVIRONMENT: "E",
    Verdict.FIXED: "✓",
    Verdict.QUARANTINED: "Q",
}
"""Marks that do not lean on colour."""


@dataclass(frozen=True)
class Finding:
    """One test worth a line: what it means over time, and how it failed tonight where it did.

    Attributes:
        failure: None for a test that ended well tonight: fixed, or flaky and good at last.
        story: None where the past was not asked, or does not know the test.
        stage: the stage it ran in; None when the report does not show that stage.
    """

    test: TestIdentity
    verdict: Verdict
    failure: TestFailure | None = None
    story: TestVerdict | None = None
    stage: StageOutcome | None = None

    @property
    def where(self) -> str:
        """`vllm/amd64/unit`."""
        return f"{self.test.framework}/{self.test.arch}/{self.test.stage}"

    @property
    def message(self) -> str:
        """The error; empty for a test that ended well."""
        return self.failure.message if self.failure else ""


def findings(report: Report) -> dict[Verdict, tuple[Finding, ...]]:
    """Every failing test and every one the judgement names, by verdict in the order people ask; no empty groups."""
    groups: dict[Verdict, list[Finding]] = {verdict: [] for verdict in ORDER}
    for one in _all(report):
        groups[one.verdict].append(one)
    return {verdict: tuple(found) for verdict, found in groups.items() if found}


Findings = Mapping[Verdict, Sequence[Finding]]
"""What `findings` returns; who needs it often asks once, for a night may have tens of thousands."""


def counts(found: Findings) -> dict[Verdict, int]:
    """How many tests have which verdict; no zeros."""
    return {verdict: len(tests) for verdict, tests in found.items()}


def counts_text(counted: Mapping[Verdict, int], *, judged: bool) -> str:
    """`3 new, 1 recurring`; without a judgement `4 failing`."""
    if not judged:
        return f"{sum(counted.values()):,} failing" if counted else ""
    return ", ".join(f"{counted[one]:,} {word_of(one)}" for one in ORDER if counted.get(one))


def word_of(verdict: Verdict) -> str:
    """A verdict in the words of a sentence."""
    return "not compared" if verdict is Verdict.UNKNOWN else verdict.value


def stage_counts(found: Findings, *, without: Container[TestIdentity] = ()) -> dict[str, Counter[Verdict]]:
    """Bad tests by stage and verdict: `{"vllm/amd64/unit": {NEW: 3}}`."""
    by_stage: dict[str, Counter[Verdict]] = {}
    for verdict, tests in found.items():
        for one in () if verdict is Verdict.FIXED else tests:
            if one.test not in without:
                by_stage.setdefault(one.where, Counter())[verdict] += 1
    return by_stage


def broken_steps(report: Report) -> tuple[Item, ...]:
    """What is not good for another reason than failing tests alone: images, runners, deadlines, collection."""
    return tuple(one for one in causes(report) if not is_of_tests_alone(one))


def failed_stages(report: Report) -> tuple[Item, ...]:
    """Stages that are not good because tests of theirs failed, and for no other reason."""
    return tuple(one for one in causes(report) if is_of_tests_alone(one))


def incidents(report: Report) -> tuple[Incident, ...]:
    """New ones first, then by how much they took; the rest in the judgement's order."""
    known = report.judgement.incidents if report.judgement else ()
    return tuple(sorted(known, key=lambda one: (ORDER.index(one.verdict), -len(one.tests))))


def incident_line(incident: Incident) -> str:
    """`30 tests, 4 cells, since 2026-11-17 (4 nights)`; of one test `in vllm/amd64/unit, since tonight`."""
    tests, cells = plural(len(incident.tests), "test"), plural(len(incident.cells), "cell")
    parts = [tests, cells] if incident.tests else [cells]
    if len(incident.tests) == 1:
        [test] = incident.tests
        parts = [one_line(f"in {test.framework}/{test.arch}/{test.stage}")]
    compared = incident.verdict is not Verdict.UNKNOWN or incident.nights > 1
    parts += [since_text(incident.since, incident.nights)] if incident.since and compared else []
    return ", ".join(parts)


def since_text(since: str | None, nights: int) -> str:
    """`since 2026-11-17 (4 nights)`; `since tonight` is the first; empty when it is not known."""
    if not since:
        return ""
    return f"since {since} ({plural(nights, 'night')})" if nights > 1 else "since tonight"


def incident_anchor(incident: Incident) -> str:
    """A name for links inside a page."""
    return "incident-" + "".join(char if char.isalnum() else "-" for char in incident.id)


def is_of_tests_alone(item: Item) -> bool:
    """Whether a step is not good because tests of it failed, and for no other reason."""
    return isinstance(item.outcome, StageOutcome) and (
        item.outcome.status is StageStatus.FAILED and bool(item.outcome.failures)
    )


def _all(report: Report) -> Sequence[Finding]:
    stories = {one.test: one for one in report.judgement.verdicts} if report.judgement else {}
    stages = {(one.framework, one.arch, one.stage): one for one in report.stages}
    found: dict[TestIdentity, Finding] = {}
    for stage in report.stages:
        for failure in stage.failures:
            test = identity_of(stage, failure)
            found[test] = _finding(test, failure, stories.get(test), stage)
    for test, story in stories.items():
        if test not in found:
            stage_of = stages.get((test.framework, test.arch, test.stage))
            found[test] = Finding(test=test, verdict=story.verdict, story=story, stage=stage_of)
    return tuple(found.values())


def _finding(
    test: TestIdentity, failure: TestFailure, story: TestVerdict | None, stage: StageOutcome
) -> Finding:
    verdict = story.verdict if story else _told(failure)
    return Finding(test=test, verdict=verdict, failure=failure, story=story, stage=stage)


def _told(failure: TestFailure) -> Verdict:
    """The verdict the failure carries itself, as one of a report that was read back."""
    known = {one.value: one for one in Verdict}
    return known.get(failure.verdict or "", Verdict.UNKNOWN)
