"""The file that evidence is written to."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

TEXT_LIMIT = 32 * 1024  # characters of a traceback or of captured output
# After that many bytes of evidence, texts get this short: thousands of failures must not fill the disk.
TIGHTER_LIMITS = ((256 * 1024 * 1024, 256), (64 * 1024 * 1024, 2048))


class EvidenceFile:
    """A file that is appended to line by line, and survives what tests do to their process.

    Every line is handed to the kernel whole and at once: a killed process loses nothing that was written.
    There is no fsync, because only the loss of the whole machine could undo a write, and then the container's
    files are gone too.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path).absolute()  # tests change the working directory
        self.owner = os.getpid()
        self.size = 0
        self.lost = 0
        self._torn = False
        self._open()

    def _open(self) -> None:
        self._fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._identity = os.fstat(self._fd)

    def _is_ours(self) -> bool:
        """Whether our number still stands for our file: a test may close it and another file get it."""
        try:
            now = os.fstat(self._fd)
        except OSError:
            return False
        return os.path.samestat(now, self._identity) and now.st_nlink > 0

    def write(self, event: str, **fields: Any) -> None:
        """Append one event without its fields that are None. Never raises: evidence must not fail a test."""
        if os.getpid() != self.owner:
            return  # a forked child that came back into pytest's code
        known = {name: value for name, value in fields.items() if value is not None}
        line = json.dumps(
            {"event": event, "time": round(time.time(), 3), **known}, separators=(",", ":"), default=str
        )
        try:
            self._append(line.encode("ascii") + b"\n")
        except OSError:
            self.lost += 1
            self._torn = True  # perhaps half a line was written: end it before the next

    def _append(self, data: bytes) -> None:
        if not self._is_ours():
            self._open()
        if self._torn:
            data = b"\n" + data
        self.size += len(data)
        while data:
            data = data[os.write(self._fd, data) :]
        self._torn = False

    @property
    def text_limit(self) -> int:
        """Characters a text may have now."""
        return next((limit for size, limit in TIGHTER_LIMITS if self.size > size), TEXT_LIMIT)
