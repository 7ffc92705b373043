"""Counters of what was served, as Prometheus text with the imitated server's names."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping

from nightly_mock_engine.dialects import MetricNames

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class Metrics:
    """Thread-safe counters of one server."""

    def __init__(self, names: MetricNames, model: str) -> None:
        """Start at zero; `model` is the model_name label."""
        self._names = names
        self._model = model
        self._lock = threading.Lock()
        self._finished: Counter[str] = Counter(stop=0, length=0, abort=0)
        self._tokens: Counter[str] = Counter(prompt=0, generation=0)
        self._running = 0

    def started(self, prompt_tokens: int) -> None:
        """Count a request that began."""
        with self._lock:
            self._running += 1
            self._tokens["prompt"] += prompt_tokens

    def finished(self, reason: str, generation_tokens: int) -> None:
        """Count a request that ended: `stop`, `length`, or `abort` when the client went away."""
        with self._lock:
            self._running -= 1
            self._finished[reason] += 1
            self._tokens["generation"] += generation_tokens

    def render(self) -> str:
        """Return the exposition text, format 0.0.4."""
        with self._lock:
            return "".join(f"{line}\n" for line in self._lines())

    def _lines(self) -> Iterator[str]:
        if self._names.running is not None:
            yield from self._header(self._names.running, "gauge", "Requests being answered right now.")
            yield self._sample(self._names.running, self._running)
        yield from self._header(self._names.requests, "counter", "Requests answered.")
        for reason, count in sorted(self._finished.items()):
            yield self._sample(self._names.requests, count, {"finished_reason": reason})
        for name, key in (
            (self._names.prompt_tokens, "prompt"),
            (self._names.generation_tokens, "generation"),
        ):
            if name is not None:
                yield from self._header(name, "counter", f"Tokens: {key}.")
                yield self._sample(name, self._tokens[key])

    def _header(self, name: str, kind: str, text: str) -> tuple[str, str]:
        return f"# HELP {name} {text} Counted by a mock engine.", f"# TYPE {name} {kind}"

    def _sample(self, name: str, value: int, extra: Mapping[str, str] | None = None) -> str:
        labels = {"engine": "mock", "model_name": self._model, **(extra or {})}
        text = ",".join(f'{key}="{label.translate(_ESCAPES)}"' for key, label in labels.items())
        return f"{name}{{{text}}} {value}"
