"""Running a test stage: what is asked for, what is passed in, what is kept, and no secret in any of it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from pydantic import SecretStr

from nightly_pipeline.errors import ContainerError
from nightly_pipeline.evidence_plugin import plugin_files
from nightly_pipeline.model.outcomes import StageCounts, StageStatus
from nightly_pipeline.steps.stages import run_stage
from nightly_pipeline.tools.junit import read_junit
from tests.factories import RUN_ID, planned_stage
from tests.fakes.containers import FakeContainers
from tests.unit.model.evidence_streams import node, passing
from tests.unit.steps.staging import (
    DRY_RUN,
    ENGINE,
    FOLDER,
    SECRET,
    dry_run,
    ended,
    failing,
    kept,
    make_tools,
    outcome_of,
    stage_run,
)


@pytest.fixture
def tools(tmp_path):
    return make_tools(tmp_path)


# --- a stage that passes


def test_a_stage_that_passes(tools):
    run = stage_run(tools)
    outcome = run_stage(run, tools, lambda _line: None)

    assert (outcome.status, outcome.message, outcome.failures) == (StageStatus.PASSED, None, ())
    assert outcome.counts == StageCounts(passed=2, collected=2)
    assert (outcome.image_digest, outcome.engine) == (run.image.digest, ENGINE)
    assert (outcome.mode, outcome.runner, outcome.duration_s) == ("run", "gpu-l40-amd64", 9.0)
    assert outcome.started_at.tzinfo is not None


def test_evidence_junit_log_and_node_ids_are_kept(tools):
    tools.containers.output = ("collected 2 items", "2 passed")
    outcome = outcome_of(tools)

    assert outcome.artifacts == {
        "evidence": f"{FOLDER}/evidence.jsonl",
        "junit": f"{FOLDER}/junit.xml",
        "log": f"{FOLDER}/container.log",
        "node_ids": f"{FOLDER}/node_ids.txt",
    }
    assert kept(tools, "evidence.jsonl").splitlines() == passing()
    assert kept(tools, "container.log") == "collected 2 items\n2 passed\n"
    assert kept(tools, "node_ids.txt") == f"{node('test_one')}\n{node('test_two')}\n"


def test_the_junit_file_says_what_was_tested(tools):
    outcome = outcome_of(tools)
    report = read_junit(tools.workspace / "junit.xml")

    assert [case.suite for case in report.cases] == ["vllm.amd64.unit"] * 2
    assert report.properties["run_id"] == RUN_ID
    assert report.properties["image"] == f"localhost:5000/nightly@{outcome.image_digest}"
    assert (report.properties["engine"], report.properties["mode"]) == ("mock", "run")


def test_lines_are_shown_as_they_come(tools):
    tools.containers.output = ("one", "two")
    shown: list[str] = []

    run_stage(stage_run(tools), tools, shown.append)

    assert shown == ["one", "two"]


# --- what is asked for


def test_the_container_that_is_asked_for(tools):
    outcome = outcome_of(tools)
    [spec] = tools.containers.specs

    assert spec.image == f"localhost:5000/nightly@{outcome.image_digest}"
    assert spec.entrypoint == ("python3",)
    assert spec.command == (
        "-m", "pytest", "-p", "nightly_evidence", "-p", "no:cacheprovider",
        "-m", "unit and (nightly or post_merge or pre_merge)", "/opt/suite",
    )  # fmt: skip
    assert (spec.run_id, spec.step, spec.platform) == (RUN_ID, "vllm/amd64/unit_tests", "linux/amd64")
    assert (spec.deadline_s, spec.gpus, spec.memlock_unlimited) == (2700.0, 0, False)
    assert (spec.memory_bytes, spec.shm_bytes, spec.pids_limit) == (4 * 1024**3, 8 * 1024**3, 512)
    assert spec.inject == plugin_files("/nightly/plugin")
    assert (spec.collect, spec.working_dir) == ("/nightly/results", "/nightly/results")
    assert spec.docker_config == tools.logins.folder


def test_a_dry_run_collects_and_runs_nothing(tools):
    outcome = ended(tools, dry_run("test_one", "test_two"), DRY_RUN)

    assert (outcome.status, outcome.mode) == (StageStatus.COLLECTED, "collect")
    assert outcome.counts == StageCounts(collected=2)


def test_a_dry_run_says_so_to_pytest(tools):
    outcome_of(tools, DRY_RUN)
    [spec] = tools.containers.specs

    assert spec.command[-2:] == ("--collect-only", "-q")
    assert spec.platform == "linux/arm64"


def test_a_stage_with_gpus_asks_for_them(tools):
    outcome_of(tools, planned_stage(gpus=2, docker_host="ssh://gpu.example.org"))
    [spec] = tools.containers.specs

    assert (spec.gpus, spec.memlock_unlimited, spec.docker_host) == (2, True, "ssh://gpu.example.org")


@pytest.mark.parametrize("gpus", [1, 2])
def test_memory_is_locked_only_for_gpus(tools, gpus):
    outcome_of(tools, planned_stage(gpus=gpus))
    [spec] = tools.containers.specs

    assert spec.memlock_unlimited


def test_no_limit_is_no_limit(tools):
    outcome_of(replace(tools, memory_gb=None))
    [spec] = tools.containers.specs

    assert spec.memory_bytes is None


def test_only_what_is_named_is_passed(tools):
    outcome_of(tools, env=["PATH=/opt/engine/bin:/usr/bin", "PYTHONPATH=/opt/suite-packages"])
    [spec] = tools.containers.specs

    assert spec.environment == {
        "NIGHTLY_TEST_MODEL": "tiny",
        "HF_TOKEN": SECRET,
        "NIGHTLY_EVIDENCE_FILE": "/nightly/results/evidence.jsonl",
        "NIGHTLY_IMAGE_LABELS": json.dumps({"io.nightly.engine": "mock"}),
        "PYTHONPATH": "/nightly/plugin:/opt/suite-packages",
    }


def test_this_process_environment_is_not_passed(tools, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-for-tests")
    monkeypatch.setenv("NOT_SET", "set here, but not in the settings")
    outcome_of(tools)
    [spec] = tools.containers.specs

    assert {"AWS_SECRET_ACCESS_KEY", "NOT_SET", "OTHER"}.isdisjoint(spec.environment)


def test_a_stage_that_names_nothing_gets_no_secret(tools):
    outcome_of(tools, planned_stage())
    [spec] = tools.containers.specs

    assert "HF_TOKEN" not in spec.environment
    assert spec.environment["PYTHONPATH"] == "/nightly/plugin"


# --- secrets


def test_secrets_are_in_nothing_that_is_shown_or_kept(tools):
    spelled = json.dumps(SECRET)[1:-1]
    message = f"HTTP 401 for token {SECRET}"
    files = failing(longrepr=f"os.environ = {{'HF_TOKEN': {SECRET!r}}}", stdout=message)
    files["evidence.jsonl"] += json.dumps({"event": "unknown", "token": SECRET}).encode()
    shown: list[str] = []
    printing = FakeContainers(
        files=files, exit_code=1, output=(f"token={SECRET}!", f'{{"token": "{spelled}"}}')
    )

    run_stage(stage_run(tools), replace(tools, containers=printing), shown.append)

    everything = "\n".join(shown) + b"\n".join(tools.records.store.kept.values()).decode()
    assert SECRET not in everything
    assert spelled not in everything
    assert shown[0] == "token=***!"
    assert "HTTP 401 for token ***" in kept(tools, "evidence.jsonl")


def test_an_error_that_quotes_a_secret_is_masked(tools):
    outcome = ended(tools, error=ContainerError(f"invalid environment HF_TOKEN={SECRET}"))

    assert outcome.message.startswith("invalid environment HF_TOKEN=***")


def test_a_specification_can_be_shown(tools):
    outcome_of(tools)
    [spec] = tools.containers.specs

    assert "hf_abc" not in repr(spec)


def test_a_secret_that_is_no_secret_does_not_tear_up_the_evidence(tools):
    tools = replace(tools, environment={"HF_TOKEN": SecretStr("1")})

    assert outcome_of(tools).status is StageStatus.PASSED
    assert kept(tools, "evidence.jsonl").splitlines() == passing()
