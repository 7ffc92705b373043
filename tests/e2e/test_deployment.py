"""The deployment as it is shipped: docker compose, records in Postgres, every run a container of its own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import pytest

from tests.clock import days_ago
from tests.e2e.conftest import A_TEST_S, git, make_night, manifest
from tests.e2e.deployed import Deployment, command, deployment
from tests.e2e.test_interruptions import SLOW_TEST
from tests.registries import ACR, ECR
from tests.servers import LOCATION, SUMMARY_TAG, sensors_have_looked, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(A_TEST_S)]

ONE_STAGE = {
    "architectures": {"arm64": None},
    "frameworks": {"vllm": {"overrides": None}},
    "stages": {"integration": None, "e2e_single_gpu": None, "e2e_multi_gpu": None},
}
LAUNCH = """
mutation ($params: ExecutionParams!) {
  launchPipelineExecution(executionParams: $params) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
  }
}
"""


@pytest.fixture(scope="module")
def deployed(place: Path) -> Iterator[Deployment]:
    with deployment(make_night(place, ("vllm",), ONE_STAGE)) as up:
        wait_for("the sensors", lambda: sensors_have_looked(partial(graphql, up)))
        yield up


@pytest.fixture(scope="module")
def run(deployed: Deployment) -> dg.DagsterRun:
    """Tonight's run of one framework, launched as the UI does it, at its end."""
    run_id = launch(deployed, "nightly_vllm")
    return ended(deployed, run_id)


def graphql(deployed: Deployment, query: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
    url = f"http://127.0.0.1:{deployed.port}/graphql"
    answer = httpx.post(
        url, json={"query": query, "variables": variables or {}}, timeout=600, trust_env=False
    )
    document = answer.json()
    assert "errors" not in document, document["errors"]
    return document["data"]


def launch(deployed: Deployment, job: str) -> str:
    params = {
        "mode": "default",
        "runConfigData": "{}",
        "selector": {**LOCATION, "pipelineName": job},
        "executionMetadata": {"tags": [{"key": "dagster/partition", "value": days_ago(0)}]},
    }
    answer = graphql(deployed, LAUNCH, {"params": params})["launchPipelineExecution"]
    assert answer["__typename"] == "LaunchRunSuccess", answer
    return answer["run"]["runId"]


def ended(deployed: Deployment, run_id: str) -> dg.DagsterRun:
    def look() -> dg.DagsterRun | None:
        with deployed.instance() as instance:
            found = instance.get_run_by_id(run_id)
        return found if found is not None and found.is_finished else None

    return wait_for(f"the end of run {run_id}", look)


def what_happened(deployed: Deployment, run_id: str) -> str:
    """Why the run's steps failed, for a test that fails."""
    with deployed.instance() as instance:
        errors = [
            event.step_failure_data.error
            for event in (record.dagster_event for record in instance.all_logs(run_id))
            if event is not None and event.is_step_failure
        ]
    return "\n".join(str((error.cause or error).to_string()) for error in errors if error is not None)


def containers(*filters: str) -> list[str]:
    argv = ["docker", "ps", "--all", "--quiet", *(part for each in filters for part in ("--filter", each))]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()


def test_a_run_is_a_container_of_its_own_and_leaves_none_behind(
    deployed: Deployment, run: dg.DagsterRun
) -> None:
    assert run.status is dg.DagsterRunStatus.SUCCESS, what_happened(deployed, run.run_id)
    assert run.tags["docker/container_id"]
    assert run.tags["dagster/image"] == "nightly-pipeline:test"
    wait_for("its removal", lambda: not containers(f"label=dagster/run_id={run.run_id}"))
    assert containers(f"label=io.nightly.run-id={run.run_id}") == []


def test_what_it_built_and_tested_is_in_both_registries(deployed: Deployment, run: dg.DagsterRun) -> None:
    tag = f"nightly-vllm-amd64-run-{run.run_id[:8]}"
    ecr, acr = (manifest(host, deployed.night.repository, tag) for host in (ECR, ACR))
    assert ecr is not None
    assert ecr == acr


def test_its_records_are_in_postgres_and_the_command_reads_them(
    deployed: Deployment, run: dg.DagsterRun
) -> None:
    report = json.loads(deployed.nightly("report", "--format", "json"))
    assert (report["run_id"], report["status"]) == (run.run_id, "green")
    assert [row["status"] for row in report["stages"]] == ["passed"]
    assert [row["counts"]["failed"] for row in report["stages"]] == [0]


def test_the_daemon_summarises_it_in_a_container_too(deployed: Deployment, run: dg.DagsterRun) -> None:
    def look() -> list[dg.DagsterRun]:
        with deployed.instance() as instance:
            return list(instance.get_runs(dg.RunsFilter(tags={SUMMARY_TAG: run.run_id})))

    (summary,) = wait_for("its summary", look)
    done = ended(deployed, summary.run_id)
    assert done.status is dg.DagsterRunStatus.SUCCESS
    assert done.tags["docker/container_id"] != run.tags["docker/container_id"]


def test_a_cancelled_run_ends_what_it_started(deployed: Deployment, run: dg.DagsterRun) -> None:
    source = deployed.night.source
    (source / "docker" / "suite" / "unit" / "test_slow_on_purpose.py").write_text(SLOW_TEST)
    git(source, "add", "-A")
    git(source, "commit", "-q", "-m", "Take time")
    run_id = launch(deployed, "nightly_vllm")
    own = f"label=io.nightly.run-id={run_id}"
    wait_for("its test container", lambda: containers(own, "label=io.nightly.step=vllm/amd64/unit_tests"))
    answer = graphql(
        deployed, "mutation ($id: String!) { terminateRun(runId: $id) { __typename } }", {"id": run_id}
    )
    assert answer["terminateRun"]["__typename"] == "TerminateRunSuccess"
    assert ended(deployed, run_id).status is dg.DagsterRunStatus.CANCELED
    wait_for("the end of its containers", lambda: not containers(own))


def test_no_container_of_the_pipeline_knows_the_password_of_another(deployed: Deployment) -> None:
    """Postgres' file and the pipeline's are two; what reaches a test container is named in the profile."""
    configuration = json.loads(deployed.compose("config", "--format", "json"))
    mounted = {
        name: {mount["source"] for mount in service.get("volumes", ())}
        for name, service in configuration["services"].items()
    }
    assert "/var/run/docker.sock" not in mounted["code"]
    assert "/var/run/docker.sock" in mounted["daemon"]


def test_what_is_shipped_is_a_valid_composition(tmp_path: Path) -> None:
    """With the examples filled in as they are; both files together too."""
    folder = tmp_path / "deployment"
    folder.mkdir()
    source = Path(__file__).parents[2] / "docker" / "deployment"
    for file in source.iterdir():
        (folder / file.name.removesuffix(".example")).write_bytes(file.read_bytes())
    for files in (("compose.yaml",), ("compose.yaml", "compose.host.yaml")):
        argv = [part for file in files for part in ("--file", str(folder / file))]
        services = json.loads(command("docker", "compose", *argv, "config", "--format", "json"))["services"]
        assert set(services) == {"postgres", "code", "webserver", "daemon"}
        assert "NIGHTLY_POSTGRES_URL" in services["daemon"]["environment"]
        assert "NIGHTLY_POSTGRES_URL" not in services["postgres"]["environment"]
        assert all(port["host_ip"] == "127.0.0.1" for port in services["webserver"].get("ports", ()))
