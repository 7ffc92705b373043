from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import docker
import pytest

from nightly_pipeline.errors import ContainerError, EnvironmentNotReady
from nightly_pipeline.tools.container_end import Ended, EndWatch
from nightly_pipeline.tools.reaper import reap
from tests.fakes.docker_proxy import DockerProxy
from tests.integration.containers_support import READY, Bench, containers_of, python, until

pytestmark = [pytest.mark.integration, pytest.mark.docker]

RUN_SLEEPING = "runner.run(spec('sleep', '300', deadline_s=300.0), workspace=workspace, log=print)"
RAISE_ON_TERM = "import signal\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit('terminated'))\n"


@pytest.fixture
def client() -> Iterator[docker.APIClient]:
    client = docker.from_env()
    yield client.api
    client.close()


def running(client: docker.APIClient, owner: str) -> bool:
    return any(client.inspect_container(found)["State"]["Running"] for found in containers_of(owner))


@pytest.fixture
def elsewhere(bench, client) -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    """Runs code in another process until its container runs."""
    started: list[subprocess.Popen[bytes]] = []

    def start(code: str) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen(bench.started_elsewhere(code), stderr=subprocess.DEVNULL))
        until(lambda: running(client, bench.owner))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("prelude", "number"), [("", signal.SIGINT), (RAISE_ON_TERM, signal.SIGTERM)], ids=["SIGINT", "SIGTERM"]
)
def test_an_interrupt_removes_the_container(bench, elsewhere, prelude, number):
    process = elsewhere(prelude + RUN_SLEEPING)
    process.send_signal(number)
    assert process.wait(timeout=500) != 0
    assert bench.left_behind() == []


def test_interrupts_in_a_row_do_not_stop_the_removal(bench, elsewhere):
    process = elsewhere(RUN_SLEEPING)
    for _ in range(5):
        process.send_signal(signal.SIGINT)
        time.sleep(0.02)
    assert process.wait(timeout=500) != 0
    assert bench.left_behind() == []


def test_after_a_kill_the_container_is_left_and_reaped_when_its_run_is_over(bench, elsewhere, client):
    process = elsewhere(RUN_SLEEPING)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert len(bench.left_behind()) == 1
    assert reap(client, bench.owner, now=time.time(), active_runs={"0f1e2d3c4b5a"}) == []
    (reaped,) = reap(client, bench.owner, now=time.time(), active_runs=lambda: ())
    assert (reaped.run_id, reaped.step, reaped.why) == (
        "0f1e2d3c4b5a",
        "vllm/amd64/unit_tests",
        "its run is over",
    )
    assert bench.left_behind() == []


def test_after_a_kill_the_container_is_reaped_when_its_deadline_has_passed(bench, elsewhere, client):
    process = elsewhere(RUN_SLEEPING)
    process.kill()
    process.wait()
    running_out = time.time() + 300 + 2 + 3600
    (reaped,) = reap(client, bench.owner, now=running_out, active_runs={"0f1e2d3c4b5a"})
    assert reaped.why == "its deadline has passed"


def test_a_reaper_never_touches_anybody_elses(bench, elsewhere, client):
    elsewhere(RUN_SLEEPING)
    assert reap(client, "somebody else", now=time.time() + 10**6, active_runs=()) == []
    assert len(bench.left_behind()) == 1
    reap(client, bench.owner, now=time.time(), active_runs=())


def test_a_container_that_somebody_removes_never_looks_good(bench, client):
    remover = threading.Thread(target=lambda: _remove_when_running(client, bench))
    remover.start()
    with contextlib.suppress(ContainerError):  # or its end was seen before it was gone
        assert bench.run("sleep", "250").exit_code != 0
    remover.join()


def _remove_when_running(client: docker.APIClient, bench: Bench) -> None:
    until(lambda: running(client, bench.owner))
    for container in bench.left_behind():
        client.remove_container(container, force=True)


def test_a_remote_daemon_works_the_same(bench):
    with DockerProxy() as proxy:
        code = "cat /in/file; echo two >&2; echo out > /results/file"
        result = bench.run(
            "sh", "-c", code, docker_host=proxy.address, inject={"/in/file": b"one\n"}, collect="/results"
        )
    assert result.exit_code == 0
    assert sorted(bench.output) == ["one", "two"]
    assert (result.collected / "file").read_text() == "out\n"


@pytest.fixture
def while_it_runs(bench, monkeypatch) -> Callable[[Callable[[], None]], None]:
    """Has something done when a container is watched and has said READY."""
    wait = EndWatch.wait

    def arrange(do: Callable[[], None]) -> None:
        def wait_and_do(watch: EndWatch) -> Ended:
            with ThreadPoolExecutor(1) as elsewhere:
                done = elsewhere.submit(lambda: (until(lambda: READY in bench.lines), do()))
                try:
                    return wait(watch)
                finally:
                    done.result()

        monkeypatch.setattr(EndWatch, "wait", wait_and_do)

    return arrange


SLEEPS = ("sh", "-c", f"echo {READY}; exec sleep 100")
PRINTS_AND_WAITS = f"""
import signal, threading
go_on = threading.Event()
signal.signal(signal.SIGUSR1, lambda *_: go_on.set())
for number in range(30): print(number)
print("{READY}")
go_on.wait()
for number in range(30, 60): print(number)
"""


def test_a_connection_that_breaks_loses_neither_the_end_nor_the_output(bench, client, while_it_runs):
    def break_and_go_on() -> None:
        proxy.break_connections()
        until(lambda: "going on from the daemon's log" in bench.notes)
        client.kill(*bench.left_behind(), signal="SIGUSR1")

    with DockerProxy() as proxy:
        while_it_runs(break_and_go_on)
        result = bench.run(*python(PRINTS_AND_WAITS), docker_host=proxy.address, collect="/results")
    assert (result.exit_code, result.timed_out) == (0, False)
    numbers = [str(number) for number in range(60)]
    assert bench.output == [*numbers[:30], READY, *numbers[30:]]


def test_a_connection_that_breaks_before_the_deadline_does_not_cost_the_deadline(bench, while_it_runs):
    with DockerProxy() as proxy:
        while_it_runs(proxy.break_connections)
        result = bench.run(*SLEEPS, docker_host=proxy.address, deadline_s=6.0, grace_s=1.0)
    assert result.timed_out
    assert result.duration_s >= 6.0


def test_a_daemon_that_is_gone_for_good_is_the_environments_fault(bench, client, monkeypatch, while_it_runs):
    for part in ("end", "follow"):
        monkeypatch.setattr(f"nightly_pipeline.tools.container_{part}._PATIENCE_S", 2.0)
    with DockerProxy() as proxy:
        while_it_runs(proxy.close)
        with pytest.raises(EnvironmentNotReady, match="does not answer"):
            bench.run(*SLEEPS, docker_host=proxy.address)
    assert "could not be removed" in bench.notes
    (reaped,) = reap(client, bench.owner, now=time.time(), active_runs=())
    assert reaped.removed
