from __future__ import annotations

import pytest

from nightly_pipeline.model.host import BuildNeed, GpuNeed, ImageNeed
from nightly_pipeline.model.selection import select
from nightly_pipeline.planning import make_plan
from nightly_pipeline.settings import Settings, load_settings
from nightly_pipeline.steps.doctor_needs import FREE_GIB_A_REAL_CELL, needs_of


@pytest.fixture
def settings(tmp_path):
    def load(profile: str, **environment: str) -> Settings:
        return load_settings(
            profile, environment={"NIGHTLY_HOME": str(tmp_path), **environment}, root=tmp_path
        )

    return load


def needs(settings: Settings, **selection: object):
    return needs_of(settings, make_plan(settings, select(settings.table, **selection)))


def test_the_local_profile_needs_both_platforms_both_registries_and_its_base(settings):
    found = needs(settings("local"))
    assert {need.platform for need in found.builds} == {"linux/amd64", "linux/arm64"}
    assert [registry.host for registry in found.registries] == ["localhost:5000", "localhost:5001"]
    assert found.base_image == ImageNeed(
        "localhost:5000/nightly-base:python-3.11-bookworm",
        insecure=True,
        platforms=("linux/amd64", "linux/arm64"),
    )
    assert {need.count for need in found.gpus} == {0}


def test_a_registry_is_asked_for_what_a_night_writes_there(settings, tmp_path):
    ecr, acr = needs(settings("production")).registries
    assert (ecr.kind, ecr.repositories, ecr.creates) == ("ecr", ("nightly", "nightly-cache"), False)
    assert (acr.kind, acr.repositories, acr.creates) == ("acr", ("nightly",), False)
    profile = tmp_path / "own.yaml"
    profile.write_text("extends: production\nregistries: {ecr: {create: {}, cache_repository: nightly}}\n")
    own = needs(settings(str(profile))).registries[0]
    assert (own.repositories, own.creates) == (("nightly",), True)


def test_a_part_of_the_night_needs_only_its_part(settings):
    found = needs(settings("local"), architectures=["amd64"])
    assert {need.platform for need in found.builds} == {"linux/amd64"}
    assert found.base_image.platforms == ("linux/amd64",)


def test_real_engines_need_gpus_and_far_more_space(settings):
    production = needs(settings("production"))
    assert GpuNeed("gpu-l40-amd64", None, 2) in production.gpus
    assert production.free_gib > 5 * needs(settings("local")).free_gib


def test_every_real_cell_built_here_needs_space_and_those_built_elsewhere_none(settings, tmp_path):
    real = settings("local-real")
    one = needs(real, frameworks=["vllm"], architectures=["amd64"]).free_gib
    assert needs(real, frameworks=["vllm"]).free_gib - one == pytest.approx(FREE_GIB_A_REAL_CELL)
    profile = tmp_path / "fleet.yaml"
    profile.write_text(
        "extends: local-real\ntable: {runners: {cpu-arm-r8g-4xlarge: {docker_host: 'ssh://arm.example'}}}\n"
    )
    assert needs(settings(str(profile)), frameworks=["vllm"]).free_gib == one


def test_a_base_image_from_elsewhere_is_not_ours_to_have_ready(settings):
    assert needs(settings("production")).base_image is None


def test_runners_on_daemons_of_their_own_are_told_apart(settings, tmp_path):
    profile = tmp_path / "fleet.yaml"
    profile.write_text(
        "extends: local\ntable: {runners: {cpu-arm-r8g-4xlarge: {docker_host: 'ssh://arm.example'}}}\n"
    )
    assert (
        BuildNeed("cpu-arm-r8g-4xlarge", "ssh://arm.example", "linux/arm64")
        in needs(settings(str(profile))).builds
    )


@pytest.mark.parametrize(
    ("environment", "place"),
    [
        ({}, None),
        ({"SLACK_WEBHOOK_URL": "https://hooks.example/x"}, "a webhook"),
        ({"SLACK_BOT_TOKEN": "xoxb-1", "NIGHTLY_SLACK_CHANNEL": "builds"}, "#builds"),
    ],
)
def test_where_the_message_goes_is_said_without_secrets(settings, environment, place):
    assert needs(settings("local", **environment)).slack == place


def test_a_local_source_is_relative_to_the_project(settings, tmp_path):
    assert needs(settings("local")).source == str(tmp_path.resolve())
    elsewhere = settings("local", NIGHTLY_SOURCE_REPOSITORY="https://example.org/project.git")
    assert needs(elsewhere).source == "https://example.org/project.git"
