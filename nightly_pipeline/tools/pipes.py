"""Feed and read a running program's three pipes in one thread, with bounded memory."""

from __future__ import annotations

import os
import selectors
import subprocess
import time
from codecs import getincrementaldecoder
from collections.abc import Callable
from contextlib import suppress
from typing import IO, cast

LineSink = Callable[[str], None]
"""Takes one line of output as it happens, without its newline."""

MAX_LINE_CHARS = 4 * 1024 * 1024
"""Longer lines are handed on in pieces."""

_POLL_S = 0.1
_CHUNK_BYTES = 64 * 1024


class Lines:
    """Cut a stream of bytes into lines for a sink and keep its tail.

    A carriage return ends a line too, as programs that draw progress use it.
    """

    def __init__(self, sink: LineSink | None, keep_bytes: int) -> None:
        self._sink = sink
        self._keep_bytes = keep_bytes
        self._tail = bytearray()
        self._decoder = getincrementaldecoder("utf-8")(errors="replace")
        self._pending = ""
        self.truncated = False

    def feed(self, chunk: bytes) -> None:
        """Take what was read."""
        self._tail += chunk
        if len(self._tail) > 2 * self._keep_bytes:
            self._cut()
        if self._sink is not None:
            self._hand_on(self._decoder.decode(chunk), self._sink)

    def finish(self) -> None:
        """The stream has ended: hand on a last line without its newline."""
        if len(self._tail) > self._keep_bytes:
            self._cut()
        if self._sink is not None:
            self._hand_on(self._decoder.decode(b"", final=True), self._sink)
            if self._pending:
                pending, self._pending = self._pending, ""
                self._sink(pending.removesuffix("\r"))

    @property
    def text(self) -> str:
        """The tail, decoded."""
        return self._tail[-self._keep_bytes :].decode("utf-8", errors="replace")

    def _cut(self) -> None:
        del self._tail[: -self._keep_bytes]
        self.truncated = True

    def _hand_on(self, text: str, sink: LineSink) -> None:
        *lines, self._pending = _split(self._pending + text)
        for line in lines:
            sink(line)
        while len(self._pending) >= MAX_LINE_CHARS:
            sink(self._pending[:MAX_LINE_CHARS])
            self._pending = self._pending[MAX_LINE_CHARS:]


def _split(text: str) -> list[str]:
    if "\r" not in text:
        return text.split("\n")
    # A carriage return at the very end may be half of a Windows line end: leave it for the next chunk.
    held = "\r" if text.endswith("\r") else ""
    lines = text.removesuffix("\r").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    lines[-1] += held
    return lines


class Pipes:
    """The pipes of one program."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        *,
        stdin: bytes | None,
        on_stdout: LineSink | None,
        on_stderr: LineSink | None,
        keep_bytes: int,
    ) -> None:
        self._process = process
        self._selector = selectors.DefaultSelector()
        self._to_write = memoryview(stdin or b"")
        self._stdout, self._stderr = Lines(on_stdout, keep_bytes), Lines(on_stderr, keep_bytes)
        self._watch(process.stdout, selectors.EVENT_READ, self._stdout)
        self._watch(process.stderr, selectors.EVENT_READ, self._stderr)
        self._watch(process.stdin, selectors.EVENT_WRITE, None)

    @property
    def stdout(self) -> str:
        """The tail of standard output."""
        return self._stdout.text

    @property
    def stderr(self) -> str:
        """The tail of standard error."""
        return self._stderr.text

    @property
    def truncated(self) -> bool:
        """Whether either is only a tail."""
        return self._stdout.truncated or self._stderr.truncated

    def pump(self, *, deadline: float, drain_s: float) -> bool:
        """Move bytes until the program has ended; False when `deadline` (monotonic) came first.

        Children that the program left behind, and that hold its pipes open, are read for `drain_s` more.
        """
        drained_at = None
        while self._selector.get_map() or self._process.poll() is None:
            now = time.monotonic()
            if self._process.poll() is not None:
                drained_at = drained_at or now + drain_s
                if now >= drained_at:
                    break
            elif now >= deadline:
                self._move(0.0)  # what was said since we looked last: it may be long ago on a busy machine
                return False
            self._move(min(_POLL_S, max(0.0, deadline - now)))
        self._finish()
        return True

    def close(self) -> None:
        """Close what is still open."""
        self._selector.close()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def _watch(self, pipe: IO[bytes] | None, events: int, lines: Lines | None) -> None:
        if pipe is None:
            return
        os.set_blocking(pipe.fileno(), False)
        self._selector.register(pipe, events, lines)

    def _move(self, timeout: float) -> None:
        if not self._selector.get_map():
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout)
            return
        for key, _ in self._selector.select(timeout):
            pipe = cast("IO[bytes]", key.fileobj)
            if isinstance(key.data, Lines):
                self._read(pipe, key.data)
            else:
                self._write(pipe)

    def _read(self, pipe: IO[bytes], lines: Lines) -> None:
        chunk = os.read(pipe.fileno(), _CHUNK_BYTES)
        if chunk:
            lines.feed(chunk)
        else:
            self._selector.unregister(pipe)

    def _write(self, pipe: IO[bytes]) -> None:
        try:
            written = os.write(pipe.fileno(), self._to_write[:_CHUNK_BYTES]) if self._to_write else 0
            self._to_write = self._to_write[written:]
        except BrokenPipeError:  # the program does not read its input: no error of ours
            self._to_write = memoryview(b"")
        if not self._to_write:
            self._selector.unregister(pipe)
            pipe.close()

    def _finish(self) -> None:
        self._stdout.finish()
        self._stderr.finish()
