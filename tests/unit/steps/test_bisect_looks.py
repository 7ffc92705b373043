from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace

import pytest
from pydantic import SecretStr

from nightly_pipeline.errors import (
    BuildError,
    BuildLoginRefused,
    ContainerError,
    DiskFull,
    EnvironmentNotReady,
    NightlyError,
    NoGpu,
    RegistryUnavailable,
)
from nightly_pipeline.model.absence import NOT_THERE
from nightly_pipeline.model.bisect import Finding
from nightly_pipeline.model.history import TestIdentity
from nightly_pipeline.model.judgement import Commit
from nightly_pipeline.model.signature import signature_of
from nightly_pipeline.steps.bisect_looks import Looks
from tests.factories import DATE, image
from tests.fakes.containers import FakeContainers
from tests.fakes.history import MemoryHistory
from tests.fakes.source import revision
from tests.unit.model.evidence_streams import collected, finish, passing, ran, session
from tests.unit.steps import building, staging

TEST = TestIdentity(framework="vllm", arch="amd64", stage="unit", node_id="tests/test_it.py::test_one")
COMMIT = Commit(revision="c0ffee" * 6 + "c0ff", author="Ada", subject="Break it")
SKIPPED = staging.lines(session(), *collected("test_one"), *ran("test_one", "skipped"), finish(0))
BAD = staging.lines(
    session(), *collected("test_one"), *ran("test_one", "failed", message="boom\nmore"), finish(1)
)
GOOD = staging.lines(*passing())
FLAKY = staging.lines(
    session(), *collected("test_one"), *ran("test_one", "rerun"), *ran("test_one", attempt=2), finish(0)
)


@pytest.fixture
def world(tmp_path):
    """Looks of a search over one night whose image is in the registry."""
    stages, builds = staging.make_tools(tmp_path), building.make_tools(tmp_path)
    stages = replace(stages, registry=builds.registry)
    digest = builds.registry.add_image("linux/amd64", labels={"io.nightly.engine": "mock"})

    @contextmanager
    def workspace(name, key):
        folder = tmp_path / name / "-".join(key)
        folder.mkdir(parents=True)
        yield folder

    return Looks(
        test=TEST,
        stage=staging.UNIT,
        image=building.RUNTIME,
        images={DATE: image(digest=digest, source_revision="c0ffee")},
        bases={},
        checkout=lambda _commit: (revision("head"), tmp_path),
        stage_tools=lambda folder: replace(stages, workspace=folder),
        build_tools=lambda folder: replace(builds, workspace=folder),
        workspace=workspace,
        history=MemoryHistory(),
        log=lambda _line: None,
        name="abc123",
    )


def leaving(world, files, **end):
    """The same world, whose containers leave these files."""
    containers = FakeContainers(files=files, **end)
    tools = world.stage_tools
    return replace(
        world, stage_tools=lambda folder: replace(tools(folder), containers=containers)
    ), containers


@pytest.mark.parametrize(
    ("files", "finding", "line"),
    [
        (GOOD, Finding.GOOD, ""),
        (BAD, Finding.BAD, "boom"),
        (SKIPPED, Finding.UNCLEAR, "the test was skipped"),
        (FLAKY, Finding.UNCLEAR, "the test failed, and passed when it was repeated: a flake"),
        (None, Finding.UNCLEAR, "the test did not run"),
    ],
)
def test_a_nights_image_is_asked_by_running_the_one_test(world, files, finding, line):
    world, containers = leaving(world, files, exit_code=1 if files is BAD else 0)
    look = world.at_night(DATE)
    assert look.finding is finding
    assert line in look.line
    assert not look.built
    assert staging.asked_for(containers.specs[0]) == [TEST.node_id]
    assert containers.specs[0].image.endswith(world.images[DATE].digest)


def test_a_look_is_of_its_search_and_what_it_finds_of_the_run_that_built_the_image(world):
    """A container of a run that is over is a leftover, and removed when the next night begins."""
    world, containers = leaving(world, GOOD)
    world.at_night(DATE)
    assert containers.specs[0].run_id == "bisect-abc123"
    [rows] = world.history.parts.values()
    assert {row.run_id for row in rows} == {world.images[DATE].run_id}


def test_an_image_from_before_the_test_cannot_tell_and_says_so(world):
    nothing = staging.lines(session(), *collected(), finish(5))
    world, _ = leaving(world, nothing, exit_code=5)
    look = world.at_night(DATE)
    assert (look.finding, look.line) == (Finding.UNCLEAR, f"the test did not run: {NOT_THERE}")
    assert world.history.parts == {}


def test_what_was_seen_is_remembered_as_a_search(world):
    world, _ = leaving(world, BAD, exit_code=1)
    world.at_night(DATE)
    ((row,),) = world.history.parts.values()
    assert (row.source, row.node_id, row.source_revision) == ("bisect", TEST.node_id, "c0ffee")


def test_an_image_that_is_gone_cannot_tell_and_nothing_runs(world):
    world, containers = leaving(world, GOOD)
    world = replace(world, images={DATE: image(digest="sha256:" + "0" * 64)})
    look = world.at_night(DATE)
    assert (look.finding, look.line) == (Finding.UNCLEAR, "its image is not in the registry any more")
    assert look.gone
    assert containers.specs == []


def test_a_registry_that_cannot_be_asked_is_not_an_image_that_is_gone(world):
    world.stage_tools(None).registry.failures["digest_of"] = RegistryUnavailable("no answer")
    with pytest.raises(RegistryUnavailable):
        world.at_night(DATE)


@pytest.mark.parametrize("error", [NoGpu("no GPU"), EnvironmentNotReady("no daemon, token=hunter2")])
def test_a_machine_that_cannot_run_anything_says_nothing_of_the_image(world, error):
    """Or every image of the row would be one that cannot tell."""
    world, _ = leaving(world, GOOD, error=error)
    secret = {"HF_TOKEN": SecretStr("hunter2")}
    tools = world.stage_tools
    world = replace(world, stage_tools=lambda folder: replace(tools(folder), environment=secret))
    with pytest.raises(NightlyError, match=r"no (GPU|daemon)") as raised:
        world.at_night(DATE)
    assert "hunter2" not in str(raised.value)


def test_an_image_that_cannot_be_pulled_cannot_tell_and_others_are_asked(world):
    world, _ = leaving(world, GOOD, error=ContainerError("a layer is gone"))
    look = world.at_night(DATE)
    assert (look.finding, look.gone) == (Finding.UNCLEAR, False)
    assert "a layer is gone" in look.line


def test_it_is_good_when_every_run_is_good(world):
    world, containers = leaving(replace(world, repeat=3), GOOD)
    assert world.at_night(DATE).finding is Finding.GOOD
    assert len(containers.specs) == 3


def test_it_is_bad_at_the_first_bad_run(world):
    world, containers = leaving(replace(world, repeat=3), BAD, exit_code=1)
    assert world.at_night(DATE).finding is Finding.BAD
    assert len(containers.specs) == 1


def test_a_commit_is_built_under_a_tag_of_the_search_and_moves_no_other(world):
    world, _ = leaving(world, GOOD)
    registry = world.build_tools(None).registry
    look = world.at_commit(COMMIT)
    assert (look.finding, look.built, look.name) == (Finding.GOOD, True, COMMIT.revision)
    assert set(registry.tags) == {f"bisect-vllm-amd64-abc123-{COMMIT.revision[:12]}"}
    assert look.digest == registry.tags[f"bisect-vllm-amd64-abc123-{COMMIT.revision[:12]}"]


def test_a_commit_that_does_not_build_cannot_tell(world):
    world.build_tools(None).builder.error = BuildError("step 3 failed\nlong log")
    look = world.at_commit(COMMIT)
    assert (look.finding, look.built) == (Finding.UNCLEAR, True)
    assert look.line == "its image does not build: step 3 failed"


@pytest.mark.parametrize("error", [BuildLoginRefused("401"), DiskFull("full"), RegistryUnavailable("502")])
def test_a_machine_that_cannot_build_says_nothing_of_the_commit(world, error):
    world.build_tools(None).builder.error = error
    with pytest.raises(type(error)):
        world.at_commit(COMMIT)


def test_an_error_is_kept_with_its_signature(world):
    world, _ = leaving(world, BAD, exit_code=1)
    assert world.at_night(DATE).signature == signature_of("boom\nmore")
