"""A night of real engines: built from the package index, pushed, tested as far as a machine without GPUs can.

Gigabytes and many minutes: `make test-real`. NIGHTLY_REAL_FRAMEWORKS names the frameworks (default: vllm), with commas.
What needs a GPU must read `infra_error` where there is none, so these tests are for machines without one.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml

from tests.e2e.conftest import SmallNight, config_of, git, make_night, manifest
from tests.registries import ACR, ECR

pytestmark = [pytest.mark.real, pytest.mark.docker, pytest.mark.timeout(4 * 3600)]

FRAMEWORKS = tuple(os.environ.get("NIGHTLY_REAL_FRAMEWORKS", "vllm").split(","))
ARCHITECTURES = ("amd64", "arm64")
CELLS = [(framework, arch) for framework in FRAMEWORKS for arch in ARCHITECTURES]
ON_GPUS = ("integration", "e2e_single_gpu", "e2e_multi_gpu")
STAGES = ("unit", *ON_GPUS)
GB = 1_000_000_000

per_cell = pytest.mark.parametrize(("framework", "arch"), CELLS)
per_framework = pytest.mark.parametrize("framework", FRAMEWORKS)


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> SmallNight:
    real = make_night(tmp_path_factory.mktemp("real"), FRAMEWORKS)
    profile = yaml.safe_load(real.profile.read_text())
    del profile["registries"]["ecr"]["cache_repository"]
    real.profile.write_text(yaml.safe_dump({**profile, "extends": "local-real"}))
    real.nightly("run", expect=None, timeout_s=3.5 * 3600)
    return real


@pytest.fixture(scope="module")
def report(night: SmallNight) -> dict:
    return night.report()


def image_of(report: dict, framework: str, arch: str, kind: str) -> dict:
    rows = [
        row
        for row in report["images"]
        if (row["framework"], row["arch"], row["kind"]) == (framework, arch, kind)
    ]
    assert len(rows) == 1
    return rows[0]


def metrics_of(night: SmallNight, row: dict) -> dict:
    return json.loads((night.home / "artifacts" / row["artifacts"]["metrics"]).read_text())


def stages_of(report: dict, framework: str, arch: str) -> dict[str, dict]:
    return {
        row["stage"]: row for row in report["stages"] if (row["framework"], row["arch"]) == (framework, arch)
    }


def test_the_night_is_incomplete_and_of_real_engines(night: SmallNight, report: dict) -> None:
    assert report["engine"] == "real"
    assert report["status"] == "incomplete"
    assert report["source_revision"] == git(night.source, "rev-parse", "HEAD")


@per_cell
@pytest.mark.parametrize("kind", ["framework", "runtime"])
def test_the_registry_has_gigabytes_under_the_reported_digest(
    night: SmallNight, report: dict, framework: str, arch: str, kind: str
) -> None:
    row = image_of(report, framework, arch, kind)
    assert row["status"] == "built"
    tag = f"nightly-{framework}-{arch}" if kind == "runtime" else f"main-{framework}-framework-{arch}"
    for host in (ECR, ACR) if kind == "runtime" else (ECR,):
        found = manifest(host, night.repository, tag)
        assert found is not None, f"{host} has no {tag}"
        assert found[0] == row["digest"]
        assert bytes_of(host, night.repository, row["digest"]) > GB


def bytes_of(host: str, repository: str, reference: str) -> int:
    """Packed bytes of the layers of an image, by its manifest in the registry."""
    found = manifest(host, repository, reference)
    assert found is not None
    if "manifests" in found[1]:
        children = found[1]["manifests"]
        real = [child for child in children if child["platform"]["architecture"] != "unknown"]
        return sum(bytes_of(host, repository, child["digest"]) for child in real)
    return sum(layer["size"] for layer in found[1]["layers"])


@per_cell
@pytest.mark.parametrize("kind", ["framework", "runtime"])
def test_labels_say_real_and_name_the_versions(
    night: SmallNight, report: dict, framework: str, arch: str, kind: str
) -> None:
    config = config_of(ECR, night.repository, image_of(report, framework, arch, kind)["digest"])
    labels = config["config"]["Labels"]
    assert config["architecture"] == arch
    assert labels["io.nightly.engine"] == "real"
    assert labels["io.nightly.framework"] == framework
    assert labels["io.nightly.framework-version"] == labels["io.nightly.engine-version"]
    assert "mock" not in labels["org.opencontainers.image.description"]
    assert labels["org.opencontainers.image.revision"] == report["source_revision"]


@per_cell
def test_runtime_and_framework_image_share_the_engines_layer(
    night: SmallNight, report: dict, framework: str, arch: str
) -> None:
    sizes = {
        kind: metrics_of(night, image_of(report, framework, arch, kind)) for kind in ("framework", "runtime")
    }
    assert sizes["framework"]["pushed_bytes"] > GB
    assert sizes["runtime"]["image_bytes"] > GB
    assert sizes["runtime"]["pushed_bytes"] < GB / 2


@per_cell
def test_no_step_was_emulated(night: SmallNight, report: dict, framework: str, arch: str) -> None:
    for kind in ("framework", "runtime"):
        metrics = metrics_of(night, image_of(report, framework, arch, kind))
        assert metrics["steps"] > 0
        assert metrics["emulated_steps"] == 0


@per_framework
def test_amd64_passes_its_unit_tests(report: dict, framework: str) -> None:
    unit = stages_of(report, framework, "amd64")["unit"]
    assert unit["status"] == "passed", unit
    assert unit["counts"]["passed"] == unit["counts"]["collected"] > 50
    assert unit["counts"]["failed"] == unit["counts"]["errors"] == 0


@per_framework
@pytest.mark.parametrize("stage", ON_GPUS)
def test_what_needs_a_gpu_is_neither_green_nor_red(report: dict, framework: str, stage: str) -> None:
    row = stages_of(report, framework, "amd64")[stage]
    assert row["status"] == "infra_error"
    assert row["counts"]["passed"] == 0


@per_framework
@pytest.mark.parametrize("stage", STAGES)
def test_arm64_is_collected(report: dict, framework: str, stage: str) -> None:
    row = stages_of(report, framework, "arm64")[stage]
    assert row["status"] == "collected"
    assert row["counts"]["collected"] > 0
    assert row["counts"]["passed"] == 0


@per_framework
def test_arm64_collects_the_unit_tests_that_amd64_runs(report: dict, framework: str) -> None:
    ran, collected = (stages_of(report, framework, arch)["unit"]["counts"] for arch in ARCHITECTURES)
    assert ran["collected"] == collected["collected"]


@per_framework
def test_the_index_has_both_platforms(night: SmallNight, framework: str) -> None:
    found = manifest(ECR, night.repository, f"nightly-{framework}")
    assert found is not None
    platforms = {child["platform"]["architecture"] for child in found[1]["manifests"]}
    assert set(ARCHITECTURES) <= platforms


def test_where_the_time_went_is_told(
    night: SmallNight, report: dict, capsys: pytest.CaptureFixture[str]
) -> None:
    """Printed, not asserted: how long a real build takes is the machine's and the network's matter."""
    with capsys.disabled():
        print()
        for row in report["images"]:
            metrics = metrics_of(night, row)
            assert metrics["wall_s"] > 0
            name = "/".join((row["framework"], row["arch"], row["kind"]))
            packed = metrics["image_bytes"] / GB
            print(
                f"{name:26}{metrics['wall_s']:8.1f} s build{row['duration_s']:8.1f} s in all{packed:7.2f} GB"
            )


def test_artifacts_tell_what_was_installed(night: SmallNight, report: dict) -> None:
    for framework, arch in CELLS:
        row = image_of(report, framework, arch, "framework")
        log = Path(night.home / "artifacts" / row["artifacts"]["log"]).read_text()
        assert f"{framework}==" in log
        assert "torch==" in log
