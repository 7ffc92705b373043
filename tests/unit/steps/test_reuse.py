"""Taking over the image a night already has, instead of building the same thing again."""

from __future__ import annotations

import pytest

from nightly_pipeline.errors import (
    BuildError,
    RegistryUnavailable,
)
from nightly_pipeline.steps.build import build_image, reuse_image
from tests.factories import RUN_ID, planned_image
from tests.fakes.source import revision
from tests.unit.steps.building import (
    ENGINE,
    FRAMEWORK,
    MOVING_TAG,
    RUN_TAG,
    image_run,
    make_tools,
    on_record,
    silent,
)


@pytest.fixture
def tools(tmp_path):
    return make_tools(tmp_path)


OTHER_RUN = "aaaaaaaa-0000-4000-8000-000000000000"


@pytest.fixture
def built(tools):
    """An image another run of the night has built."""
    return build_image(image_run(run_id=OTHER_RUN), tools, silent)


def test_a_good_image_of_the_same_revision_is_taken_over(tools, built):
    outcome = reuse_image(image_run(), tools)

    assert outcome == on_record(tools)
    assert (outcome.status, outcome.digest, outcome.reference) == ("reused", built.digest, built.reference)
    assert (outcome.run_id, outcome.built_by_run) == (RUN_ID, OTHER_RUN)
    assert outcome.tags == (MOVING_TAG, RUN_TAG)
    assert tools.registry.tags[RUN_TAG] == built.digest
    assert (outcome.artifacts, outcome.duration_s) == ({}, 0.0)


def test_an_image_that_was_reused_still_names_the_run_that_built_it(tools, built):
    reuse_image(image_run(run_id="bbbbbbbb-0000-4000-8000-000000000000"), tools)

    assert reuse_image(image_run(), tools).built_by_run == OTHER_RUN


def test_a_moving_tag_that_has_gone_on_is_neither_claimed_nor_moved_back(tools, built):
    newer = tools.registry.tags[MOVING_TAG] = tools.registry.add_image(layer=b"newer")
    outcome = reuse_image(image_run(), tools)

    assert outcome.tags == (RUN_TAG,)
    assert tools.registry.tags[MOVING_TAG] == newer


@pytest.mark.parametrize(
    "fields",
    [
        {"revision": revision("another")},
        {"revision": revision(dirty=True)},
        {"planned": planned_image(build_args={"ENGINE_KIND": "real", "ENGINE_VERSION": "0.1.0"})},
        {"planned": planned_image(build_args={"ENGINE_KIND": "mock", "ENGINE_VERSION": "0.2.0"})},
        {"planned": planned_image(arch="arm64", build_args=ENGINE)},
        {"planned": FRAMEWORK},
        {"date": "2026-11-21"},
    ],
    ids=["revision", "dirty", "engine", "version", "arch", "kind", "date"],
)
@pytest.mark.usefixtures("built")
def test_what_is_not_the_same_is_not_taken_over(tools, fields):
    assert reuse_image(image_run(**fields), tools) is None
    assert RUN_TAG not in tools.registry.tags


def test_an_image_that_is_gone_from_the_registry_is_not_taken_over(tools, built):
    del tools.registry.manifests[built.digest]

    assert reuse_image(image_run(), tools) is None


def test_a_failed_image_is_not_taken_over(tools):
    tools.builder.error = BuildError("no")
    build_image(image_run(run_id=OTHER_RUN), tools, silent)

    assert reuse_image(image_run(), tools) is None


@pytest.mark.usefixtures("built")
def test_a_registry_that_cannot_be_asked_is_not_taken_for_one_without_the_image(tools):
    tools.registry.failures["digest_of"] = RegistryUnavailable("503")

    with pytest.raises(RegistryUnavailable):
        reuse_image(image_run(), tools)
