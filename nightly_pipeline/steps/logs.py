"""A log that is shown as it happens and kept as a file."""

from __future__ import annotations

import errno
from contextlib import suppress
from pathlib import Path
from typing import Self

from nightly_pipeline.errors import DiskFull, EnvironmentNotReady
from nightly_pipeline.steps.ports import LineSink

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class KeptLog:
    """A line sink that hands each line on and keeps it in a file, flushed when the step ends.

    When the file cannot be written any more, the lines are still handed on: a log is no reason to fail.

    Raises:
        DiskFull: there is no space to begin the file.
        EnvironmentNotReady: the file cannot be made.
    """

    def __init__(self, sink: LineSink, path: Path) -> None:
        self._sink = sink
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("w", encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            kind = DiskFull if error.errno in _FULL else EnvironmentNotReady
            raise kind(f"the log {path} cannot be written: {error.strerror}") from error

    def __call__(self, line: str) -> None:
        """Take one line, without its newline."""
        with suppress(OSError):
            self._file.write(f"{line}\n")
        self._sink(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._file.close()
