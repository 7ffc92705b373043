"""Is this machine ready for a night? The prerequisites as data."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum


class Readiness(StrEnum):
    """Whether a prerequisite is there."""

    OK = "ok"
    MISSING = "missing"
    WARNING = "warning"


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        name: what was looked at.
        status: `missing` means that a night cannot run.
        detail: what was seen.
        remedy: what to do about it; empty when nothing is to be done.
    """

    name: str
    status: Readiness
    detail: str
    remedy: str = ""


@dataclass(frozen=True)
class Check:
    """One thing to look at."""

    name: str
    look: Callable[[], Finding]


def doctor(checks: Iterable[Check], *, deadline_s: float = 5.0) -> list[Finding]:
    """Look at everything, side by side; the findings come in the order of the checks."""
    raise NotImplementedError
