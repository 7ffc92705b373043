"""Builds that do not turn out well: each leaves its outcome and its log, and moves no tag."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from nightly_pipeline.errors import (
    BuildError,
    BuildTimedOut,
    ContainerError,
    DiskFull,
    EnvironmentNotReady,
    RegistryForbidden,
    RegistryUnavailable,
)
from nightly_pipeline.model.metrics import BuildMetrics
from nightly_pipeline.model.outcomes import ImageOutcome, ImageStatus
from nightly_pipeline.steps.build import BuildTools, build_image
from tests.fakes.builder import METRICS
from tests.fakes.containers import FakeContainers
from tests.unit.steps.building import (
    FOLDER,
    MOVING_TAG,
    RUN_TAG,
    build,
    image_run,
    kept,
    make_tools,
    on_record,
    silent,
)


@pytest.fixture
def tools(tmp_path):
    return make_tools(tmp_path)


def assert_left_alone(tools: BuildTools, outcome: ImageOutcome) -> None:
    """The moving tag was not touched, and nobody downstream finds a digest."""
    assert MOVING_TAG not in tools.registry.tags
    assert (outcome.digest, outcome.reference, outcome.tags) == (None, None, ())
    assert tools.logins.in_use == 0


FAILED_BUILDS = [
    (BuildError("[runtime 4/9] RUN false: exit code 1", metrics=METRICS), "failed"),
    (BuildTimedOut("not built within 150 min", metrics=METRICS), "timed_out"),
    (DiskFull("no space left"), "failed"),
    (EnvironmentNotReady("the Docker daemon does not answer"), "failed"),
]


@pytest.mark.parametrize(("error", "status"), FAILED_BUILDS, ids=lambda value: type(value).__name__)
def test_a_build_that_fails_is_an_outcome_with_its_log(tools, error, status):
    tools.builder.error = error
    outcome = build(tools)

    assert (outcome.status, outcome.message) == (status, str(error))
    assert error.next_step in outcome.message
    assert "#2 DONE 0.1s" in kept(tools, "build.log")
    assert_left_alone(tools, outcome)


@pytest.mark.parametrize(("error", "status"), FAILED_BUILDS[:2], ids=lambda value: type(value).__name__)
def test_metrics_are_kept_of_failed_builds_too(tools, error, status):
    tools.builder.error = error
    outcome = build(tools)

    assert BuildMetrics.model_validate_json(kept(tools, "metrics.json")) == METRICS
    assert outcome.artifacts["metrics"] == f"{FOLDER}/metrics.json"


def test_a_build_without_metrics_has_none(tools):
    tools.builder.error = DiskFull("no space left")

    assert list(build(tools).artifacts) == ["log"]


@pytest.mark.parametrize("answer", [None, "sha256:" + "0" * 64])
def test_a_registry_that_answers_another_digest_than_was_pushed_is_not_believed(tools, answer):
    tools.registry.answers[RUN_TAG] = answer
    outcome = build(tools)

    assert outcome.status is ImageStatus.FAILED
    assert f"which answers {answer}" in outcome.message
    assert "metrics" in outcome.artifacts
    assert tools.containers.specs == []
    assert_left_alone(tools, outcome)


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ({"exit_code": 1}, "ended with exit code 1"),
        ({"exit_code": 139}, "ended with exit code 139"),
        ({"exit_code": None}, "was not seen to end"),
        ({"exit_code": 143, "timed_out": True}, "did not end in time"),
        ({"exit_code": 0, "timed_out": True}, "did not end in time"),
        ({"exit_code": 0, "out_of_memory": True}, "ran out of memory"),
    ],
)
def test_only_a_sanity_check_that_was_seen_to_pass_passes(tools, end, said):
    outcome = build(replace(tools, containers=FakeContainers(output=("no such module",), **end)))

    assert outcome.status is ImageStatus.FAILED
    assert outcome.message.startswith(f"the sanity check of vllm/amd64/runtime_image {said}: no such module")
    assert "metrics" in outcome.artifacts
    assert_left_alone(tools, outcome)


CHECKS = {"checks": [
    {"name": "user", "ok": True, "detail": "1000"},
    {"name": "engine", "ok": False, "detail": "0.31.0, the label says 0.32.0"},
    {"name": "suite", "ok": False, "detail": "not there"},
]}  # fmt: skip


@pytest.mark.parametrize(
    ("output", "complaint"),
    [
        (
            tuple(json.dumps(CHECKS, indent=1).splitlines()),
            "engine: 0.31.0, the label says 0.32.0; suite: not there",
        ),
        (("Traceback", "ValueError: no"), "ValueError: no"),
        ((), "it said nothing"),
        (("[]",), "[]"),
        (("null",), "null"),
        (('{"checks": [1]}',), '{"checks": [1]}'),
        (('{"checks": []}',), '{"checks": []}'),
    ],
)
def test_a_sanity_check_that_fails_is_quoted(tools, output, complaint):
    outcome = build(replace(tools, containers=FakeContainers(exit_code=1, output=output)))

    assert outcome.message.splitlines()[0].endswith(f"ended with exit code 1: {complaint}")
    assert set(output) <= set(kept(tools, "build.log").splitlines())


def test_a_sanity_check_that_cannot_be_started_fails_the_image(tools):
    outcome = build(
        replace(tools, containers=FakeContainers(error=ContainerError("no python3 in the image")))
    )

    assert (outcome.status, outcome.message.splitlines()[0]) == ("failed", "no python3 in the image")
    assert_left_alone(tools, outcome)


@pytest.mark.parametrize("verb", ["digest_of", "manifest", "put_tag"])
@pytest.mark.parametrize(
    "error", [RegistryUnavailable("503"), RegistryForbidden("401")], ids=["down", "refused"]
)
def test_a_registry_that_fails_after_the_push_leaves_the_moving_tag(tools, verb, error):
    tools.builder.after_push = lambda: tools.registry.failures.update({verb: error})
    outcome = build(tools)

    assert (outcome.status, outcome.message) == ("failed", str(error))
    assert "metrics" in outcome.artifacts
    assert_left_alone(tools, outcome)


def test_a_registry_that_fails_before_is_not_pushed_to(tools):
    tools.registry.failures["*"] = RegistryUnavailable("503")
    outcome = build(tools)

    assert (outcome.status, outcome.message) == ("failed", str(RegistryUnavailable("503")))
    assert tools.builder.requests == []


def test_the_moving_tag_stays_with_the_image_it_had(tools):
    before = tools.registry.tags[MOVING_TAG] = tools.registry.add_image(layer=b"yesterday's")
    build(replace(tools, containers=FakeContainers(exit_code=1)))

    assert tools.registry.tags[MOVING_TAG] == before


class Interrupted(BaseException):
    """As an orchestrator ends a step: no Exception."""


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit, Interrupted])
@pytest.mark.parametrize("where", ["builder", "containers"])
def test_an_interrupt_passes_through_and_leaves_a_cancelled_outcome(tools, interrupt, where):
    getattr(tools, where).error = interrupt()

    with pytest.raises(interrupt):
        build_image(image_run(), tools, silent)

    outcome = on_record(tools)
    assert (outcome.status, outcome.message) == (ImageStatus.CANCELLED, "interrupted")
    assert "#2 DONE 0.1s" in kept(tools, "build.log")
    assert ("metrics" in outcome.artifacts) == (where == "containers")
    assert_left_alone(tools, outcome)


def test_a_defect_of_ours_passes_through_and_is_not_called_an_interrupt(tools):
    tools.builder.error = ValueError("unexpected")

    with pytest.raises(ValueError, match="unexpected"):
        build_image(image_run(), tools, silent)

    outcome = on_record(tools)
    assert (outcome.status, outcome.message) == (ImageStatus.FAILED, "ValueError: unexpected")
    assert_left_alone(tools, outcome)


@pytest.mark.parametrize("name", ["build.log", "metrics.json"])
def test_an_artifact_that_cannot_be_kept_does_not_take_the_outcome_along(tools, name):
    tools.records.store.refusals[name] = DiskFull("no space left")
    outcome = build(tools)

    assert outcome.status is ImageStatus.BUILT
    assert f"{FOLDER}/{name}" not in outcome.artifacts.values()
    assert len(outcome.artifacts) == 1


def test_an_outcome_that_cannot_be_written_is_an_error(tools):
    tools.records.store.refusals["outcome.json"] = DiskFull("no space left")

    with pytest.raises(DiskFull):
        build_image(image_run(), tools, silent)


def test_a_log_that_cannot_be_begun_is_an_outcome(tools, tmp_path):
    (tmp_path / "workspace").write_text("a file where a folder should be")
    outcome = build(tools)

    assert outcome.status is ImageStatus.FAILED
    assert "build.log cannot be written" in outcome.message
    assert tools.builder.requests == []
