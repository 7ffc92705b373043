from __future__ import annotations

import json
import struct
from collections.abc import Iterator

import pytest
import requests
from docker.errors import NotFound

from nightly_pipeline.tools import container_follow
from nightly_pipeline.tools.container_follow import LogFollower
from nightly_pipeline.tools.container_logs import GuardedSink, LogLimits

LOST = requests.exceptions.ConnectionError("the connection broke")
RUNNING, ENDED = {"State": {"Running": True}}, {"State": {"Running": False}}


class Streams:
    """A connection that delivers two lines and then ends, or breaks."""

    def __init__(self, end: bytes | Exception) -> None:
        content = b"one\ntwo\n"
        self.answers: list[bytes | Exception] = [struct.pack(">BxxxL", 1, len(content)) + content, end]

    def recv(self, _size: int) -> bytes:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        """Nothing is open."""


class Daemon:
    """Answers to one container's follower, in this order; `log` is all that the container has written."""

    def __init__(self, streams: Streams, *answers: object, log: bytes = b"one\ntwo\nthree\n") -> None:
        self.streams, self.answers, self.log = streams, list(answers), log

    def attach_socket(self, _container: str, **_: object) -> Streams:
        return self.streams

    def inspect_container(self, _container: str) -> object:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def logs(self, _container: str, **_: object) -> Iterator[bytes]:
        yield from (self.log[:5], self.log[5:])


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch) -> None:
    monkeypatch.setattr(container_follow.time, "sleep", lambda _seconds: None)
    monkeypatch.setattr(
        container_follow.docker.utils.socket, "read", lambda streams, size: streams.recv(size)
    )


def followed(daemon: Daemon) -> tuple[list[str], str]:
    """The output, and what is said about it."""
    lines: list[str] = []
    follower = LogFollower(daemon, "container", GuardedSink(lines.append), LogLimits())
    follower.attach()
    follower.finish(300)
    assert not follower._thread.is_alive()
    notes = [line for line in lines if line.startswith("[nightly]")]
    return [line for line in lines if line not in notes], json.dumps(notes)


def test_the_end_of_the_streams_is_the_end_when_the_container_has_ended():
    assert followed(Daemon(Streams(b""), ENDED)) == (["one", "two"], "[]")


def test_streams_that_end_while_the_container_runs_are_gone_on_with_from_its_log():
    output, notes = followed(Daemon(Streams(b""), RUNNING))
    assert output == ["one", "two", "three"]
    assert "going on from the daemon's log" in notes


def test_streams_that_break_are_gone_on_with_though_the_container_ended_meanwhile():
    output, _ = followed(Daemon(Streams(ConnectionResetError()), ENDED))
    assert output == ["one", "two", "three"]


def test_a_daemon_that_does_not_answer_at_once_is_asked_again():
    output, notes = followed(Daemon(Streams(b""), LOST, LOST, RUNNING))
    assert output == ["one", "two", "three"]
    assert "missing" not in notes


def test_a_daemon_that_stays_away_leaves_a_note(monkeypatch):
    monkeypatch.setattr(container_follow, "_PATIENCE_S", -1.0)
    output, notes = followed(Daemon(Streams(b""), LOST))
    assert output == ["one", "two"]
    assert "output is missing here" in notes


def test_a_container_that_is_gone_has_no_log_to_read():
    assert followed(Daemon(Streams(b""), NotFound("no such container"))) == (["one", "two"], "[]")
