"""The file that evidence is written to.

What is called while tests run is taken from its module here, once: tests put their own `time.time`, `os.write` or
`json.dumps` in place of the real ones, and a fixture's is still there when its test is written down.
"""

from __future__ import annotations

from json import JSONEncoder
from os import O_APPEND, O_CLOEXEC, O_CREAT, O_WRONLY, fstat, getpid
from os import open as open_file
from os import write as write_some
from os.path import samestat
from pathlib import Path
from time import time
from typing import Any

_encoded = JSONEncoder(separators=(",", ":"), default=str).encode
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
        self.owner = getpid()
        self.size = 0
        self.lost = 0
        self._torn = False
        self._open()

    def _open(self) -> None:
        self._fd = open_file(self.path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o644)
        self._identity = fstat(self._fd)

    def _is_ours(self) -> bool:
        """Whether our number still stands for our file: a test may close it and another file get it."""
        try:
            now = fstat(self._fd)
        except OSError:
            return False
        return samestat(now, self._identity) and now.st_nlink > 0

    def write(self, event: str, **fields: Any) -> None:
        """Append one event without its fields that are None. Never raises: evidence must not fail a test."""
        if getpid() != self.owner:
            return  # a forked child that came back into pytest's code
        try:
            known = {name: value for name, value in fields.items() if value is not None}
            line = _encoded({"event": event, "time": round(time(), 3), **known})
            self._append(line.encode("ascii") + b"\n")
        except Exception:  # noqa: BLE001 - a full disk; values that nobody thought of
            self.lost += 1
            self._torn = True  # perhaps half a line was written: end it before the next

    def _append(self, data: bytes) -> None:
        if not self._is_ours():
            self._open()
        if self._torn:
            data = b"\n" + data
        self.size += len(data)
        while data:
            data = data[write_some(self._fd, data) :]
        self._torn = False

    @property
    def text_limit(self) -> int:
        """Characters a text may have now."""
        return next((limit for size, limit in TIGHTER_LIMITS if self.size > size), TEXT_LIMIT)
