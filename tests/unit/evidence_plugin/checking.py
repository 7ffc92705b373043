"""What must be true of every end, wherever its suite ran."""

from __future__ import annotations

from pathlib import Path

from nightly_pipeline.model.evidence import StageEvidence, TestOutcome, failures_of, stage_status
from nightly_pipeline.model.evidence_rows import rows_of_stage
from nightly_pipeline.model.outcomes import GOOD_STAGE, StageStatus
from nightly_pipeline.model.requests import ContainerResult
from nightly_pipeline.tools.junit import read_junit, write_junit
from tests.factories import stage as stage_outcome
from tests.unit.evidence_plugin.case import Case, told
from tests.unit.tools.junit_schema import validate

BAD = (TestOutcome.FAILED, TestOutcome.ERROR)


def check(case: Case, evidence: StageEvidence, container: ContainerResult, folder: Path, output: str) -> None:
    """The right status, counts, blame, failures, memory and export."""
    status, message = stage_status(evidence, mode=case.mode, container=container)

    assert container.exit_code == case.exit_code, output
    assert (status, evidence.counts) == (case.status, case.counts), f"{message}\n{output}"
    assert case.says in (message or "")
    assert evidence.blame == case.blame
    assert (evidence.lost, evidence.damaged) == (case.lost, case.damaged)
    assert [test.node_id for test in evidence.flaky] == list(case.flaky)
    if case.failures:
        assert sorted(failure.test for failure in failures_of(evidence)) == sorted(case.failures)
    rows = rows_of_stage(evidence, stage_outcome(status=status, message=message, mode=case.mode))
    assert told(rows) == case.rows
    check_export(evidence, status, message, folder)


def check_export(evidence: StageEvidence, status: StageStatus, message: str | None, folder: Path) -> None:
    """The export is valid, and bad exactly when the stage is."""
    path = folder / "junit.xml"
    problem = None if status in GOOD_STAGE else f"{status.value}: {message}"
    write_junit(evidence, path, suite="vllm.amd64.unit", problem=problem)
    validate(path)
    assert any(case.outcome in BAD for case in read_junit(path).cases) == (status not in GOOD_STAGE)
