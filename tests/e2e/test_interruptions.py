"""A night that is interrupted or killed: what was started is ended, and nobody calls it green."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import docker
import pytest
from docker.models.containers import Container

from tests.e2e.conftest import A_TEST_S, NIGHTLY, PATIENCE_S, ROOT, SmallNight, make_night

pytestmark = [pytest.mark.e2e, pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(A_TEST_S)]

AMD64_ONLY = {"architectures": {"arm64": None}, "frameworks": {"vllm": {"overrides": None}}}
SLOW_TEST = '''
"""Put in to be interrupted."""

import time

import pytest


@pytest.mark.vllm
@pytest.mark.unit
@pytest.mark.gpu_0
@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_that_takes_its_time():
    time.sleep(3000)
'''


@pytest.fixture(scope="module")
def night(place: Path) -> SmallNight:
    small = make_night(place, ("vllm",), AMD64_ONLY)
    slow = small.source / "docker" / "suite" / "unit" / "test_slow_on_purpose.py"
    slow.write_text(SLOW_TEST)
    return small


@pytest.fixture
def process(night: SmallNight) -> Iterator[subprocess.Popen[str]]:
    """A night under way; ended with the test, whatever becomes of that."""
    argv = [str(NIGHTLY), "run", "--profile", str(night.profile), "--plain", "--stage", "unit"]
    with subprocess.Popen(
        argv, cwd=ROOT, env=night.environment(), stdout=subprocess.PIPE, text=True
    ) as started:
        try:
            yield started
        finally:
            started.terminate()


@contextmanager
def containers(night: SmallNight) -> Iterator[list[Container]]:
    """The containers of a place, running or not."""
    owner = (night.home / "installation-id").read_text().strip()
    client = docker.from_env(timeout=PATIENCE_S)
    try:
        # `sparse`: without it every container is looked at once more, and one may be gone by then.
        yield client.containers.list(all=True, sparse=True, filters={"label": f"io.nightly.owner={owner}"})
    finally:
        client.close()


def step_of(container: Container) -> str:
    return container.attrs["Labels"]["io.nightly.step"]


def containers_of(night: SmallNight) -> list[str]:
    with containers(night) as found:
        return [step_of(container) for container in found]


def wait_for(what: str, is_so: Callable[[], bool], deadline_s: float = PATIENCE_S) -> None:
    end = time.monotonic() + deadline_s
    while not is_so():
        assert time.monotonic() < end, f"{what} did not happen within {deadline_s} s"
        time.sleep(0.3)


def is_testing(night: SmallNight) -> bool:
    return (night.home / "installation-id").exists() and "vllm/amd64/unit_tests" in containers_of(night)


def test_ctrl_c_ends_the_containers_and_leaves_a_cancelled_stage(
    night: SmallNight, process: subprocess.Popen[str]
) -> None:
    wait_for("the stage's container", lambda: is_testing(night))
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130, output
    assert containers_of(night) == []
    report = night.report()
    (stage,) = report["stages"]
    assert stage["status"] == "cancelled"
    assert report["status"] == "incomplete"
    assert {image["status"] for image in report["images"]} == {"built"}
    with night.instance() as instance:
        assert instance.get_run_by_id(report["run_id"]).status is dg.DagsterRunStatus.CANCELED


def test_a_killed_run_is_marked_and_its_container_removed_when_the_next_starts(
    night: SmallNight, process: subprocess.Popen[str]
) -> None:
    wait_for("the stage's container", lambda: is_testing(night))
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=PATIENCE_S)
    killed = night.report()
    assert killed["status"] != "green"
    assert {stage["status"] for stage in killed["stages"]} <= {"not_run", "infra_error", "cancelled"}

    night.nightly("run", "--images-only")

    assert containers_of(night) == []
    with night.instance() as instance:
        assert instance.get_run_by_id(killed["run_id"]).status is dg.DagsterRunStatus.FAILURE
