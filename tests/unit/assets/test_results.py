"""What Dagster records of a result: on the asset's page, in its check, in the run."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from nightly_pipeline.assets.images import _settled
from nightly_pipeline.assets.naming import nights
from nightly_pipeline.assets.stages import _sentence
from nightly_pipeline.assets.summary import _why, summary_asset
from nightly_pipeline.assets.workplace import Workplace
from nightly_pipeline.planning import make_plan
from nightly_pipeline.settings import load_settings
from tests.factories import broken_night, image, stage, whole_night

NIGHT = "2026-11-20"
NIGHTS = nights(date(2026, 11, 1))


def settle(instance: dg.DagsterInstance, outcome, *, good: bool) -> dg.ExecuteInProcessResult:
    @dg.asset(partitions_def=NIGHTS)
    def some_image(context):
        return _settled(context, outcome, {"status": outcome.status.value}, good=good)

    return dg.materialize([some_image], partition_key=NIGHT, raise_on_error=False, instance=instance)


@pytest.fixture(scope="module")
def beside_others() -> dg.ExecuteInProcessResult:
    """A run in which the summary was selected together with something else."""
    plan = make_plan(load_settings("local", environment={}, root=Path("/")))

    @dg.asset(key=["vllm", "multi_arch_image"], partitions_def=NIGHTS)
    def index() -> None:
        pass

    return dg.materialize(
        [index, summary_asset(plan, NIGHTS)],
        partition_key=NIGHT,
        resources={"workplace": Workplace(profile="is not read")},
    )


def test_beside_others_nothing_is_summarised_and_the_check_is_not_green(beside_others) -> None:
    materialized = {event.asset_key.path[-1] for event in beside_others.get_asset_materialization_events()}
    assert materialized == {"multi_arch_image"}
    evaluations = beside_others.get_asset_check_evaluations()
    assert {evaluation.check_name for evaluation in evaluations} == {
        "night_is_green",
        "known_good_is_current",
    }
    assert not any(evaluation.passed for evaluation in evaluations)
    assert {evaluation.severity for evaluation in evaluations} == {dg.AssetCheckSeverity.WARN}


def test_a_failed_image_fails_the_step_and_is_seen_on_the_assets_page(instance) -> None:
    result = settle(instance, image(status="failed", message="no such file"), good=False)
    assert not result.success
    assert not result.get_asset_materialization_events()
    (record,) = instance.fetch_observations(dg.AssetKey("some_image"), limit=2).records
    observation = record.asset_observation
    assert observation is not None
    assert observation.partition == NIGHT
    assert observation.metadata["status"].value == "failed"
    (failure,) = result.get_step_failure_events()
    assert "no such file" in failure.step_failure_data.error_display_string


def test_a_good_image_is_materialized_under_its_digest(instance) -> None:
    built = image(digest=f"sha256:{'1' * 64}")
    (event,) = settle(instance, built, good=True).get_asset_materialization_events()
    assert event.materialization.tags["dagster/data_version"] == built.digest


def test_the_checks_sentence_says_what_happened_and_on_which_engine() -> None:
    failed = stage(status="failed", message="1 failed of 36 tests")
    assert _sentence(failed).startswith("failed: ")
    assert "mock engine" in _sentence(failed)
    assert _sentence(failed).endswith("1 failed of 36 tests")


def test_the_verdict_names_the_problems_and_counts_the_rest() -> None:
    assert _why(whole_night()) == "green"
    assert _why(broken_night()).startswith("red: ")
    stages = ("unit", "integration", "e2e_single_gpu", "e2e_multi_gpu")
    many = whole_night(
        *(stage(name, stage=one, status="failed") for name in ("vllm", "sglang") for one in stages)
    )
    assert _why(many).endswith(", 3 more")
