"""The graph as Dagster sees it: assets, groups, pools, checks, jobs, the schedule, the sensors."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from nightly_pipeline.definitions import build_definitions
from nightly_pipeline.settings import load_settings

FRAMEWORKS, ARCHITECTURES = ("vllm", "sglang", "trtllm"), ("amd64", "arm64")
NAMES = (
    "framework_image",
    "runtime_image",
    "published_image",
    "unit_tests",
    "integration_tests",
    "e2e_single_gpu_tests",
    "e2e_multi_gpu_tests",
)


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    return build_definitions(load_settings("local", environment={}, root=Path("/")))


@pytest.fixture(scope="module")
def graph(definitions: dg.Definitions):
    return definitions.resolve_asset_graph()


def key(*parts: str) -> dg.AssetKey:
    return dg.AssetKey(list(parts))


def test_every_cell_has_every_asset_and_the_night_its_own(graph) -> None:
    cells = {
        key(framework, arch, name) for framework in FRAMEWORKS for arch in ARCHITECTURES for name in NAMES
    }
    indexes = {key(framework, "multi_arch_image") for framework in FRAMEWORKS}
    of_the_night = {key("source_revision"), key("confirmed_failures"), key("nightly_summary")}
    assert graph.get_all_asset_keys() == cells | indexes | of_the_night


def test_groups_name_the_cell(graph) -> None:
    assert graph.get(key("vllm", "arm64", "unit_tests")).group_name == "vllm_arm64"
    assert graph.get(key("vllm", "multi_arch_image")).group_name == "vllm"
    assert graph.get(key("source_revision")).group_name == "night"


def test_a_stage_waits_for_its_own_image_only(graph) -> None:
    for framework in FRAMEWORKS:
        for arch in ARCHITECTURES:
            for name in NAMES[3:]:
                assert graph.get(key(framework, arch, name)).parent_keys == {
                    key(framework, arch, "runtime_image")
                }


def test_builds_and_stages_wait_in_their_runners_pool(graph) -> None:
    assert graph.get(key("vllm", "amd64", "runtime_image")).pools == {"cpu-amd-m5-4xlarge"}
    assert graph.get(key("vllm", "arm64", "runtime_image")).pools == {"cpu-arm-r8g-4xlarge"}
    assert graph.get(key("vllm", "amd64", "unit_tests")).pools == {"gpu-l40-amd64"}
    assert graph.get(key("vllm", "arm64", "unit_tests")).pools == {"cpu-arm-r8g-4xlarge"}


def test_a_dry_run_has_a_check_of_another_name(graph) -> None:
    stages = [check for check in graph.asset_check_keys if len(check.asset_key.path) > 1]
    checks = {(check.asset_key.path[1], check.name) for check in stages}
    assert checks == {("amd64", "tests_pass"), ("arm64", "tests_collect")}
    assert len(stages) == len(FRAMEWORKS) * len(ARCHITECTURES) * 4


def test_the_summary_comes_last_and_its_check_says_whether_the_night_is_green(graph) -> None:
    summary = graph.get(key("nightly_summary"))
    assert not summary.child_keys
    stages = {
        key(framework, arch, name) for framework in FRAMEWORKS for arch in ARCHITECTURES for name in NAMES[3:]
    }
    indexes = {key(framework, "multi_arch_image") for framework in FRAMEWORKS}
    assert summary.parent_keys == stages | indexes | {key("confirmed_failures")}
    assert {check.name for check in summary.check_keys} == {
        "night_is_green",
        "known_good_is_current",
        "nights_come_in_time",
    }


def test_failures_are_repeated_after_what_runs_in_its_runners_pool_and_before_the_summary(graph) -> None:
    confirming = graph.get(key("confirmed_failures"))
    assert confirming.parent_keys == {
        key(framework, "amd64", name) for framework in FRAMEWORKS for name in NAMES[3:]
    }
    assert confirming.pools == {"gpu-l40-amd64"}
    assert confirming.child_keys == {key("nightly_summary")}


def test_no_job_of_the_night_repeats_or_summarises(definitions: dg.Definitions) -> None:
    for job in ("nightly", "nightly_vllm"):
        keys = definitions.resolve_job_def(job).asset_layer.selected_asset_keys
        assert not keys & {key("confirmed_failures"), key("nightly_summary")}


def test_everything_has_one_partition_a_night_from_go_live_to_today(graph) -> None:
    partitions = {graph.get(asset).partitions_def for asset in graph.get_all_asset_keys()}
    (nights,) = partitions
    keys = nights.get_partition_keys(current_time=datetime(2026, 11, 22, 8, 0, 1, tzinfo=UTC))
    assert keys[0] == "2026-11-01"
    assert keys[-1] == "2026-11-22"


@pytest.mark.parametrize(
    ("job", "steps"),
    [("nightly", 46), ("nightly_vllm", 16), ("nightly_trtllm", 16), ("nightly_summary_job", 2)],
)
def test_jobs(definitions: dg.Definitions, job: str, steps: int) -> None:
    assert len(definitions.resolve_job_def(job).nodes) == steps


def test_the_night_has_a_deadline_of_its_own(definitions: dg.Definitions) -> None:
    assert int(definitions.resolve_job_def("nightly").tags["dagster/max_runtime"]) == 12 * 3600


def test_the_tick_of_eight_oclock_asks_for_the_night_of_that_date(definitions: dg.Definitions) -> None:
    (schedule,) = [one for one in definitions.schedules if one.name == "every_night"]
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("0 8 * * *", "UTC")
    context = dg.build_schedule_context(scheduled_execution_time=datetime(2026, 11, 22, 8, 0, tzinfo=UTC))
    request = schedule(context)
    assert request.partition_key == "2026-11-22"
    assert request.run_key == "2026-11-22"


@pytest.mark.parametrize("ending", ["success", "failure", "cancellation"])
def test_there_is_a_sensor_for_every_ending(definitions: dg.Definitions, ending: str) -> None:
    (sensor,) = [sensor for sensor in definitions.sensors if sensor.name == f"summary_after_{ending}"]
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING


def test_a_new_framework_is_a_row_of_the_table(tmp_path: Path) -> None:
    profile = tmp_path / "four.yaml"
    profile.write_text(
        "extends: local\n"
        "table:\n"
        "  frameworks:\n"
        "    lmdeploy:\n"
        "      {title: LMDeploy, version: 0.9.0, package: lmdeploy, dockerfile: docker/lmdeploy/Dockerfile,\n"
        "       context: docker, base: {image: example.org/base, tag: '1'}, cuda_version: 129}\n"
    )
    definitions = build_definitions(load_settings(str(profile), environment={}, root=tmp_path))
    assert len(definitions.resolve_job_def("nightly_lmdeploy").nodes) == 16
    assert len(definitions.resolve_job_def("nightly").nodes) == 61
