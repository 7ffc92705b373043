"""Repeating failures never stands in the summary's way, and only where something failed it comes before it."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from nightly_pipeline.assets.confirming import _result, confirming_asset, confirming_pool
from nightly_pipeline.assets.launch import execute_summary, may_have_new_failures
from nightly_pipeline.assets.naming import nights
from nightly_pipeline.assets.workplace import Workplace
from nightly_pipeline.model.confirmation import Confirmed
from nightly_pipeline.model.history import TestResult
from nightly_pipeline.model.plan import Plan
from nightly_pipeline.planning import make_plan
from nightly_pipeline.settings import load_settings
from tests.factories import DATE, RUN_ID

NIGHTS = nights(date(2026, 11, 1))
BOTH = ["confirmed_failures", "nightly_summary"]


@pytest.fixture(scope="module")
def plan() -> Plan:
    return make_plan(load_settings("local", environment={}, root=Path("/")))


def materialized(assets, profile: str) -> dg.ExecuteInProcessResult:
    return dg.materialize(assets, partition_key=DATE, resources={"workplace": Workplace(profile=profile)})


def test_beside_what_is_tested_nothing_is_repeated(plan: Plan) -> None:
    @dg.asset(key=["vllm", "amd64", "unit_tests"], partitions_def=NIGHTS)
    def stage() -> None:
        pass

    result = materialized([stage, confirming_asset(plan, NIGHTS)], "is not read")
    (check,) = result.get_asset_check_evaluations()
    assert check.passed
    assert check.description == "this is done by a run of its own, when this run has ended"


def test_whatever_goes_wrong_is_told_and_what_comes_after_still_comes(plan: Plan) -> None:
    @dg.asset(key="nightly_summary", deps=["confirmed_failures"], partitions_def=NIGHTS)
    def summary() -> None:
        pass

    assets = [confirming_asset(plan, NIGHTS), summary]
    result = materialized(assets, "there-is-no-such-profile")
    made = {event.asset_key.path[-1] for event in result.get_asset_materialization_events()}
    assert made == set(BOTH)
    (check,) = result.get_asset_check_evaluations()
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "there-is-no-such-profile" in check.description


def test_the_slot_that_is_held_is_of_the_runner_of_most_stages() -> None:
    assert confirming_pool(["gpu-a", "gpu-b", "gpu-b"]) == "gpu-b"
    assert confirming_pool([]) is None


def confirmed(**fields: Any) -> Confirmed:
    return Confirmed(date=DATE, run_id=RUN_ID, framework="vllm", arch="amd64", stage="unit", **fields)


def test_what_was_seen_is_shown_as_numbers_and_a_table() -> None:
    again = {
        "a::one": TestResult.FAILED,
        "a::two": TestResult.PASSED,
        "a::three": TestResult.SKIPPED,  # neither good nor bad
    }
    shown = _result([confirmed(again=again, previous={"a::one": TestResult.PASSED}, left_out=3)])
    numbers = {name: value for name, value in shown.metadata.items() if isinstance(value, int)}
    assert numbers == {"repeated": 3, "good_when_repeated": 1, "bad_again": 1, "left_out": 3}
    (record,) = shown.metadata["reruns"].records
    assert record.data["stage"] == "vllm/amd64/unit"
    assert record.data["on_last_good_image"] == "passed"
    assert shown.check_results[0].passed


def test_a_problem_is_a_warning_that_names_its_stage() -> None:
    (check,) = _result([confirmed(problems=("the daemon went away",)), confirmed()]).check_results
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert check.description == "vllm/amd64/unit: the daemon went away"


class FakeJob:
    """Ends as it is told, one end a call."""

    def __init__(self, *ends: bool | BaseException) -> None:
        self.ends = list(ends)
        self.selected: list[list[str]] = []

    def execute_in_process(self, *, asset_selection, **_: Any) -> SimpleNamespace:
        self.selected.append([key.to_user_string() for key in asset_selection])
        end = self.ends.pop(0)
        if isinstance(end, BaseException):
            raise end
        return SimpleNamespace(success=end)


def summarise(job: FakeJob, *, confirm: bool) -> bool:
    return execute_summary(None, job, date=DATE, run_id=RUN_ID, confirm=confirm)


@pytest.mark.parametrize(("confirm", "selected"), [(True, BOTH), (False, ["nightly_summary"])])
def test_failures_are_repeated_before_the_summary_where_there_may_be_any(confirm, selected) -> None:
    job = FakeJob(True)
    assert summarise(job, confirm=confirm)
    assert job.selected == [selected]


@pytest.mark.parametrize("end", [False, KeyboardInterrupt(), dg.DagsterExecutionInterruptedError()], ids=repr)
def test_a_summary_that_dies_while_failures_are_repeated_is_made_without(end) -> None:
    job = FakeJob(end, True)
    assert summarise(job, confirm=True)
    assert job.selected == [BOTH, ["nightly_summary"]]


def test_a_summary_that_is_interrupted_itself_is_not_made_again() -> None:
    with pytest.raises(KeyboardInterrupt):
        summarise(FakeJob(KeyboardInterrupt()), confirm=False)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (dg.DagsterRunStatus.SUCCESS, False),
        (dg.DagsterRunStatus.FAILURE, True),
        (dg.DagsterRunStatus.CANCELED, False),
    ],
)
def test_what_succeeded_or_was_cancelled_has_nothing_to_repeat(status, expected) -> None:
    assert may_have_new_failures(dg.DagsterRun(job_name="nightly", status=status)) is expected
