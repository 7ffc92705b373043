"""Prometheus text, read strictly enough to notice when it is none."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import NamedTuple

_SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)(?: \d+)?")


class Sample(NamedTuple):
    """One line: a metric's name, its labels as written, and its value."""

    name: str
    labels: str
    value: float


def parse(text: str) -> list[Sample]:
    """Return the samples of an exposition. Raises ValueError on a line that is none."""
    return [_sample(line) for line in text.splitlines() if line and not line.startswith("#")]


def total(text: str, name: str) -> float:
    """Return the sum of a counter over its labels. Raises ValueError when there is no such counter."""
    values = [sample.value for sample in parse(text) if sample.name == name]
    if not values:
        raise ValueError(f"there is no metric {name}")
    return sum(values)


def settled(read: Callable[[], float], expected: float, deadline: float) -> float:
    """Return the value once it is `expected`, or what it was when `deadline` seconds were over.

    Real servers count a request a moment after they have answered it.
    """
    end = time.monotonic() + deadline
    while (value := read()) != expected and time.monotonic() < end:
        time.sleep(0.05)
    return value


def _sample(line: str) -> Sample:
    match = _SAMPLE.fullmatch(line)
    if match is None:
        raise ValueError(f"not a line of Prometheus text: {line!r}")
    return Sample(match[1], match[2] or "", float(match[3]))
