"""Waiting for a container's end: its own, or the one its deadline brings."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import docker
from docker.errors import APIError

from nightly_pipeline.model.requests import ContainerSpec
from nightly_pipeline.tools.container_daemon import UNREACHABLE
from nightly_pipeline.tools.container_logs import LineSink, note

_LONGEST_LOOK_AWAY_S = 30
_PATIENCE_S = 60.0
"""How long a daemon that was lost may take to come back: a restart, a broken connection."""
_OOM_LOOKS, _OOM_LOOK_S = 12, 0.25
"""How often, and how far apart, one that ended badly is asked about: its kernel's word may be slow to come."""
_KILLED = 137
_LOST = (_KILLED, 255)
"""What a container's exit code is when its daemon went down under it."""


@dataclass(frozen=True)
class Ended:
    """How a container ended. `exit_code` is None when its end was not seen: it resists KILL, or was lost."""

    exit_code: int | None
    timed_out: bool
    out_of_memory: bool
    duration_s: float


class EndWatch:
    """Watches one container, from its start. The deadline counts from here."""

    def __init__(self, api: docker.APIClient, container: str, spec: ContainerSpec, log: LineSink) -> None:
        self._api = api
        self._container = container
        self._spec = spec
        self._log = log
        self._started = time.monotonic()
        self._lost = False

    def wait(self) -> Ended:
        """Wait for the end, or bring it about.

        Raises:
            APIError: somebody else removed the container.
            EnvironmentNotReady: (as one of `UNREACHABLE`) the daemon is gone for longer than a minute.
        """
        state = self._wait_until(self._started + self._spec.deadline_s)
        timed_out = bool(state["Running"])
        if timed_out:
            state = self._stop()
        return self._judged(state, timed_out=timed_out)

    def _wait_until(self, deadline: float) -> dict[str, Any]:
        """The container's state at its end or at the deadline, whichever comes first."""
        while True:
            left = deadline - time.monotonic()
            if left > 0:
                self._look_away(min(left, _LONGEST_LOOK_AWAY_S))
            state = self._state()
            if not state["Running"] or time.monotonic() >= deadline:
                return state

    def _look_away(self, seconds: float) -> None:
        """Until the container ends, for at most this long. A broken connection ends it early."""
        began = time.monotonic()
        try:
            self._api.wait(self._container, timeout=seconds)  # type: ignore[arg-type] # fractions are fine
        except UNREACHABLE:
            # Our own timeout arrives as one of several errors; what comes before it is a lost connection.
            self._lost |= time.monotonic() - began < seconds

    def _state(self) -> dict[str, Any]:
        give_up = time.monotonic() + _PATIENCE_S
        while True:
            try:
                return dict(self._api.inspect_container(self._container)["State"])
            except UNREACHABLE:
                self._lost = True
                if time.monotonic() > give_up:
                    raise
                time.sleep(1)

    def _stop(self) -> dict[str, Any]:
        """TERM, the grace, KILL: all by the daemon, so that it happens even when we are ended meanwhile."""
        deadline_s, grace_s = self._spec.deadline_s, math.ceil(self._spec.grace_s)
        note(self._log, f"the deadline of {deadline_s:g} s has passed: TERM, and KILL {grace_s} s later")
        try:
            self._api.stop(self._container, timeout=grace_s)
        except (APIError, *UNREACHABLE) as error:
            note(self._log, f"the container could not be stopped: {error}")
        return self._state()

    def _judged(self, state: dict[str, Any], *, timed_out: bool) -> Ended:
        exit_code = None if state["Running"] else int(state["ExitCode"])
        if self._lost and exit_code in _LOST and not timed_out:
            note(self._log, "the connection to the Docker daemon was lost and the container with it")
            exit_code = None
        killed_for_memory = self._killed_for_memory(state, suspect=bool(exit_code) and not timed_out)
        if killed_for_memory:
            note(self._log, "the kernel killed a process of this container for memory")
        return Ended(
            exit_code=exit_code,
            timed_out=timed_out,
            out_of_memory=killed_for_memory and exit_code != 0,
            duration_s=_duration_s(state) or time.monotonic() - self._started,
        )

    def _killed_for_memory(self, state: dict[str, Any], *, suspect: bool) -> bool:
        """As the daemon says. News of a kill may come after that of the end: a bad end is asked about for a while."""
        looks = 0 if not suspect or self._spec.memory_bytes is None else _OOM_LOOKS
        while not state.get("OOMKilled") and looks:
            looks -= 1
            time.sleep(_OOM_LOOK_S)
            state = self._state()
        return bool(state.get("OOMKilled"))


def _duration_s(state: dict[str, Any]) -> float | None:
    """By the daemon's clock, which does not count our own delays; None where it has no end."""
    try:
        started, finished = (datetime.fromisoformat(state[name]) for name in ("StartedAt", "FinishedAt"))
    except (KeyError, TypeError, ValueError):
        return None
    seconds = (finished - started).total_seconds()
    return seconds if seconds >= 0 else None
