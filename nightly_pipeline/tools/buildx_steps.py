"""One step of a build over its whole life, and what it says about emulation and the cache."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Collection
from datetime import datetime
from typing import Literal

from nightly_pipeline.model.metrics import BuildStep
from nightly_pipeline.tools.rawjson import Vertex

KEPT_OUTPUT_LINES = 20
_CANCELLED = "context canceled"
_INSTRUCTION = re.compile(
    r"\[(?:(?P<platform>[a-z0-9]+/[a-z0-9]+(?:/[a-z0-9]+)?)"  # what it runs on
    r"(?:->\S+)? )?"  # what it is for, when that differs
    r"(?:[\w.-]+ )?"  # the stage
    r"\s*\d+/\d+\] (?P<instruction>\w+)"
)
_RUNS_NATIVELY = {"linux/amd64": {"linux/386"}, "linux/arm64": {"linux/arm"}}
_UNPRINTABLE = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07]*\x07|[\x00-\x08\x0a-\x1f\x7f-\x9f]")


def printable(text: str) -> str:
    """The text without colours and control characters: what a build prints is not to be trusted."""
    return _UNPRINTABLE.sub("", text)


def is_native(platform: str, natives: Collection[str]) -> bool:
    """Whether one of a builder's nodes, each named by its own platform, runs this one without emulation."""
    wanted = _os_and_architecture(platform)
    own = {_os_and_architecture(native) for native in natives}
    return wanted in own or any(wanted in _RUNS_NATIVELY.get(native, ()) for native in own)


def _os_and_architecture(platform: str) -> str:
    return "/".join(platform.split("/")[:2])


class Step:
    """A vertex of BuildKit's graph, merged from all that was said about it.

    Args:
        digest: BuildKit's name of it.
    """

    def __init__(self, digest: str) -> None:
        self.digest = digest
        self.name = ""
        self.cached = False
        self.error = ""
        self.output: deque[str] = deque(maxlen=KEPT_OUTPUT_LINES)
        self._spans: dict[datetime, datetime | None] = {}

    def update(self, vertex: Vertex) -> None:
        """Take what is said now. A step may start more than once: a base image is resolved, then pulled."""
        self.name = printable(vertex.name.replace("\n", " ")) or self.name
        self.cached = vertex.cached or self.cached
        self.error = printable(vertex.error.replace("\n", " ")) or self.error
        if vertex.started is not None:
            self._spans[vertex.started] = vertex.completed

    @property
    def started_at(self) -> datetime | None:
        """When it first started; None as long as it has not."""
        return min(self._spans, default=None)

    @property
    def is_running(self) -> bool:
        """Whether it has started and not ended."""
        return any(end is None for end in self._spans.values())

    @property
    def ended_at(self) -> datetime | None:
        """When it last ended; None while it runs or waits."""
        ends = [end for end in self._spans.values() if end is not None]
        return None if self.is_running else max(ends, default=None)

    @property
    def is_instruction(self) -> bool:
        """Whether it does the work of a Dockerfile's instruction.

        The rest is BuildKit's housekeeping. So is FROM: it finds the base image, is never reported as cached,
        and would keep a build in which nothing was executed from a hit rate of 1.
        """
        return self._instruction not in {None, "FROM"}

    @property
    def status(self) -> Literal["cached", "done", "failed", "cancelled"]:
        """What became of it; a step that was cut short is cancelled."""
        if self.error:
            return "cancelled" if _CANCELLED in self.error else "failed"
        if self.cached:
            return "cached"
        return "done" if self.ended_at else "cancelled"

    @property
    def platform(self) -> str | None:
        """What it runs on, as far as BuildKit says so."""
        match = _INSTRUCTION.match(self.name)
        return match["platform"] if match else None

    @property
    def _instruction(self) -> str | None:
        match = _INSTRUCTION.match(self.name)
        return match["instruction"] if match else None

    def is_emulated(self, natives: Collection[str], target_platform: str) -> bool:
        """Whether it executed a program that none of the builder's nodes runs by itself.

        Where BuildKit does not name the platform, the one the image is for is assumed.
        """
        executed = self._instruction == "RUN" and self.status != "cached"
        return executed and not is_native(self.platform or target_platform, natives)

    def record(self, natives: Collection[str], target_platform: str, until: datetime | None) -> BuildStep:
        """The step as the metrics keep it; one that is still running is counted until `until`."""
        spans = [(end or until or start) - start for start, end in self._spans.items()]
        return BuildStep(
            name=self.name,
            digest=self.digest,
            status=self.status,
            started_at=self.started_at,
            duration_s=round(sum(max(0.0, span.total_seconds()) for span in spans), 3),
            platform=self.platform,
            emulated=self.is_emulated(natives, target_platform),
            internal=not self.is_instruction,
            error=self.error or None,
        )
