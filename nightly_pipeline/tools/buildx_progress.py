"""Follow a build: a readable log as it goes, metrics at any moment, also of a build that was killed."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from operator import itemgetter

from nightly_pipeline.model.metrics import BuildMetrics
from nightly_pipeline.tools.buildx_steps import Step, printable
from nightly_pipeline.tools.process import LineSink
from nightly_pipeline.tools.rawjson import Decoder, Event, Log, Status

_HEARTBEAT = timedelta(seconds=10)
_KEPT_MESSAGES = 200


class Progress:
    """Takes the lines of `--progress=rawjson`; knows every step.

    Args:
        natives: the own platforms of the builder's nodes: what runs on others is emulated.
        target_platform: what the image is for.
        log: gets readable lines, such as `#5 [install 2/4] RUN ...`, `#5 0.31 output`, `#5 DONE 1.2s`.
    """

    def __init__(self, *, natives: Collection[str], target_platform: str, log: LineSink) -> None:
        self.natives = natives
        self._target_platform = target_platform
        self._log = log
        self._decoder = Decoder()
        self._steps: dict[str, Step] = {}
        self._numbers: dict[str, int] = {}
        self._endings: dict[str, str] = {}
        self._partial: dict[tuple[str, int], str] = {}
        self._transfers: dict[tuple[str, str], datetime] = {}
        self._transferred: set[tuple[str, str]] = set()
        self._first: datetime | None = None
        self._last: datetime | None = None
        self._messages: list[str] = []

    def feed(self, line: str) -> None:
        """Take one line of standard error."""
        for item in self._decoder.feed(line):
            if isinstance(item, Event):
                self._take(item)
            else:
                self._say(item)

    def finish(self) -> None:
        """Nothing more will come."""
        for line in self._decoder.finish():
            self._say(line)
        for digest, stream in list(self._partial):
            self._flush(digest, stream)

    @property
    def steps(self) -> tuple[Step, ...]:
        """Every step that has started, in order of start."""
        started = [(at, step) for step in self._steps.values() if (at := step.started_at)]
        return tuple(step for _, step in sorted(started, key=itemgetter(0)))

    @property
    def text(self) -> str:
        """What was said outside the JSON: the excerpt of the Dockerfile and the final `ERROR:`."""
        return "\n".join(self._messages)

    def metrics(self) -> BuildMetrics:
        """What is known now."""
        records = [step.record(self.natives, self._target_platform, self._last) for step in self.steps]
        counted = [record for record in records if not record.internal]
        cached = sum(record.status == "cached" for record in counted)
        return BuildMetrics(
            wall_s=self._wall_s(),
            steps=len(counted),
            cached_steps=cached,
            hit_rate=cached / len(counted) if counted else None,
            emulated_steps=sum(record.emulated for record in records),
            build_steps=tuple(records),
        )

    def _wall_s(self) -> float:
        return (self._last - self._first).total_seconds() if self._first and self._last else 0.0

    def _take(self, event: Event) -> None:
        for vertex in event.vertexes:
            self._step(vertex.digest).update(vertex)
            self._saw(vertex.started, vertex.completed)
        touched = [self._step(digest) for digest in dict.fromkeys(vertex.digest for vertex in event.vertexes)]
        for step in touched:
            self._show_start(step)
        for status in event.statuses:
            self._saw(status.timestamp)
            self._show_transfer(status)
        for log in event.logs:
            self._saw(log.timestamp)
            self._take_output(log)
        for step in touched:
            self._show_end(step)
        for warning in event.warnings:
            self._log(f"WARNING: {printable(warning.short.decode(errors='replace'))}")

    def _step(self, digest: str) -> Step:
        if digest not in self._steps:
            self._steps[digest] = Step(digest)
        return self._steps[digest]

    def _saw(self, *moments: datetime | None) -> None:
        for moment in moments:
            if moment is not None:
                self._first = min(self._first or moment, moment)
                self._last = max(self._last or moment, moment)

    def _say(self, line: str) -> None:
        line = printable(line)
        self._messages = [*self._messages, line][-_KEPT_MESSAGES:]
        self._log(line)

    def _log_of(self, digest: str, text: str) -> None:
        if digest not in self._numbers:
            self._numbers[digest] = len(self._numbers) + 1
            self._log(f"#{self._numbers[digest]} {self._step(digest).name}")
        if text:
            self._log(f"#{self._numbers[digest]} {text}")

    def _show_start(self, step: Step) -> None:
        if step.started_at is not None:
            self._log_of(step.digest, "")

    def _show_end(self, step: Step) -> None:
        if step.ended_at is None:
            return
        for digest, stream in [key for key in self._partial if key[0] == step.digest]:
            self._flush(digest, stream)
        endings = {"cached": "CACHED", "cancelled": "CANCELED", "failed": f"ERROR: {step.error}"}
        duration = step.record(self.natives, self._target_platform, None).duration_s
        ending = endings.get(step.status, f"DONE {duration:.1f}s")
        if self._endings.get(step.digest) != ending:
            self._endings[step.digest] = ending
            self._log_of(step.digest, ending)

    def _show_transfer(self, status: Status) -> None:
        """A transfer is shown when it has ended and, when it takes long, from time to time."""
        key, now = (status.vertex, status.id), status.completed or status.timestamp
        if now is None or status.started is None or key in self._transferred:
            return
        if status.completed is not None:
            self._transferred.add(key)
        elif now - self._transfers.setdefault(key, status.started) < _HEARTBEAT:
            return
        self._transfers[key] = now
        self._log_of(status.vertex, _describe(status, (now - status.started).total_seconds()))

    def _take_output(self, log: Log) -> None:
        key = (log.vertex, log.stream)
        text = self._partial.pop(key, "") + log.data.decode("utf-8", errors="replace")
        *lines, rest = text.split("\n")
        self._output(log.vertex, lines, log.timestamp)
        if rest:
            self._partial[key] = rest

    def _flush(self, digest: str, stream: int) -> None:
        self._output(digest, [self._partial.pop((digest, stream))], None)

    def _output(self, digest: str, lines: Iterable[str], at: datetime | None) -> None:
        step = self._step(digest)
        start = step.started_at
        offset = f"{(at - start).total_seconds():.3f} " if at and start else ""
        for line in lines:
            # Of a progress bar that draws over itself only the last state is of use.
            shown = printable(line.rstrip("\r").rpartition("\r")[2])
            step.output.append(shown)
            self._log_of(digest, f"{offset}{shown}" or " ")


def _describe(status: Status, duration_s: float) -> str:
    size = _bytes(status.current) if status.current else ""
    if status.total:
        size = f"{size or '0 B'} / {_bytes(status.total)}"
    end = "done" if status.completed else ""
    parts = (printable(status.id), size, f"{duration_s:.1f}s" if duration_s >= 0.05 else "", end)  # noqa: PLR2004
    return " ".join(filter(None, parts))


def _bytes(count: int) -> str:
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1000:  # noqa: PLR2004 - decimal units, as docker writes them
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"
