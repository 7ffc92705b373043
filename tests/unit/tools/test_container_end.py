from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests
from docker.errors import APIError

from nightly_pipeline.model.requests import ContainerSpec
from nightly_pipeline.tools import container_end
from nightly_pipeline.tools.container_end import Ended, EndWatch

RUNNING = {"Running": True, "ExitCode": 0, "OOMKilled": False}
LOST = requests.exceptions.ConnectionError("Connection aborted")
STARTED, FINISHED = "2026-11-20T08:00:00.123456789Z", "2026-11-20T08:00:42.623456789Z"


def exited(code: int, **fields: Any) -> dict[str, Any]:
    return {
        "Running": False,
        "ExitCode": code,
        "OOMKilled": False,
        "StartedAt": STARTED,
        "FinishedAt": FINISHED,
    } | fields


class Daemon:
    """Answers waits and inspections from two scripts; the last inspection is repeated."""

    def __init__(self, *states: dict[str, Any] | Exception, waits: tuple[Exception | None, ...] = ()) -> None:
        self.states = list(states)
        self.waits = list(waits)
        self.stopped_with: int | None = None
        self.refuses_to_stop: Exception | None = None

    def wait(self, _container: str, *, timeout: float) -> None:
        answer = self.waits.pop(0) if self.waits else None
        if answer is not None:
            raise answer

    def inspect_container(self, _container: str) -> dict[str, Any]:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if isinstance(state, Exception):
            raise state
        return {"State": state}

    def stop(self, _container: str, *, timeout: int) -> None:
        self.stopped_with = timeout
        if self.refuses_to_stop is not None:
            raise self.refuses_to_stop


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch) -> None:
    monkeypatch.setattr(container_end.time, "sleep", lambda _seconds: None)


@pytest.fixture
def watch() -> Callable[..., tuple[Ended, list[str]]]:
    def run(daemon: Daemon, **changes: Any) -> tuple[Ended, list[str]]:
        fields: dict[str, Any] = {"deadline_s": 60.0, "memory_bytes": 2**20} | changes
        spec = ContainerSpec("i", (), run_id="r", step="s", platform="linux/amd64", **fields)
        lines: list[str] = []
        return EndWatch(daemon, "name", spec, lines.append).wait(), lines

    return run


def test_an_end_is_the_daemons_by_its_own_clock(watch):
    ended, _ = watch(Daemon(exited(3)))
    assert ended == Ended(exit_code=3, timed_out=False, out_of_memory=False, duration_s=42.5)


@pytest.mark.parametrize("finished", ["", "0001-01-01T00:00:00Z", "not a time"])
def test_a_clock_that_makes_no_sense_is_not_believed(watch, finished):
    ended, _ = watch(Daemon(exited(0, FinishedAt=finished)))
    assert 0 <= ended.duration_s < 60


def test_a_container_that_runs_on_is_looked_at_again(watch):
    ended, _ = watch(Daemon(RUNNING, RUNNING, exited(0)))
    assert ended.exit_code == 0


def test_at_the_deadline_it_is_stopped_with_the_grace(watch):
    daemon = Daemon(RUNNING, exited(143))
    ended, lines = watch(daemon, deadline_s=0.0, grace_s=2.5)
    assert (ended.exit_code, ended.timed_out) == (143, True)
    assert daemon.stopped_with == 3
    assert "TERM" in lines[0]


def test_an_end_at_the_last_moment_is_no_timeout(watch):
    daemon = Daemon(exited(0))
    ended, _ = watch(daemon, deadline_s=0.0)
    assert (ended.exit_code, ended.timed_out, daemon.stopped_with) == (0, False, None)


def test_a_container_that_resists_kill_has_no_exit_code(watch):
    daemon = Daemon(RUNNING)
    daemon.refuses_to_stop = APIError("tried to kill container, but did not receive an exit event")
    ended, lines = watch(daemon, deadline_s=0.0)
    assert (ended.exit_code, ended.timed_out) == (None, True)
    assert "could not be stopped" in lines[-1]


@pytest.mark.parametrize("looks", [1, 2, 8])
def test_news_of_memory_may_come_after_that_of_the_end(watch, looks):
    ended, _ = watch(Daemon(*[exited(137)] * looks, exited(137, OOMKilled=True)))
    assert ended.out_of_memory


def test_a_program_that_outlives_its_worker_is_asked_about_too(watch):
    ended, _ = watch(Daemon(exited(1), exited(1), exited(1, OOMKilled=True)))
    assert (ended.exit_code, ended.out_of_memory) == (1, True)


def test_without_a_memory_limit_nobody_is_asked_twice(watch):
    ended, _ = watch(Daemon(exited(137), exited(137, OOMKilled=True)), memory_bytes=None)
    assert not ended.out_of_memory


def test_a_kill_of_ours_is_not_taken_for_the_kernels(watch):
    ended, _ = watch(Daemon(RUNNING, exited(137), exited(137, OOMKilled=True)), deadline_s=0.0)
    assert ended.timed_out
    assert not ended.out_of_memory


@pytest.mark.parametrize("code", [137, 255])
def test_a_container_that_went_down_with_its_daemon_has_no_exit_code(watch, code):
    ended, lines = watch(Daemon(LOST, exited(code), waits=(LOST,)))
    assert (ended.exit_code, ended.out_of_memory) == (None, False)
    assert "lost" in lines[0]


@pytest.mark.parametrize("code", [0, 1, 143])
def test_a_container_that_outlived_a_lost_connection_keeps_its_exit_code(watch, code):
    ended, _ = watch(Daemon(LOST, RUNNING, exited(code), waits=(LOST, None, None)))
    assert ended.exit_code == code


def test_a_daemon_that_stays_away_is_given_up(watch, monkeypatch):
    monkeypatch.setattr(container_end, "_PATIENCE_S", 0.0)
    with pytest.raises(requests.exceptions.ConnectionError):
        watch(Daemon(LOST, waits=(LOST,)))
