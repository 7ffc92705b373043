from __future__ import annotations

from dataclasses import replace

import pytest

from nightly_pipeline.errors import ContainerError
from nightly_pipeline.model.history import TestResult
from nightly_pipeline.model.outcomes import StageStatus
from nightly_pipeline.steps.rerun_tests import Purpose, in_time, rerun_tests
from tests.factories import DATE, RUN_ID
from tests.fakes.containers import FakeContainers
from tests.unit.steps.staging import UNIT, asked_for, failing, make_tools, stage_run

PURPOSE = Purpose("confirmation", f"{DATE}/{RUN_ID}/vllm/amd64/unit/confirmation", revision="c0ffee")
ODD = "unit/test_a.py::test_b[<script> and $HOME]"


@pytest.fixture
def tools(tmp_path):
    found = make_tools(tmp_path)
    found.workspace.mkdir()
    return found


def rerun(tools, *node_ids):
    return rerun_tests(stage_run(tools, only=node_ids), tools, lambda _line: None, PURPOSE)


def test_only_the_named_tests_are_asked_for_by_their_markers_too(tools):
    rerun(tools, "unit/test_a.py::test_one", ODD)
    (spec,) = tools.containers.specs
    assert asked_for(spec) == ["unit/test_a.py::test_one", ODD]
    assert spec.command[-5:] == (
        "-m",
        UNIT.markers,
        "/opt/suite",
        "--continue-on-collection-errors",
        "--maxfail=0",
    )


def test_very_many_tests_do_not_make_a_long_command_line_or_environment(tools):
    names = [f"unit/test_a.py::test_it[{'x' * 1000}-{number}]" for number in range(5000)]
    rerun(tools, *names)
    (spec,) = tools.containers.specs
    assert asked_for(spec) == names
    assert len(str(spec.command)) + len(str(spec.environment)) < 2000


def test_what_became_of_each_is_a_row_that_says_why_it_ran(tools):
    tools = replace(tools, containers=FakeContainers(files=failing()))
    found = rerun(tools, "test_one", "test_two")
    assert {(row.node_id, row.result, row.source) for row in found.rows} == {
        ("tests/test_it.py::test_one", TestResult.PASSED, "confirmation"),
        ("tests/test_it.py::test_two", TestResult.FAILED, "confirmation"),
    }
    assert {(row.date, row.run_id, row.source_revision) for row in found.rows} == {(DATE, RUN_ID, "c0ffee")}
    assert all(row.image_digest and row.image_digest.startswith("sha256:") for row in found.rows)
    assert found.status is StageStatus.FAILED


def test_log_and_evidence_are_kept_in_a_folder_of_their_own_and_no_outcome_is_written(tools):
    found = rerun(tools, "test_one")
    assert set(found.artifacts.values()) <= set(tools.records.store.kept)
    assert all(key.startswith(f"{PURPOSE.folder}/") for key in tools.records.store.kept)
    assert tools.records.outcomes(DATE, RUN_ID) == {}


def test_a_daemon_that_fails_leaves_nothing_known(tools):
    tools = replace(tools, containers=FakeContainers(error=ContainerError("the daemon went away")))
    found = rerun(tools, "test_one")
    assert found.rows == ()
    assert found.status is StageStatus.INFRA_ERROR
    assert "went away" in (found.message or "")


@pytest.mark.parametrize(("seconds", "expected"), [(60, 60), (10**6, UNIT.timeout_s)])
def test_a_deadline_of_its_own_is_never_later_than_the_stages(tools, seconds, expected):
    assert in_time(stage_run(tools), seconds).planned.timeout_s == expected
