"""The one place that starts programs.

Every program gets a process group of its own, a deadline, and an end: on a deadline, an interrupt, or any
other exception the group is sent TERM and, after a grace, KILL. When we are killed ourselves, the kernel
sends it TERM (Linux). Output is read as it comes and handed on line by line; only its tail is kept, so an
hour of build output costs no memory.

The environment is inherited. Variables on top of it are set by `env`, so this module reads no environment,
and the command line in an error can be pasted into a shell as it stands. They show in the list of processes:
a secret goes into a file or onto standard input, never into a variable or an argument.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from nightly_pipeline.errors import ProcessError, ProcessTimedOut
from nightly_pipeline.model.masking import mask
from nightly_pipeline.tools.pipes import LineSink, Pipes

__all__ = ["Completed", "LineSink", "run"]

KEEP_BYTES = 1024 * 1024
STDERR_LINES_IN_ERRORS = 20
_DRAIN_S = 2.0
"""How long output is still awaited from children that a program left behind."""


@dataclass(frozen=True)
class Completed:
    """A program that ended by itself.

    Attributes:
        argv: what was called, secrets masked.
        exit_code: its exit code; negative for the signal that killed it.
        stdout, stderr: the last `keep_bytes` bytes of each, decoded as UTF-8 (wrong bytes replaced).
        duration_s: seconds from start to end.
        truncated: whether stdout or stderr is only the tail of what was written.
    """

    argv: tuple[str, ...]
    exit_code: int
    stdout: str
    stderr: str
    duration_s: float
    truncated: bool = False


def run(  # noqa: PLR0913 - one door, so it has every handle
    argv: Sequence[str | Path],
    *,
    deadline_s: float,
    env: Mapping[str, str | None] | None = None,
    cwd: Path | None = None,
    stdin: bytes | None = None,
    on_stdout: LineSink | None = None,
    on_stderr: LineSink | None = None,
    secrets: Iterable[str] = (),
    check: bool = True,
    grace_s: float = 10.0,
    keep_bytes: int = KEEP_BYTES,
) -> Completed:
    """Run a program to its end.

    Args:
        argv: the program and its arguments; nothing is read by a shell.
        deadline_s: seconds until the program, and all it started, is ended.
        env: variables set on top of the inherited environment (None takes one away); never secrets.
        cwd: folder to run in.
        stdin: bytes for its standard input; None is an empty one.
        on_stdout: called with each line as it comes, in the calling thread. What it raises ends the program
            and is raised here.
        on_stderr: likewise for standard error.
        secrets: texts to mask in errors and in `Completed.argv`.
        check: raise on an exit code other than 0.
        grace_s: seconds between TERM and KILL.
        keep_bytes: how much of the end of each stream is kept.

    Raises:
        ProcessError: the program is not installed, could not start, or ended with an exit code other than 0.
        ProcessTimedOut: it did not end within the deadline.
    """
    call = _Call(tuple(map(str, argv)), dict(env or {}), tuple(secrets))
    started = time.monotonic()
    process = call.start(cwd)
    try:
        pipes = Pipes(process, stdin=stdin, on_stdout=on_stdout, on_stderr=on_stderr, keep_bytes=keep_bytes)
    except BaseException:  # too many open files, say: what nobody watches must not go on
        _end_group(process, grace_s)
        raise
    try:
        ended = pipes.pump(deadline=started + deadline_s, drain_s=_DRAIN_S)
    finally:
        _end_group(process, grace_s)
        pipes.close()
    if not ended:
        raise call.timed_out(deadline_s, pipes.stderr)
    completed = call.completed(process.returncode, pipes, duration_s=time.monotonic() - started)
    if check and completed.exit_code != 0:
        raise call.failed(completed)
    return completed


@dataclass(frozen=True)
class _Call:
    """What is called, and how errors name it."""

    argv: tuple[str, ...]
    env: Mapping[str, str | None]
    secrets: tuple[str, ...]

    @property
    def shown(self) -> tuple[str, ...]:
        return tuple(mask(argument, self.secrets) for argument in self._whole)

    @property
    def _whole(self) -> tuple[str, ...]:
        if not self.env:
            return self.argv
        taken_away = [part for name, value in self.env.items() if value is None for part in ("-u", name)]
        added = [f"{name}={value}" for name, value in self.env.items() if value is not None]
        return ("env", *taken_away, *added, *self.argv)

    def start(self, cwd: Path | None) -> subprocess.Popen[bytes]:
        if shutil.which(self.argv[0]) is None:
            raise self._not_started(
                f"`{self.argv[0]}` is not installed, or not on the PATH.",
                f"Install {self.argv[0]}; `make setup` installs what a single machine needs.",
            )
        try:
            return subprocess.Popen(  # noqa: S603 - argv, never a shell
                (*_dies_with_us(), *self._whole),
                cwd=cwd,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                bufsize=0,
            )
        except OSError as error:
            raise self._not_started(f"`{self.argv[0]}` could not be started: {error}") from error

    def _not_started(self, message: str, next_step: str | None = None) -> ProcessError:
        return ProcessError(mask(message, self.secrets), argv=self.shown, next_step=next_step)

    def completed(self, exit_code: int, pipes: Pipes, *, duration_s: float) -> Completed:
        return Completed(
            argv=self.shown,
            exit_code=exit_code,
            stdout=pipes.stdout,
            stderr=pipes.stderr,
            duration_s=duration_s,
            truncated=pipes.truncated,
        )

    def timed_out(self, deadline_s: float, stderr: str) -> ProcessTimedOut:
        tail = self._tail(stderr)
        return ProcessTimedOut(
            f"`{shlex.join(self.shown)}` did not end within {deadline_s:g} s and was ended.{_below(tail)}",
            argv=self.shown,
            stderr_tail=tail,
        )

    def failed(self, completed: Completed) -> ProcessError:
        tail = self._tail(completed.stderr or completed.stdout)
        return ProcessError(
            f"`{shlex.join(self.shown)}` {_how_it_ended(completed.exit_code)}.{_below(tail)}",
            argv=self.shown,
            exit_code_of_process=completed.exit_code,
            stderr_tail=tail,
        )

    def _tail(self, stderr: str) -> str:
        return mask("\n".join(stderr.splitlines()[-STDERR_LINES_IN_ERRORS:]), self.secrets)


def _below(tail: str) -> str:
    return f"\n{tail}" if tail else ""


def _how_it_ended(exit_code: int) -> str:
    if exit_code >= 0:
        return f"ended with exit code {exit_code}"
    with suppress(ValueError):
        return f"was killed by {signal.Signals(-exit_code).name}"
    return f"was killed by signal {-exit_code}"


def _dies_with_us() -> tuple[str, ...]:
    """TERM to the program when the thread that started it dies, which waits for it. util-linux only."""
    return ("setpriv", "--pdeathsig", "TERM", "--") if shutil.which("setpriv") else ()


def _end_group(process: subprocess.Popen[bytes], grace_s: float) -> None:
    """TERM, then KILL, to whatever is left of the program's group; the program itself is waited for."""
    _signal_group(process, signal.SIGTERM)
    if process.poll() is None:
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=grace_s)
    _signal_group(process, signal.SIGKILL)
    process.wait()


def _signal_group(process: subprocess.Popen[bytes], signal_number: signal.Signals) -> None:
    # The group's id is the program's, and stays reserved as long as any member lives.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal_number)
