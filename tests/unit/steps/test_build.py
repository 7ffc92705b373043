"""Building an image that turns out well: what is asked for, pushed, checked, tagged and written down."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from nightly_pipeline.errors import BuildError
from nightly_pipeline.model.metrics import BuildMetrics
from nightly_pipeline.model.outcomes import EngineFacts, ImageStatus
from nightly_pipeline.steps.build import build_image
from tests.factories import DATE, RUN_ID, planned_image
from tests.fakes.builder import METRICS
from tests.fakes.source import revision
from tests.unit.steps.building import (
    ENGINE,
    FOLDER,
    FRAMEWORK,
    MOVING_TAG,
    RUN_TAG,
    build,
    image_run,
    kept,
    make_tools,
    silent,
)

OTHER_RUN = "aaaaaaaa-0000-4000-8000-000000000000"


@pytest.fixture
def tools(tmp_path):
    return make_tools(tmp_path)


def test_a_good_build_is_pushed_checked_tagged_and_recorded(tools):
    outcome = build(tools)

    assert outcome.status is ImageStatus.BUILT
    assert outcome.digest == tools.registry.tags[RUN_TAG] == tools.registry.tags[MOVING_TAG]
    assert outcome.reference == f"localhost:5000/nightly@{outcome.digest}"
    assert outcome.tags == (MOVING_TAG, RUN_TAG)
    assert (outcome.source_revision, outcome.runner) == (revision().commit, "cpu-amd-m5-4xlarge")
    assert outcome.engine == EngineFacts(kind="mock", name="vllm", version="0.1.0")
    assert outcome.started_at.tzinfo is not None
    assert outcome.duration_s >= 0


def test_log_and_metrics_are_kept(tools):
    outcome = build(tools)

    assert outcome.artifacts == {"log": f"{FOLDER}/build.log", "metrics": f"{FOLDER}/metrics.json"}
    assert kept(tools, "build.log").splitlines() == [
        "#1 [internal] load build definition",
        "#2 DONE 0.1s",
        f"sanity check of {outcome.reference}",
        '{"checks": []}',
    ]
    metrics = BuildMetrics.model_validate_json(kept(tools, "metrics.json"))
    assert metrics.image_bytes == outcome.size_bytes
    assert (
        metrics.pushed_bytes > outcome.size_bytes
    )  # nothing was there before, so its attestation counts too
    assert metrics == METRICS.model_copy(
        update={"image_bytes": metrics.image_bytes, "pushed_bytes": metrics.pushed_bytes}
    )


def test_only_blobs_that_are_new_count_as_pushed(tools):
    build(tools)
    build(tools)
    metrics = BuildMetrics.model_validate_json(kept(tools, "metrics.json"))
    assert metrics.image_bytes > 0
    assert metrics.pushed_bytes == 0


def test_lines_are_shown_as_they_come(tools):
    shown: list[str] = []

    build_image(image_run(), tools, shown.append)

    assert shown == kept(tools, "build.log").splitlines()


def test_what_buildx_is_asked_to_do(tools):
    build(tools)
    [request] = tools.builder.requests

    assert request.push_reference == f"localhost:5000/nightly:{RUN_TAG}"
    assert (request.target, request.platform, request.deadline_s) == ("runtime", "linux/amd64", 9000.0)
    assert request.dockerfile == Path("/sources/tree/docker/vllm/Dockerfile")
    assert request.context == Path("/sources/tree/docker")
    assert request.build_args == ENGINE
    assert request.cache_to == "localhost:5000/nightly-cache:vllm-runtime-amd64"
    assert request.cache_from == (
        "localhost:5000/nightly-cache:vllm-runtime-amd64",
        "localhost:5000/nightly-cache:vllm-framework-amd64",
    )
    assert request.secrets == {"ca": Path("/etc/ca.pem")}
    assert request.docker_config == Path("/logins")


def test_an_image_says_where_it_comes_from(tools):
    outcome = build(tools, revision=revision("work", dirty=True))
    labels = tools.registry.config_of(outcome.digest)["config"]["Labels"]

    assert labels["org.opencontainers.image.revision"] == revision("work", dirty=True).label
    assert "-dirty." in labels["org.opencontainers.image.revision"]
    assert labels["org.opencontainers.image.source"] == "https://example.org/team/project.git"
    assert labels["org.opencontainers.image.created"].endswith("+00:00")
    assert (labels["io.nightly.run-id"], labels["io.nightly.date"]) == (RUN_ID, DATE)
    assert labels["io.nightly.image"] == "runtime"


def test_bases_are_pinned_and_named_in_the_label(tools):
    arguments = {**ENGINE, "RUNTIME_IMAGE": "base", "RUNTIME_IMAGE_TAG": "1"}
    planned = planned_image(build_args=arguments)

    outcome = build(tools, planned, bases={"base:1": "sha256:" + "ab" * 32})

    [request] = tools.builder.requests
    assert request.build_args["RUNTIME_IMAGE_TAG"] == "1@sha256:" + "ab" * 32
    labels = tools.registry.config_of(outcome.digest)["config"]["Labels"]
    assert labels["org.opencontainers.image.base.digest"] == "sha256:" + "ab" * 32


def test_without_a_cache_nothing_is_said_of_one(tools):
    build(replace(tools, cache_repository=None))
    [request] = tools.builder.requests

    assert (request.cache_from, request.cache_to) == ((), None)


def test_a_framework_image_is_not_started_and_has_tags_of_its_own(tools):
    outcome = build(tools, FRAMEWORK)

    assert outcome.tags == ("main-vllm-framework-amd64", "main-vllm-framework-amd64-run-1f3a9c02")
    assert tools.containers.specs == []
    [request] = tools.builder.requests
    assert request.cache_from == ("localhost:5000/nightly-cache:vllm-framework-amd64",)


def test_the_sanity_check_runs_the_images_own_script_by_digest(tools):
    outcome = build(tools)
    [spec] = tools.containers.specs

    assert spec.image == outcome.reference
    assert (*spec.entrypoint, *spec.command) == ("python3", "/opt/nightly/sanity.py")
    assert (spec.run_id, spec.step, spec.platform) == (RUN_ID, "vllm/amd64/runtime_image", "linux/amd64")
    assert spec.deadline_s == 120
    assert (spec.environment, spec.gpus, spec.inject, spec.collect) == ({}, 0, {}, None)
    assert spec.docker_config == tools.logins.folder


def test_everything_of_an_image_happens_on_its_runners_daemon(tools):
    build(tools, planned_image(build_args=ENGINE, docker_host="ssh://arm.example.org"))
    [request], [spec] = tools.builder.requests, tools.containers.specs

    assert (request.docker_host, spec.docker_host) == ("ssh://arm.example.org", "ssh://arm.example.org")


def test_a_past_night_does_not_take_the_moving_tag_from_a_newer_one(tools):
    newer = build_image(image_run(date="2026-11-21", run_id=OTHER_RUN), tools, silent)
    past = build(tools)

    assert (past.status, past.tags) == (ImageStatus.BUILT, (RUN_TAG,))
    assert tools.registry.tags[MOVING_TAG] == newer.digest != past.digest
    assert f"{MOVING_TAG} stays with the night of 2026-11-21" in kept(tools, "build.log")


def test_a_newer_night_that_failed_leaves_the_moving_tag_to_the_past_one(tools):
    tools.builder.error = BuildError("no")
    build_image(image_run(date="2026-11-21", run_id=OTHER_RUN), tools, silent)
    tools.builder.error = None

    assert build(tools).tags == (MOVING_TAG, RUN_TAG)


def test_a_newer_night_takes_the_moving_tag_over(tools):
    build(tools)
    newer = build_image(image_run(date="2026-11-21", run_id=OTHER_RUN), tools, silent)

    assert tools.registry.tags[MOVING_TAG] == newer.digest


def test_every_login_is_handed_back(tools):
    build(tools)

    assert (tools.logins.given, tools.logins.in_use) == (2, 0)


@pytest.mark.parametrize("attested", [True, False])
def test_the_size_is_that_of_config_and_layers(tools, attested):
    tools.builder.attested = attested
    outcome = build(tools)
    document = tools.registry.document(outcome.digest)
    if attested:
        document = tools.registry.document(document["manifests"][0]["digest"])

    assert outcome.size_bytes == document["config"]["size"] + len("layers of runtime")
