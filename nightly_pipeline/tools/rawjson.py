"""The progress of a build as BuildKit reports it, with `docker buildx build --progress=rawjson`.

What comes on standard error is a mixture: JSON objects, each spread over many lines (one line each in newer
versions of buildx), and plain text, such as the excerpt of the Dockerfile and the final `ERROR:`. `Decoder`
tells them apart line by line; nothing is lost when the stream is cut anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from pydantic import Base64Bytes, BaseModel, ConfigDict, ValidationError

MAX_OBJECT_CHARS = 16 * 1024 * 1024
"""Beyond it, what looked like an object is handed on as text."""


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Vertex(_Wire):
    """A step, in the state it has now. The same digest comes again with each change."""

    digest: str
    name: str = ""
    started: datetime | None = None
    completed: datetime | None = None
    cached: bool = False
    error: str = ""


class Status(_Wire):
    """A part of a step with progress of its own: a transfer, a layer. Bytes where `total` is given."""

    id: str
    vertex: str
    current: int = 0
    total: int = 0
    timestamp: datetime | None = None
    started: datetime | None = None
    completed: datetime | None = None


class Log(_Wire):
    """A piece of a step's output; it may end anywhere in a line."""

    vertex: str
    stream: int = 1
    data: Base64Bytes = b""
    timestamp: datetime | None = None


class LintWarning(_Wire):
    """A remark of the Dockerfile's linter."""

    vertex: str = ""
    short: Base64Bytes = b""


class Event(_Wire):
    """One update."""

    vertexes: tuple[Vertex, ...] = ()
    statuses: tuple[Status, ...] = ()
    logs: tuple[Log, ...] = ()
    warnings: tuple[LintWarning, ...] = ()


class Decoder:
    """Takes lines, gives events and the lines that are not part of one."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._size = 0

    def feed(self, line: str) -> Iterator[Event | str]:
        """Take one line, without its newline."""
        if line.startswith("{"):  # an object that was never closed is text
            yield from self.finish()
        elif not self._lines:
            yield line
            return
        self._lines.append(line)
        self._size += len(line) + 1
        if line.endswith("}") and line[0] in "{}":
            yield from self._decode()
        elif self._size > MAX_OBJECT_CHARS:
            yield from self.finish()

    def finish(self) -> Iterator[str]:
        """The stream has ended, perhaps within an object: give back its lines."""
        lines, self._lines, self._size = self._lines, [], 0
        yield from lines

    def _decode(self) -> Iterator[Event | str]:
        try:
            event = Event.model_validate_json("\n".join(self._lines))
        except ValidationError:
            yield from self.finish()
            return
        self._lines, self._size = [], 0
        yield event
