"""A server under test: started by the image's own launcher, watched, and ended within a deadline."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

SERVE = "/opt/nightly/serve"
_POLL = 0.02
_LOG_TAIL = 8000


class Deadlines(NamedTuple):
    """Seconds that a server may take. Nothing in the suite waits without one."""

    start: float
    request: float
    stop: float


MOCK_DEADLINES = Deadlines(start=20, request=20, stop=15)
REAL_DEADLINES = Deadlines(start=900, request=120, stop=90)


class ServerError(Exception):
    """A server did not start, did not stop, or ended by itself. The message ends with its log."""


class Server:
    """One server process, its port and its log."""

    def __init__(
        self, model: str, flags: Sequence[str], log: Path, deadlines: Deadlines, port: int = 0
    ) -> None:
        self.port = port or free_port()
        self.model = model
        self.deadlines = deadlines
        self.started_in = 0.0
        self._log = log
        self._command = [SERVE, "--model", model, "--host", "127.0.0.1", "--port", str(self.port), *flags]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process without waiting for it, in a session of its own: its children can be found so."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_until_ready(self) -> None:
        """Wait until /health answers 200. Raises ServerError when it exits first or the deadline passes."""
        begin = time.monotonic()
        while not self._healthy():
            if self.process.poll() is not None:
                raise ServerError(
                    f"the server ended with {self.process.returncode} while starting\n{self.log()}"
                )
            if time.monotonic() - begin > self.deadlines.start:
                raise ServerError(f"the server was not ready after {self.deadlines.start:g} s\n{self.log()}")
            time.sleep(_POLL)
        self.started_in = time.monotonic() - begin

    def wait_until_ended(self, deadline: float) -> int:
        """Return the exit code, waiting `deadline` seconds at most. Raises ServerError."""
        try:
            return self.process.wait(deadline)
        except subprocess.TimeoutExpired:
            raise ServerError(f"the server still runs after {deadline:g} s\n{self.log()}") from None

    def stop(self) -> int:
        """Ask the server to end and return its exit code. Raises ServerError when it does not."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait_until_ended(self.deadlines.stop)

    def kill(self) -> None:
        """Make sure that nothing of the server is left."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(self.deadlines.stop)

    def leftovers(self) -> list[str]:
        """Return the command lines of the processes that its session still has."""
        return [command for session, command in _processes() if session == self.process.pid]

    def whole_log(self) -> str:
        """Return all that it wrote."""
        return self._log.read_text("utf-8", "replace") if self._log.exists() else ""

    def wait_for_log(self, pattern: str, deadline_s: float = 15.0) -> list[str]:
        """What a pattern finds in the log, once it finds anything: a server may answer before it has logged."""
        end = time.monotonic() + deadline_s
        while not (found := re.findall(pattern, self.whole_log())) and time.monotonic() < end:
            time.sleep(0.05)
        return found

    def log(self) -> str:
        """Return the end of what it wrote, short enough to be shown with a failure."""
        return f"--- log of port {self.port} ---\n{self.whole_log()[-_LOG_TAIL:]}"

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process. Raises ServerError before it was started."""
        if self._process is None:
            raise ServerError("the server was not started")
        return self._process

    @property
    def running(self) -> bool:
        """Whether the process was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def _healthy(self) -> bool:
        from suite_support.client import Client  # noqa: PLC0415 - collection should not pay for an HTTP client

        try:
            return Client(self.port, self.model, timeout=5).get("/health").status == 200
        except OSError:
            return False


def free_port() -> int:
    """Return a port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def gpus() -> int:
    """Return how many NVIDIA GPUs this container was given."""
    return len([path for path in Path("/dev").glob("nvidia*") if path.name.removeprefix("nvidia").isdigit()])


def _processes() -> list[tuple[int, str]]:
    """Return (session, command line) of every process that is not a zombie."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError, ValueError):
            state, _parent, _group, session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
            if state != "Z":
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
                found.append((int(session), command.strip()))
    return found
