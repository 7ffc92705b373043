"""A container's output: taken apart into lines, bounded, and handed on without ever holding the container up.

Three parts: frames (how a daemon sends two streams over one connection), lines, and the sink behind a guard.
"""

from __future__ import annotations

import logging
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

LineSink = Callable[[str], None]

_log = logging.getLogger(__name__)

_FRAME = struct.Struct(">BxxxL")


@dataclass(frozen=True)
class LogLimits:
    """How much of the output is handed on; the rest is read and counted.

    Attributes:
        head_bytes: from the start.
        tail_bytes: from the end, where the reason of a failure usually stands.
        line_bytes: of one line.
    """

    head_bytes: int = 63 * 1024**2
    tail_bytes: int = 1024**2
    line_bytes: int = 16 * 1024


class GuardedSink:
    """Hands lines to a sink from several threads, one at a time. A sink that fails is not called again."""

    def __init__(self, sink: LineSink) -> None:
        self._sink: LineSink | None = sink
        self._lock = threading.Lock()

    def __call__(self, line: str) -> None:
        """Hand a line on."""
        with self._lock:
            if self._sink is None:
                return
            try:
                self._sink(line)
            except Exception:  # noqa: BLE001 - whatever it is, a log is no reason to lose a container
                self._sink = None
                _log.warning(
                    "the log of a container cannot be written: the container goes on without it",
                    exc_info=True,
                )


def note(sink: LineSink, text: str) -> None:
    """Write a line of our own into a container's log."""
    sink(f"[nightly] {text}")


class FrameDecoder:
    """Takes a daemon's frames apart, however the bytes were cut on the way."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield (stream, content) for what is there of each frame; stream 1 is stdout, 2 stderr."""
        self._buffer += data
        start = 0
        while len(self._buffer) - start >= _FRAME.size:
            stream, length = _FRAME.unpack_from(self._buffer, start)
            end = start + _FRAME.size + length
            if end > len(self._buffer):
                break
            yield stream, bytes(self._buffer[start + _FRAME.size : end])
            start = end
        del self._buffer[:start]


class _Line:
    """The line one stream is in the middle of: its first bytes, and how many more there were."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept = b""
        self._cut = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield every line that is complete with this."""
        *complete, rest = data.split(b"\n")
        for part in complete:
            yield self._finish(part)
        self._extend(rest)

    def flush(self) -> Iterator[bytes]:
        if self._kept or self._cut:
            yield self._finish(b"")

    def _extend(self, part: bytes) -> None:
        whole = _last_state(self._kept + part)
        self._cut += max(0, len(whole) - self._limit)
        self._kept = whole[: self._limit]

    def _finish(self, part: bytes) -> bytes:
        self._extend(part.removesuffix(b"\r") if part else part)
        line, cut = self._kept.removesuffix(b"\r"), self._cut
        self._kept, self._cut = b"", 0
        return line + b" [%d more bytes]" % cut if cut else line


def _last_state(line: bytes) -> bytes:
    """What a terminal would show of a progress bar that overwrites its line; a return at the end is kept."""
    body, end = (line[:-1], b"\r") if line.endswith(b"\r") else (line, b"")
    return body.rpartition(b"\r")[2] + end


class LineLog:
    """Output in, lines out: decoded, of bounded length, from the head and the tail of the whole."""

    def __init__(self, sink: LineSink, limits: LogLimits) -> None:
        self.total_bytes = 0
        self._sink = sink
        self._limits = limits
        self._lines: dict[int, _Line] = {}
        self._room = limits.head_bytes
        self._tail: deque[bytes] = deque()
        self._tail_bytes = 0
        self._left_out = 0

    def feed(self, stream: int, data: bytes) -> None:
        """Take output of one stream (1 stdout, 2 stderr)."""
        self.total_bytes += len(data)
        line = self._lines.setdefault(stream, _Line(self._limits.line_bytes))
        for complete in line.feed(data):
            self._hand_on(complete)

    def finish(self) -> None:
        """Hand on what has no newline, and what was kept of the end."""
        for line in self._lines.values():
            for last in line.flush():
                self._hand_on(last)
        if self._left_out:
            note(self._sink, f"{self._left_out:,} bytes of output were left out here")
        for line_bytes in self._tail:
            self._sink(_decoded(line_bytes))
        self._tail.clear()

    def _hand_on(self, line: bytes) -> None:
        if self._room > 0:
            self._room -= len(line) + 1
            self._sink(_decoded(line))
        else:
            self._keep_for_the_end(line)

    def _keep_for_the_end(self, line: bytes) -> None:
        self._tail.append(line)
        self._tail_bytes += len(line) + 1
        while self._tail_bytes > self._limits.tail_bytes:
            size = len(self._tail.popleft()) + 1
            self._tail_bytes -= size
            self._left_out += size


def _decoded(line: bytes) -> str:
    return line.decode("utf-8", errors="replace")
