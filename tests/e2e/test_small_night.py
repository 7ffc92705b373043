"""One framework, both architectures, end to end: asserted on the registries and on Dagster's own records."""

from __future__ import annotations

import json
from pathlib import Path

import dagster as dg
import pytest

from tests.e2e.conftest import A_TEST_S, SmallNight, config_of, git, make_night, manifest
from tests.fakes.slack_server import TOKEN, FakeSlack
from tests.registries import ACR, ECR

pytestmark = [pytest.mark.e2e, pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(A_TEST_S)]

CELLS = [("vllm", "amd64"), ("vllm", "arm64")]
STAGES = ["unit", "integration", "e2e_single_gpu", "e2e_multi_gpu"]


@pytest.fixture(scope="module")
def night(place: Path, slack: FakeSlack) -> SmallNight:
    small = make_night(place, ("vllm",))
    small.variables.update(
        SLACK_BOT_TOKEN=TOKEN, NIGHTLY_SLACK_CHANNEL="nightly", NIGHTLY_SLACK_BASE_URL=slack.base_url
    )
    small.nightly("run")
    return small


def test_the_night_is_green_and_says_it_is_mock(night: SmallNight, report: dict) -> None:
    assert report["status"] == "green"
    assert report["engine"] == "mock"
    assert not report["partial"]
    assert report["source_revision"] == git(night.source, "rev-parse", "HEAD")


def test_what_was_tested_is_known_good_in_both_registries(night: SmallNight, report: dict) -> None:
    tested = {image["arch"]: image["digest"] for image in report["images"] if image["kind"] == "runtime"}
    assert {stage["image_digest"] for stage in report["stages"]} == set(tested.values())
    for host in (ECR, ACR):
        for arch, digest in tested.items():
            assert manifest(host, night.repository, f"known-good-vllm-{arch}")[0] == digest
        _, index = manifest(host, night.repository, "known-good-vllm")
        parts = [manifest(host, night.repository, digest)[1]["manifests"] for digest in tested.values()]
        assert index["manifests"] == [child for part in parts for child in part]
        said = index["annotations"]
        assert (said["io.nightly.date"], said["io.nightly.run-id"]) == (report["date"], report["run_id"])


def test_every_planned_thing_is_in_the_report_once(report: dict) -> None:
    assert {(row["framework"], row["arch"], row["kind"]) for row in report["images"]} == {
        (*cell, kind) for cell in CELLS for kind in ("framework", "runtime")
    }
    assert {(row["framework"], row["arch"], row["stage"]) for row in report["stages"]} == {
        (*cell, stage) for cell in CELLS for stage in STAGES
    }
    assert len(report["images"]) == 4
    assert len(report["stages"]) == 8


@pytest.mark.parametrize(("framework", "arch"), CELLS)
def test_both_registries_answer_every_tag_with_the_reported_digest(
    night: SmallNight, framework: str, arch: str, report: dict
) -> None:
    image = next(row for row in report["images"] if row["arch"] == arch and row["kind"] == "runtime")
    run_tag = f"nightly-{framework}-{arch}-run-{report['run_id'][:8]}"
    for host in (ECR, ACR):
        for tag in (f"nightly-{framework}-{arch}", run_tag):
            found = manifest(host, night.repository, tag)
            assert found is not None, f"{host} has no {tag}"
            assert found[0] == image["digest"]


def test_framework_images_are_in_the_first_registry_only(night: SmallNight) -> None:
    for _, arch in CELLS:
        tag = f"main-vllm-framework-{arch}"
        assert manifest(ECR, night.repository, tag) is not None
        assert manifest(ACR, night.repository, tag) is None


def test_the_multi_arch_index_has_both_platforms_in_both_registries(night: SmallNight) -> None:
    found = [manifest(host, night.repository, "nightly-vllm") for host in (ECR, ACR)]
    assert found[0] is not None
    assert found[1] is not None
    assert found[0][0] == found[1][0]
    platforms = {child["platform"]["architecture"] for child in found[0][1]["manifests"]}
    assert {"amd64", "arm64"} <= platforms


@pytest.mark.parametrize("arch", ["amd64", "arm64"])
def test_images_carry_their_labels_and_run_unprivileged(night: SmallNight, arch: str, report: dict) -> None:
    image = next(row for row in report["images"] if row["arch"] == arch and row["kind"] == "runtime")
    config = config_of(ECR, night.repository, image["digest"])
    labels = config["config"]["Labels"]
    assert config["architecture"] == arch
    assert config["config"]["User"] not in {"", "0", "root"}
    assert labels["org.opencontainers.image.revision"] == git(night.source, "rev-parse", "HEAD")
    assert labels["io.nightly.run-id"] == report["run_id"]
    assert labels["io.nightly.engine"] == "mock"
    assert labels["io.nightly.framework"] == "vllm"
    assert labels["io.nightly.framework-version"]
    assert labels["io.nightly.engine-version"]
    assert labels["org.opencontainers.image.created"]


def test_amd64_ran_and_arm64_was_collected_the_same_tests(report: dict) -> None:
    stages = {(row["arch"], row["stage"]): row for row in report["stages"]}
    for stage in STAGES:
        ran, collected = stages["amd64", stage], stages["arm64", stage]
        assert ran["status"] == "passed"
        assert ran["counts"]["passed"] > 0
        assert ran["counts"]["failed"] == ran["counts"]["errors"] == 0
        assert collected["status"] == "collected"
        assert collected["counts"]["passed"] == 0
        assert collected["counts"]["collected"] == ran["counts"]["collected"] > 0


def test_no_step_of_an_arm64_build_ran_under_emulation(night: SmallNight, report: dict) -> None:
    for row in report["images"]:
        metrics = json.loads((night.home / "artifacts" / row["artifacts"]["metrics"]).read_text())
        assert metrics["steps"] > 0
        assert metrics["wall_s"] > 0
        if row["arch"] == "arm64":
            assert metrics["emulated_steps"] == 0
            assert any("RUN" in step["name"] for step in metrics["build_steps"])


def test_artifacts_lie_where_the_contract_says(night: SmallNight, report: dict) -> None:
    cell = night.home / "artifacts" / report["date"] / report["run_id"] / "vllm" / "amd64"
    assert {path.name for path in (cell / "unit").iterdir()} >= {
        "outcome.json",
        "evidence.jsonl",
        "junit.xml",
        "container.log",
    }
    assert {path.name for path in (cell / "runtime_image").iterdir()} >= {
        "outcome.json",
        "build.log",
        "metrics.json",
    }


def test_dagsters_records_say_the_same(night: SmallNight, report: dict) -> None:
    with night.instance() as instance:
        run = instance.get_run_by_id(report["run_id"])
        assert run is not None
        assert run.status is dg.DagsterRunStatus.SUCCESS
        assert run.tags["dagster/partition"] == report["date"]
        checks = instance.get_records_for_run(
            run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION
        ).records
        assert len(checks) == len(CELLS) * len(STAGES)
        summaries = instance.get_runs(dg.RunsFilter(tags={"nightly/summary_of": run.run_id}))
        assert [summary.status for summary in summaries] == [dg.DagsterRunStatus.SUCCESS]
        for framework, arch in CELLS:
            event = instance.get_latest_materialization_event(dg.AssetKey([framework, arch, "runtime_image"]))
            assert event is not None
            assert event.asset_materialization is not None
            digest = event.asset_materialization.metadata["digest"].value
            found = manifest(ECR, night.repository, f"nightly-{framework}-{arch}")
            assert found is not None
            assert digest == found[0]


def test_the_team_is_told_once_and_the_token_is_nowhere(
    night: SmallNight, slack: FakeSlack, report: dict
) -> None:
    (message,) = [message for message in slack.messages.values() if "thread_ts" not in message]
    assert report["date"] in message["text"]
    assert "green" in message["text"]
    assert "mock" in json.dumps(message).lower()
    written = (path for path in night.home.rglob("*") if path.is_file())
    assert [path for path in written if TOKEN.encode() in path.read_bytes()] == []
