"""One at a time, over all processes of this machine: who holds a turn, works; the others wait or leave it."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from nightly_pipeline.errors import EnvironmentNotReady
from nightly_pipeline.tools.artifacts import quote_name

_POLL_S = 0.1


class FileTurns:
    """Turns as locks on files of a folder. The kernel ends a turn with the process that holds it, however that ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def take(self, name: str, *, wait_s: float) -> Iterator[bool]:
        """Hold the turn of a name; yields False when somebody else kept it for longer than `wait_s`.

        Raises:
            EnvironmentNotReady: the folder cannot be used.
        """
        with self._open(name) as file:
            yield _locked(file, time.monotonic() + wait_s)

    def _open(self, name: str) -> IO[str]:
        path = self._folder / f"{quote_name(name)}.lock"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return path.open("a")
        except OSError as error:
            raise EnvironmentNotReady(f"{path} cannot be used: {error.strerror or error}") from error


def _locked(file: IO[str], end: float) -> bool:
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                return False
            time.sleep(_POLL_S)
        else:
            return True
