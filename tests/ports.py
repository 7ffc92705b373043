"""Ports for programs that must be told which one to listen on."""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

# Below what the kernel gives to whoever connects, so that no connection takes one before its program listens there.
_RANGE = range(20_000, 30_000)


def free_port() -> int:
    """A port nobody listens on, and that no other test is given for as long as this process lives."""
    # A night takes folders of its own name that nobody has touched for a day for its leftovers.
    claims = Path(tempfile.gettempdir(), f"test-ports-of-nightly-{os.getuid()}")
    claims.mkdir(exist_ok=True)
    shuffled = random.SystemRandom().sample(_RANGE, len(_RANGE))
    return next(port for port in shuffled if _is_free(port) and _is_claimed(claims / str(port)))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
        return True


def _is_claimed(claim: Path) -> bool:
    """Whether it is ours now. The lock, and with it the descriptor, stays until the process ends."""
    descriptor = os.open(claim, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    return True
