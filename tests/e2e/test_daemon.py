"""Nights that the daemon runs: by backfill, by schedule, by hand in the UI; summarised after every ending, once."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from nightly_pipeline.settings import load_settings
from tests.clock import days_ago, today
from tests.e2e.conftest import A_TEST_S, PATIENCE_S, ROOT, SmallNight, make_night
from tests.servers import BIN, LOCATION, SUMMARY_TAG, Servers, dagster_servers, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(A_TEST_S)]

ONE_STAGE = {
    "architectures": {"arm64": None},
    "frameworks": {"vllm": {"overrides": None}},
    "stages": {"integration": None, "e2e_single_gpu": None, "e2e_multi_gpu": None},
}
EVERYTHING = [
    ["source_revision"],
    *(["vllm", "amd64", f"{name}"] for name in ("framework_image", "runtime_image", "published_image")),
    ["vllm", "amd64", "unit_tests"],
    ["vllm", "multi_arch_image"],
    ["nightly_summary"],
]
STATES = {"success": "SUCCESS", "failure": "FAILURE", "cancellation": "CANCELED"}


@pytest.fixture(scope="module")
def servers(place: Path) -> Iterator[Servers]:
    with dagster_servers(make_night(place, ("vllm",), ONE_STAGE)) as running:
        yield running


@pytest.fixture(scope="module")
def night(servers: Servers) -> SmallNight:
    return servers.night


@pytest.fixture(scope="module")
def backfilled(servers: Servers) -> dict[str, dg.DagsterRun]:
    """Two nights of one backfill, ended and summarised: tonight, and last night, when there was no commit yet."""
    night = servers.night
    done = subprocess.run(
        [
            *(BIN / "dagster", "job", "backfill", "-w", "workspace.yaml", "-j", "nightly_vllm"),
            *("--partitions", f"{days_ago(0)},{days_ago(1)}", "--noprompt"),
        ],
        cwd=ROOT,
        env={**night.environment(), "DAGSTER_HOME": str(night.home / "dagster_home")},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    started = {run.tags["dagster/partition"]: run for run in servers.runs(job_name="nightly_vllm")}
    ended = {date: servers.ended(run.run_id) for date, run in started.items()}
    for run in ended.values():
        servers.summary(run.run_id)
    return ended


@pytest.fixture(scope="module")
def cancelled(servers: Servers, backfilled: dict[str, dg.DagsterRun]) -> dg.DagsterRun:
    """Everything materialized as the UI does it, and terminated while an image was being built that takes long."""
    dockerfile = servers.night.source / "docker" / "vllm" / "Dockerfile"
    committed = dockerfile.read_text()
    # Told apart from those of other tests on this engine: it must not be in its cache one day.
    slow = f"AS framework\nRUN : {servers.night.repository} && sleep 3600\n"
    dockerfile.write_text(committed.replace("AS framework\n", slow))
    run_id = launch(servers, EVERYTHING)
    image = "vllm__amd64__framework_image"
    wait_for("its first build", lambda: image in steps_started(servers, run_id))
    answer = servers.graphql(
        "mutation ($id: String!) { terminateRun(runId: $id) { __typename } }", {"id": run_id}
    )
    assert answer["terminateRun"]["__typename"] == "TerminateRunSuccess"
    dockerfile.write_text(committed)
    return servers.ended(run_id)


@pytest.fixture(scope="module")
def commanded(servers: Servers, cancelled: dg.DagsterRun) -> dg.DagsterRun:
    """A run of the command line beside the daemon."""
    servers.night.nightly("run", "--images-only", "--reuse")
    return servers.runs(job_name="nightly", tags={"nightly/trigger": "command line"})[0]


@pytest.fixture(scope="module")
def asked(servers: Servers, commanded: dg.DagsterRun) -> str:
    """A summary that a person asks for in the UI, when the images a cancelled run left out are there again."""
    return launch(servers, [["nightly_summary"]])


def launch(servers: Servers, keys: list[list[str]]) -> str:
    """Materialize assets of tonight, by the request the UI makes."""
    answer = servers.graphql(
        """
        mutation ($params: ExecutionParams!) {
          launchPipelineExecution(executionParams: $params) {
            __typename
            ... on LaunchRunSuccess { run { runId } }
            ... on PythonError { message }
          }
        }
        """,
        {
            "params": {
                "mode": "default",
                "runConfigData": "{}",
                "selector": {
                    **LOCATION,
                    "pipelineName": "__ASSET_JOB",
                    "assetSelection": [{"path": key} for key in keys],
                },
                "executionMetadata": {"tags": [{"key": "dagster/partition", "value": days_ago(0)}]},
            }
        },
    )["launchPipelineExecution"]
    assert answer["__typename"] == "LaunchRunSuccess", answer
    return answer["run"]["runId"]


def steps_started(servers: Servers, run_id: str) -> list[str]:
    with servers.night.instance() as instance:
        return [stats.step_key for stats in instance.get_run_step_stats(run_id) if stats.start_time]


def sensor(servers: Servers, name: str) -> dict[str, Any]:
    """A sensor as the UI shows it, its newest ticks first."""
    answer = servers.graphql(
        """
        query ($selector: SensorSelector!) {
          sensorOrError(sensorSelector: $selector) {
            ... on Sensor { sensorState {
              status ticks(limit: 50) { skipReason error { message } }
            } }
          }
        }
        """,
        {"selector": {**LOCATION, "sensorName": name}},
    )
    return answer["sensorOrError"]["sensorState"]


def assert_summarised_by(servers: Servers, run: dg.DagsterRun, sensor_name: str) -> None:
    (summary,) = servers.summaries(run.run_id)
    assert summary.status is dg.DagsterRunStatus.SUCCESS
    assert summary.tags["dagster/sensor_name"] == sensor_name
    assert summary.tags["dagster/run_key"] == run.run_id
    assert summary.tags["dagster/partition"] == run.tags["dagster/partition"]


def test_a_backfill_runs_the_night_through_the_daemon_to_a_green_end(
    night: SmallNight, backfilled: dict[str, dg.DagsterRun]
) -> None:
    run = backfilled[days_ago(0)]
    assert run.status is dg.DagsterRunStatus.SUCCESS
    assert run.tags["dagster/backfill"]
    report = night.report()
    assert (report["status"], report["run_id"]) == ("green", run.run_id)
    assert {row["status"] for row in report["images"]} == {"built"}
    assert [row["status"] for row in report["stages"]] == ["passed"]


def test_success_is_summarised_by_itself(servers: Servers, backfilled: dict[str, dg.DagsterRun]) -> None:
    assert_summarised_by(servers, backfilled[days_ago(0)], "summary_after_success")


def test_a_night_before_the_first_commit_fails_and_says_so(
    night: SmallNight, backfilled: dict[str, dg.DagsterRun]
) -> None:
    assert backfilled[days_ago(1)].status is dg.DagsterRunStatus.FAILURE
    report = night.report("--date", days_ago(1))
    assert report["status"] == "incomplete"
    assert {row["status"] for row in report["images"]} == {"not_run"}
    assert {row["status"] for row in report["stages"]} == {"blocked"}
    for row in (*report["images"], *report["stages"]):
        assert "no commit" in row["message"]
        assert days_ago(1) in row["message"]


def test_failure_is_summarised_by_itself(servers: Servers, backfilled: dict[str, dg.DagsterRun]) -> None:
    assert_summarised_by(servers, backfilled[days_ago(1)], "summary_after_failure")


def test_pool_limits_are_the_runners_slots(night: SmallNight, backfilled: dict[str, dg.DagsterRun]) -> None:
    slots = {name: runner.slots for name, runner in load_settings(str(night.profile)).table.runners.items()}
    with night.instance() as instance:
        limits = {pool.name: pool.limit for pool in instance.event_log_storage.get_pool_limits()}
    assert limits == slots


def test_the_command_line_sees_the_daemons_runs(
    night: SmallNight, backfilled: dict[str, dg.DagsterRun]
) -> None:
    shown = json.loads(night.nightly("status", "--format", "json"))
    assert {(row["facts"]["date"], row["facts"]["run_id"]) for row in shown} == {
        (date, run.run_id) for date, run in backfilled.items()
    }


def test_cancellation_is_summarised_by_itself(
    servers: Servers, night: SmallNight, cancelled: dg.DagsterRun
) -> None:
    assert cancelled.status is dg.DagsterRunStatus.CANCELED
    servers.summary(cancelled.run_id)
    assert_summarised_by(servers, cancelled, "summary_after_cancellation")
    report = night.report("--run", cancelled.run_id)
    assert report["status"] == "incomplete"
    assert {row["status"] for row in report["stages"]} == {"cancelled"}
    images = {row["kind"]: row["status"] for row in report["images"]}
    assert images == {"framework": "cancelled", "runtime": "cancelled"}


def test_a_run_of_the_command_line_is_summarised_by_itself_alone(
    servers: Servers, commanded: dg.DagsterRun
) -> None:
    def looked_at() -> bool:
        reasons = [tick["skipReason"] or "" for tick in sensor(servers, "summary_after_success")["ticks"]]
        return any(commanded.run_id in reason for reason in reasons)

    wait_for("the sensor's look at that run", looked_at)
    (summary,) = servers.summaries(commanded.run_id)
    assert summary.status is dg.DagsterRunStatus.SUCCESS
    assert "dagster/sensor_name" not in summary.tags


def test_the_ui_counts_the_command_lines_runs_among_the_jobs(
    servers: Servers, commanded: dg.DagsterRun
) -> None:
    answer = servers.graphql(
        """
        query ($selector: PipelineSelector!) {
          pipelineOrError(params: $selector) { ... on Pipeline {
            runs(limit: 10) { runId repositoryOrigin { repositoryLocationName } tags { key } }
          } }
        }
        """,
        {"selector": {**LOCATION, "pipelineName": "nightly"}},
    )
    (run,) = answer["pipelineOrError"]["runs"]
    assert run["runId"] == commanded.run_id
    # Without its origin the timeline, the first page people see, would leave it out.
    assert run["repositoryOrigin"]["repositoryLocationName"] == "nightly_pipeline"
    # What only the command needs to find its run again is not shown to people.
    assert {tag["key"] for tag in run["tags"] if not tag["key"].startswith("dagster/")} == {
        "nightly/profile",
        "nightly/reuse_good",
        "nightly/trigger",
    }


def test_a_person_can_ask_for_the_summary_again(servers: Servers, asked: str) -> None:
    assert servers.ended(asked).status is dg.DagsterRunStatus.SUCCESS
    with servers.night.instance() as instance:
        (record,) = instance.get_records_for_run(
            asked, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION
        ).records
    summary = record.event_log_entry.asset_materialization
    assert summary is not None
    assert summary.asset_key == dg.AssetKey("nightly_summary")
    assert summary.metadata["status"].value == "green"
    assert summary.metadata["asked_for_by"].value == "a person"


@pytest.mark.parametrize("ending", STATES)
def test_every_sensor_is_on_and_none_has_failed(
    servers: Servers, backfilled: dict[str, dg.DagsterRun], ending: str
) -> None:
    state = sensor(servers, f"summary_after_{ending}")
    assert state["status"] == "RUNNING"
    assert state["ticks"]
    assert [tick["error"] for tick in state["ticks"] if tick["error"]] == []


@pytest.mark.parametrize("name", ["team_message", "nights_come_in_time"])
def test_the_watching_sensors_are_on_and_none_has_failed(
    servers: Servers, backfilled: dict[str, dg.DagsterRun], name: str
) -> None:
    def ticks() -> list[dict[str, Any]]:
        return sensor(servers, name)["ticks"]

    wait_for(f"a tick of {name}", ticks)
    assert sensor(servers, name)["status"] == "RUNNING"
    assert [tick["error"] for tick in ticks() if tick["error"]] == []


def test_no_run_has_two_summaries(
    servers: Servers, cancelled: dg.DagsterRun, commanded: dg.DagsterRun
) -> None:
    summarised = [run.tags[SUMMARY_TAG] for run in servers.runs(job_name="nightly_summary_job")]
    assert len(summarised) == len(set(summarised)) == 4


def test_the_tick_of_eight_oclock_asks_for_the_night_of_its_date(servers: Servers) -> None:
    answer = servers.graphql(
        """
        mutation ($selector: ScheduleSelector!, $at: Float!) {
          scheduleDryRun(selectorData: $selector, timestamp: $at) {
            __typename
            ... on DryRunInstigationTick { evaluationResult {
              error { message } runRequests { runKey jobName tags { key value } }
            } }
          }
        }
        """,
        {
            "selector": {**LOCATION, "scheduleName": "every_night"},
            "at": datetime.combine(today(), time(8), UTC).timestamp(),
        },
    )
    result = answer["scheduleDryRun"]["evaluationResult"]
    assert result["error"] is None
    (request,) = result["runRequests"]
    tags = {tag["key"]: tag["value"] for tag in request["tags"]}
    assert request["runKey"] == tags["dagster/partition"] == days_ago(0)
