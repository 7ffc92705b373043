"""The sensors: which ended runs they ask a summary for."""

from __future__ import annotations

from typing import Any

import dagster as dg
import pytest

from nightly_pipeline.assets.automation import summary_job, summary_sensors
from nightly_pipeline.assets.naming import PROCESS_TAG

OLDER = "5c9a1c5e-7c1f-4a53-9a52-6f6f8d8f2b11"
NIGHT = {"dagster/partition": "2026-11-20"}


@pytest.fixture(params=range(3), ids=["success", "failure", "cancellation"])
def sensor(request: pytest.FixtureRequest):
    return summary_sensors(summary_job())[request.param]


@pytest.fixture(scope="module")
def ended() -> dg.DagsterEvent:
    """The event of some run's end; the sensors look at the run alone."""

    @dg.op
    def nothing() -> None:
        pass

    @dg.job
    def some_job() -> None:
        nothing()

    return some_job.execute_in_process().get_run_success_event()


@pytest.fixture
def evaluate(sensor, ended: dg.DagsterEvent):
    def _evaluate(
        *keys: str, job: str = "__ASSET_JOB", tags=NIGHT, **run: Any
    ) -> dg.RunRequest | dg.SkipReason:
        selection = frozenset(dg.AssetKey(key.split("/")) for key in keys) if keys else None
        with dg.DagsterInstance.ephemeral() as instance:
            context = dg.build_run_status_sensor_context(
                sensor_name=sensor.name,
                dagster_instance=instance,
                dagster_run=dg.DagsterRun(job_name=job, tags=tags, asset_selection=selection, **run),
                dagster_event=ended,
            )
            return sensor(context)

    return _evaluate


def test_a_whole_night_is_summarised_once(evaluate) -> None:
    request = evaluate(job="nightly")
    assert request.partition_key == "2026-11-20"
    assert request.tags["nightly/summary_of"] == request.run_key


def test_what_was_materialized_by_hand_is_summarised(evaluate) -> None:
    assert isinstance(evaluate("vllm/amd64/unit_tests"), dg.RunRequest)
    assert isinstance(evaluate("source_revision", "vllm/amd64/framework_image"), dg.RunRequest)


def test_everything_at_once_is_summarised_though_the_summary_was_selected_too(evaluate) -> None:
    everything = ("source_revision", "vllm/amd64/framework_image", "nightly_summary")
    assert isinstance(evaluate(*everything), dg.RunRequest)


@pytest.mark.parametrize(
    "keys", [("nightly_summary",), ("source_revision",), ("confirmed_failures",)], ids=lambda keys: keys[0]
)
def test_a_run_without_results_is_not(evaluate, keys) -> None:
    assert isinstance(evaluate(*keys), dg.SkipReason)


def test_failures_are_repeated_before_the_summary_of_what_failed_alone(evaluate, sensor) -> None:
    request = evaluate(job="nightly")
    keys = [key.to_user_string() for key in request.asset_selection]
    failed = sensor.name == "summary_after_failure"
    assert keys == (["confirmed_failures", "nightly_summary"] if failed else ["nightly_summary"])
    assert {check.asset_key for check in request.asset_check_keys} == set(request.asset_selection)


ENDED_BY_A_RERUN = ("confirmed_failures", "nightly_summary")
ASKED_FOR = {**NIGHT, "nightly/summary_of": OLDER, "dagster/sensor_name": "summary_after_failure"}


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED])
def test_a_summary_that_died_repeating_failures_is_made_without_that_once(evaluate, status) -> None:
    request = evaluate(*ENDED_BY_A_RERUN, job="nightly_summary_job", tags=ASKED_FOR, status=status)
    assert [key.to_user_string() for key in request.asset_selection] == ["nightly_summary"]
    assert request.tags["nightly/summary_of"] == OLDER
    again = evaluate("nightly_summary", job="nightly_summary_job", tags=ASKED_FOR, status=status)
    assert isinstance(again, dg.SkipReason)


@pytest.mark.parametrize(
    ("tags", "status"),
    [(ASKED_FOR, dg.DagsterRunStatus.SUCCESS), (NIGHT, dg.DagsterRunStatus.FAILURE)],
    ids=["it ended well", "the command's"],
)
def test_no_other_summary_is_asked_for_again(evaluate, tags, status) -> None:
    asked = evaluate(*ENDED_BY_A_RERUN, job="nightly_summary_job", tags=tags, status=status)
    assert isinstance(asked, dg.SkipReason)


def test_a_summary_is_not_summarised(evaluate) -> None:
    assert isinstance(evaluate(job="nightly_summary_job"), dg.SkipReason)


def test_a_run_of_no_night_is_not(evaluate) -> None:
    assert isinstance(evaluate(job="nightly", tags={}), dg.SkipReason)


def test_the_command_summarises_its_own_runs(evaluate) -> None:
    assert isinstance(evaluate(job="nightly", tags={**NIGHT, PROCESS_TAG: "host:1:1"}), dg.SkipReason)


def test_a_run_of_the_command_that_was_repeated_in_the_ui_is_summarised(evaluate) -> None:
    copied = {**NIGHT, PROCESS_TAG: "host:1:1"}
    again = evaluate(job="nightly", tags=copied, parent_run_id=OLDER, root_run_id=OLDER)
    assert isinstance(again, dg.RunRequest)
