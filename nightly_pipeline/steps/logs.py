"""A log that is shown as it happens and kept as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from nightly_pipeline.steps.ports import LineSink


class KeptLog:
    """A line sink that hands each line on and keeps it in a file, flushed when the step ends."""

    def __init__(self, sink: LineSink, path: Path) -> None:
        self._sink = sink
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("w", encoding="utf-8", errors="backslashreplace")

    def __call__(self, line: str) -> None:
        """Take one line, without its newline."""
        self._file.write(f"{line}\n")
        self._sink(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
