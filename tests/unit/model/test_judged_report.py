"""A report that has been told of its past, and the output a failure carries."""

from __future__ import annotations

import pytest

from nightly_pipeline.model.evidence_failures import OUTPUT_CHARACTERS, OUTPUTS_KEPT, failures_of
from nightly_pipeline.model.evidence_records import Attempt, StageEvidence, TestOutcome, TestRecord
from nightly_pipeline.model.history import TestIdentity
from nightly_pipeline.model.judgement import Incident, Judgement, TestVerdict, Verdict
from nightly_pipeline.model.outcomes import NightStatus
from nightly_pipeline.model.report import with_judgement
from tests.factories import failure, stage, whole_night

TEST = "tests/test_api.py::test_answers"


def identity(framework: str = "vllm") -> TestIdentity:
    return TestIdentity(framework=framework, arch="amd64", stage="unit", node_id=TEST)


def judgement(*verdicts: TestVerdict) -> Judgement:
    incident = Incident(
        id="inc-1",
        title="no",
        verdict=Verdict.NEW,
        tests=(identity(),),
        cells=(("vllm", "amd64"),),
        since="2026-11-20",
        nights=1,
    )
    return Judgement(verdicts=verdicts, incidents=(incident,))


def test_a_failure_is_told_its_verdict_since_and_incident_and_nothing_else_changes() -> None:
    report = whole_night(stage(status="failed", failures=[failure(TEST), failure("other")]))
    verdict = TestVerdict(test=identity(), verdict=Verdict.RECURRING, since="2026-11-18", incident="inc-1")
    told = with_judgement(report, judgement(verdict))

    failures = {one.test: one for one in told.stages[0].failures}
    assert failures[TEST] == failure(TEST, verdict="recurring", since="2026-11-18", incident="inc-1")
    assert failures["other"] == failure("other")
    assert told.incidents[0]["id"] == "inc-1"
    assert told.model_dump(exclude={"judgement", "incidents", "stages"}) == report.model_dump(
        exclude={"judgement", "incidents", "stages"}
    )


def test_the_same_test_of_another_cell_is_another_test() -> None:
    report = whole_night(stage("sglang", status="failed", failures=[failure(TEST)]))
    told = with_judgement(report, judgement(TestVerdict(test=identity("vllm"), verdict=Verdict.NEW)))

    assert [one.verdict for one in told.stages for one in one.failures] == [None]


@pytest.mark.parametrize("verdict", list(Verdict))
def test_no_verdict_turns_a_red_night_green(verdict: Verdict) -> None:
    report = whole_night(stage(status="failed", failures=[failure(TEST)]))
    told = with_judgement(report, judgement(TestVerdict(test=identity(), verdict=verdict)))

    assert told.status is NightStatus.RED
    assert [one.status for one in told.stages] == [one.status for one in report.stages]


def test_incidents_and_verdicts_are_plain_values_in_json() -> None:
    report = whole_night(stage(status="failed", failures=[failure(TEST)]))
    told = with_judgement(report, judgement(TestVerdict(test=identity(), verdict=Verdict.NEW)))
    document = told.model_dump(mode="json")

    assert document["incidents"][0]["tests"] == [identity().model_dump()]
    assert document["stages"][0]["failures"][0]["verdict"] == "new"


def record(number: int, text: str) -> TestRecord:
    attempt = Attempt(number=1, outcome=TestOutcome.FAILED, message="no", detail=text, stdout="said")
    return TestRecord(
        node_id=f"a.py::test_{number}", outcome=TestOutcome.FAILED, selected=True, attempts=(attempt,)
    )


def test_output_keeps_the_end_of_the_traceback_and_what_was_captured() -> None:
    [shown] = failures_of(StageEvidence(tests=(record(1, "x" * 5_000 + "the error"),)))

    assert shown.output is not None
    traceback, captured = shown.output.split("\n--- captured stdout\n")
    assert traceback.endswith("the error")
    assert len(traceback) == OUTPUT_CHARACTERS + 1
    assert captured == "said"


def test_output_is_kept_of_so_many_failures_and_of_no_more() -> None:
    evidence = StageEvidence(tests=tuple(record(number, "text") for number in range(OUTPUTS_KEPT + 5)))

    assert sum(one.output is not None for one in failures_of(evidence)) == OUTPUTS_KEPT
