"""Whether a process that started something is still there, also after its number was given to another."""

from __future__ import annotations

import os
import socket
from pathlib import Path

_START_TIME_FIELD = 19  # of /proc/PID/stat, counted from the state, which follows the parenthesised name

_ENDED = ("Z", "X", "x")  # states of processes that run no more


def this_process() -> str:
    """A token that names this process on this machine: host, number, start."""
    return f"{socket.gethostname()}:{os.getpid()}:{_started(os.getpid())}"


def is_gone(token: str) -> bool:
    """Whether the process of a token is surely not there any more. Of another machine nobody knows: False."""
    host, pid, started = token.rsplit(":", 2)
    if host != socket.gethostname() or not pid.isdigit():
        return False
    return _started(int(pid)) != started


def _started(pid: int) -> str:
    """When the process started, in the kernel's ticks; empty when there is none; `-` where the kernel does not say.

    One that has ended, and that nobody has waited for, is none: where the first process of a container waits for no
    others, it stays in the list for good.
    """
    if not Path("/proc/self/stat").is_file():
        return _answers(pid)
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in _ENDED else fields[_START_TIME_FIELD]


def _answers(pid: int) -> str:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:
        return "-"
    return "-"
