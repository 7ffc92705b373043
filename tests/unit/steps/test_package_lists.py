"""Building an image with its package list: asked for, read back, kept with the night, missed where it is not there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nightly_pipeline.errors import RegistryUnavailable
from nightly_pipeline.model.outcomes import ImageStatus
from nightly_pipeline.model.supply_chain import read_packages_json
from nightly_pipeline.steps import supply_chain
from nightly_pipeline.steps.build import reuse_image
from tests.factories import RUN_ID, planned_image
from tests.unit.steps.building import ENGINE, FOLDER, FRAMEWORK, build, image_run, kept, make_tools

SCANNER = "localhost:5000/scanner:1"
BASES = {SCANNER: f"sha256:{'5' * 64}", "base:1": f"sha256:{'b' * 64}"}
ARGUMENTS = {**ENGINE, "RUNTIME_IMAGE": "base", "RUNTIME_IMAGE_TAG": "1"}


@pytest.fixture
def tools(tmp_path):
    return replace(make_tools(tmp_path), sbom_generator=SCANNER)


def test_a_runtime_image_is_built_with_the_pinned_scanner_and_its_list_is_kept(tools):
    outcome = build(tools, bases=BASES)

    assert tools.builder.requests[0].sbom_generator == f"{SCANNER}@{BASES[SCANNER]}"
    assert outcome.artifacts["packages"] == f"{FOLDER}/packages.json"
    assert [package.name for package in read_packages_json(kept(tools, "packages.json"))] == [
        "python3",
        "vllm",
    ]


def test_a_framework_image_is_not_scanned(tools):
    outcome = build(tools, FRAMEWORK, bases=BASES)

    assert (outcome.status, tools.builder.requests[0].sbom_generator) == (ImageStatus.BUILT, None)
    assert "packages" not in outcome.artifacts


def test_without_a_scanner_nothing_is_asked_for_and_nothing_missed(tools):
    outcome = build(replace(tools, sbom_generator=None))

    assert outcome.status is ImageStatus.BUILT
    assert "packages" not in outcome.artifacts


@pytest.mark.parametrize(("packages", "said"), [(None, "none is attached"), ((), "its list is empty")])
def test_a_list_that_was_asked_for_and_is_not_there_fails_the_image(tools, packages, said):
    tools.builder.packages = packages
    outcome = build(tools)

    assert outcome.status is ImageStatus.FAILED
    assert said in outcome.message
    assert "nightly-vllm-amd64" not in tools.registry.tags


def test_a_list_that_cannot_be_read_fails_no_image_and_is_not_kept(tools, monkeypatch):
    monkeypatch.setattr(supply_chain, "MOST_STATEMENT_BYTES", 10)
    outcome = build(tools)

    assert outcome.status is ImageStatus.BUILT
    assert "packages" not in outcome.artifacts
    assert "no package list is kept: an attestation of localhost:5000/nightly@" in kept(tools, "build.log")


def test_a_registry_that_cannot_be_asked_for_the_list_is_no_image_without_one(tools):
    tools.registry.failures["open_blob"] = RegistryUnavailable("503")
    outcome = build(tools)

    assert (outcome.status, "503" in outcome.message) == (ImageStatus.FAILED, True)


def test_a_reused_image_points_at_the_list_of_the_run_that_built_it(tools):
    built = build(tools)
    outcome = reuse_image(image_run(run_id="another"), tools)

    assert outcome.artifacts == {"packages": built.artifacts["packages"]}
    assert RUN_ID in outcome.artifacts["packages"]


def test_the_base_is_in_the_labels_and_in_the_outcome(tools):
    outcome = build(tools, planned_image(build_args=ARGUMENTS), bases=BASES)
    labels = tools.registry.config_of(outcome.digest)["config"]["Labels"]

    assert (outcome.base, outcome.base_digest) == ("base:1", BASES["base:1"])
    assert labels["org.opencontainers.image.base.name"] == "base:1"
    assert labels["org.opencontainers.image.base.digest"] == BASES["base:1"]


def test_a_base_that_is_not_pinned_has_a_name_and_no_digest(tools):
    outcome = build(tools, planned_image(build_args=ARGUMENTS))
    labels = tools.registry.config_of(outcome.digest)["config"]["Labels"]

    assert (outcome.base, outcome.base_digest) == ("base:1", None)
    assert "org.opencontainers.image.base.digest" not in labels
