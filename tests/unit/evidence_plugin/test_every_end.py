"""Every end a suite can have, run for real in a process, is given its right name."""

from __future__ import annotations

from pathlib import Path

import pytest

from nightly_pipeline.model.evidence import failures_of, stage_status
from nightly_pipeline.model.evidence_rows import rows_of_stage
from tests.factories import stage as stage_outcome
from tests.unit.evidence_plugin.cases import CASES, Case, told
from tests.unit.evidence_plugin.running import run_case


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_end_has_its_name(case: Case, tmp_path: Path):
    evidence, container, output = run_case(case, tmp_path)

    status, message = stage_status(evidence, mode=case.mode, container=container)

    assert container.exit_code == case.exit_code, output
    assert (status, evidence.counts) == (case.status, case.counts), f"{message}\n{output}"
    assert case.says in (message or "")
    assert evidence.blame == case.blame
    assert evidence.damaged == 0
    assert evidence.lost == 0
    assert [test.node_id for test in evidence.flaky] == list(case.flaky)
    assert (
        told(rows_of_stage(evidence, stage_outcome(status=status, message=message, mode=case.mode)))
        == case.rows
    )
    if case.failures:
        assert sorted(failure.test for failure in failures_of(evidence)) == sorted(case.failures)
