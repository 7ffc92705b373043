"""Every way a test stage can end, each with a name of its own; only what was seen to be good is good."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nightly_pipeline.errors import ContainerError, DiskFull, EnvironmentNotReady, NoGpu, RegistryUnavailable
from nightly_pipeline.model import evidence_lines
from nightly_pipeline.model.evidence import TestOutcome, fold_events
from nightly_pipeline.model.outcomes import StageCounts, StageStatus
from nightly_pipeline.steps.stages import run_stage
from nightly_pipeline.tools.junit import read_junit
from tests.factories import DATE, RUN_ID, image
from tests.fakes.containers import FakeContainers
from tests.unit.model.evidence_streams import collected, finish, line, node, passing, session, start
from tests.unit.steps.staging import (
    FOLDER,
    UNIT,
    dry_run,
    ended,
    failing,
    kept,
    lines,
    make_tools,
    outcome_of,
    stage_run,
)


@pytest.fixture
def tools(tmp_path):
    return make_tools(tmp_path)


@pytest.mark.parametrize(
    ("files", "end", "status", "said"),
    [
        (failing(), {"exit_code": 1}, "failed", "1 failed of 2 tests"),
        (dry_run("test_one", exit_code=2), {"exit_code": 2}, "crashed", "interrupted"),
        (dry_run(exit_code=5), {"exit_code": 5}, "no_tests", "nothing selected"),
        (
            lines(session(), *collected("test_one"), start("test_one")),
            {"exit_code": 137},
            "crashed",
            "SIGKILL",
        ),
        (
            lines(session(), *collected("test_one"), start("test_one")),
            {"exit_code": 143, "timed_out": True},
            "timed_out",
            "test_one",
        ),
        (lines(*passing()), {"exit_code": 0, "timed_out": True}, "timed_out", "did not end by itself"),
        (lines(*passing()), {"exit_code": 0, "out_of_memory": True}, "crashed", "memory"),
        (lines(*passing()), {"exit_code": 139}, "crashed", "SIGSEGV"),
        (lines(*passing()), {"exit_code": None}, "infra_error", "end was not seen"),
        (lines(*passing()[:-1]), {"exit_code": 0}, "crashed", "without pytest's finish"),
        ({"evidence.jsonl": b""}, {"exit_code": 0}, "crashed", "left no evidence"),
        ({"evidence.jsonl": b"\x00\xff garbage"}, {"exit_code": 0}, "crashed", "left no evidence"),
        ({}, {"exit_code": 0}, "crashed", "left no evidence"),
        ({}, {"exit_code": 127}, "infra_error", "exit code 127"),
        (None, {"exit_code": 0}, "crashed", "left no evidence"),
        (None, {"exit_code": 1}, "infra_error", "exit code 1"),
    ],
)
def test_an_end_that_is_not_seen_to_be_good_has_a_name_of_its_own(tools, files, end, status, said):
    outcome = ended(tools, files, **end)

    assert outcome.status == status
    assert said in outcome.message
    assert "log" in outcome.artifacts
    assert "junit" in outcome.artifacts
    exported = read_junit(tools.workspace / "junit.xml")
    assert {case.outcome for case in exported.cases} & {TestOutcome.FAILED, TestOutcome.ERROR}


def test_failures_are_named_with_their_messages(tools):
    [failure] = ended(tools, failing(), exit_code=1).failures

    assert (failure.test, failure.message) == (node("test_two"), "AssertionError: no")
    assert (failure.verdict, failure.since, failure.incident) == (None, None, None)


def test_a_line_too_long_to_be_read_is_told_and_stays_a_gap_in_the_kept_copy(tools, monkeypatch):
    monkeypatch.setattr(evidence_lines, "LINE_LIMIT", 1000)
    files = lines(*passing()[:-1], line("worker_down", message="x" * 2000), finish(0))

    outcome = ended(tools, files)

    assert (outcome.status, outcome.message) == (
        "crashed",
        "1 line of the evidence cannot be read (exit code 0)",
    )
    assert fold_events(kept(tools, "evidence.jsonl").splitlines(keepends=True)).damaged == 1


def test_evidence_that_is_a_link_is_not_followed(tools, tmp_path):
    passing_elsewhere = tmp_path / "elsewhere.jsonl"
    passing_elsewhere.write_bytes(lines(*passing())["evidence.jsonl"])

    class Linking(FakeContainers):
        def _collect(self, workspace):
            workspace.mkdir(parents=True)
            (workspace / "evidence.jsonl").symlink_to(passing_elsewhere)
            return workspace

    outcome = outcome_of(replace(tools, containers=Linking()))

    assert outcome.status is StageStatus.CRASHED
    assert "evidence" not in outcome.artifacts


@pytest.mark.parametrize(
    "error",
    [
        NoGpu("gpu-l40-amd64 has 0 GPUs, the stage asks for 2"),
        ContainerError("the container could not be started"),
        EnvironmentNotReady("the Docker daemon does not answer"),
        DiskFull("no space left"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_container_that_cannot_run_is_an_infrastructure_error_by_name(tools, error):
    outcome = ended(tools, error=error, output=("pulling",))

    assert (outcome.status, outcome.message) == (StageStatus.INFRA_ERROR, str(error))
    assert error.next_step in outcome.message
    assert kept(tools, "container.log") == "pulling\n"
    assert outcome.artifacts == {"log": f"{FOLDER}/container.log"}


def test_a_registry_that_cannot_be_asked_is_an_infrastructure_error(tools):
    tools.registry.failures["config_of"] = RegistryUnavailable("503")
    outcome = outcome_of(tools)

    assert (outcome.status, outcome.artifacts) == (StageStatus.INFRA_ERROR, {})
    assert tools.containers.specs == []


@pytest.mark.parametrize("built", [None, image(status="failed"), image(digest=None)])
def test_without_an_image_a_stage_is_blocked_and_nothing_is_started(tools, built):
    outcome = outcome_of(tools, image=built)

    assert outcome.status is StageStatus.BLOCKED
    assert outcome.message == "there is no good runtime image of this night to test"
    assert (outcome.image_digest, outcome.counts) == (None, StageCounts())
    assert tools.containers.specs == []
    assert tools.registry.verbs == []


class Interrupted(BaseException):
    """As an orchestrator ends a step: no Exception."""


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit, Interrupted])
def test_an_interrupt_passes_through_and_leaves_a_cancelled_outcome(tools, interrupt):
    tools = replace(tools, containers=FakeContainers(error=interrupt(), output=("test_one PASSED",)))

    with pytest.raises(interrupt):
        outcome_of(tools)

    outcome = tools.records.outcome(DATE, RUN_ID, UNIT.key)
    assert (outcome.status, outcome.message) == (StageStatus.CANCELLED, "interrupted")
    assert outcome.image_digest is not None
    assert kept(tools, "container.log") == "test_one PASSED\n"
    assert tools.logins.in_use == 0


def test_a_defect_of_ours_passes_through_and_is_not_called_an_interrupt(tools):
    with pytest.raises(ValueError, match="unexpected"):
        ended(tools, error=ValueError("unexpected"))

    outcome = tools.records.outcome(DATE, RUN_ID, UNIT.key)
    assert (outcome.status, outcome.message) == (StageStatus.INFRA_ERROR, "ValueError: unexpected")


@pytest.mark.parametrize("error", [DiskFull("no space left"), OSError(28, "No space left on device")])
def test_an_export_that_fails_changes_no_verdict(tools, error):
    def full(*_: object) -> None:
        raise error

    said: list[str] = []
    outcome = run_stage(stage_run(tools), replace(tools, write_junit=full), said.append)

    assert said == [f"junit.xml could not be written: {error}"]
    assert outcome.status is StageStatus.PASSED
    assert "junit" not in outcome.artifacts
    assert "evidence" in outcome.artifacts


@pytest.mark.parametrize("name", ["evidence.jsonl", "junit.xml", "container.log", "node_ids.txt"])
def test_an_artifact_that_cannot_be_kept_does_not_take_the_outcome_along(tools, name):
    tools.records.store.refusals[name] = DiskFull("no space left")
    said: list[str] = []
    outcome = run_stage(stage_run(tools), tools, said.append)

    assert said[-1].startswith(f"{name} could not be kept: no space left")
    assert outcome.status is StageStatus.PASSED
    assert len(outcome.artifacts) == 3
    assert f"{FOLDER}/{name}" not in outcome.artifacts.values()
