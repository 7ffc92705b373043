"""Is this machine ready for a night? Looks at everything side by side, and says what is missing and how to mend it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from nightly_pipeline.errors import NightlyError


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
        status: `missing` means that a night cannot run; a `warning` that part of it will not be good.
        detail: what was seen.
        remedy: what to do about it; empty when nothing is to be done.
    """

    name: str
    status: Readiness
    detail: str
    remedy: str = ""


@dataclass(frozen=True)
class Check:
    """One thing to look at. `look` may take its time and may raise; what cannot be found out is missing.

    Attributes:
        name: what is looked at.
        look: finds out.
        deadline_s: seconds it may take, where that is more than the doctor gives to all.
        late: what is said when it takes longer; None says that there was no answer.
    """

    name: str
    look: Callable[[], Finding]
    deadline_s: float | None = None
    late: Callable[[], Finding] | None = None


def doctor(checks: Iterable[Check], *, deadline_s: float = 5.0) -> list[Finding]:
    """Look at everything, side by side; the findings come in the order of the checks.

    Args:
        checks: what to look at.
        deadline_s: seconds for all of them together, but for those that say otherwise.
    """
    looks = [_Look(check, deadline_s) for check in checks]
    start = time.monotonic()
    for look in looks:
        look.thread.start()
    return [look.finding(start) for look in looks]


def is_ready(findings: Iterable[Finding]) -> bool:
    """Whether nothing is missing. Nothing looked at is not ready."""
    statuses = [finding.status for finding in findings]
    return bool(statuses) and Readiness.MISSING not in statuses


class _Look:
    """A check under way. Its thread does not keep the process alive when it hangs."""

    def __init__(self, check: Check, deadline_s: float) -> None:
        self._check = check
        self._deadline_s = check.deadline_s or deadline_s
        self._finding: Finding | None = None
        self.thread = threading.Thread(target=self._look, name=check.name, daemon=True)

    def _look(self) -> None:
        try:
            self._finding = self._check.look()
        except NightlyError as error:
            self._finding = self._missing(error.message, error.next_step)
        except Exception as error:  # noqa: BLE001 - a check that fails must not take the others with it
            self._finding = self._missing(f"could not be found out: {type(error).__name__}: {error}")

    def finding(self, start: float) -> Finding:
        """What was found in time; `start` is when all began."""
        self.thread.join(max(0.0, start + self._deadline_s - time.monotonic()))
        return self._finding or self._late()

    def _late(self) -> Finding:
        if self._check.late is not None:
            return self._check.late()
        return self._missing(f"no answer within {self._deadline_s:g} s")

    def _missing(self, detail: str, remedy: str = "") -> Finding:
        return Finding(self._check.name, Readiness.MISSING, detail, remedy)
