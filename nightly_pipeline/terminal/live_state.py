"""What a live view knows of the steps of a night: how each stands, since when, and for how long it ran."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from nightly_pipeline.model.plan import Key, Plan
from nightly_pipeline.model.reading import Tone

State = Literal["waiting", "queued", "running", "good", "bad", "cancelled"]

TONES: dict[State, Tone] = {
    "waiting": Tone.PENDING,
    "queued": Tone.PENDING,
    "running": Tone.PENDING,
    "good": Tone.GOOD,
    "bad": Tone.BAD,
    "cancelled": Tone.UNKNOWN,
}
SYMBOLS: dict[State, str] = {
    "waiting": "·",
    "queued": "…",
    "running": "▶",
    "good": "✓",
    "bad": "✗",
    "cancelled": "?",
}
ENDED: frozenset[State] = frozenset({"good", "bad", "cancelled"})


@dataclass(frozen=True)
class Step:
    """One step of the night. `word` is its status, in the project's words, once it has one."""

    state: State = "waiting"
    word: str = ""
    detail: str = ""
    began: datetime | None = None
    ended: datetime | None = None

    def elapsed_s(self, now: datetime) -> float | None:
        """Seconds it ran, or has been running; None when it never began."""
        if self.began is None:
            return None
        return max(0.0, ((self.ended or now) - self.began).total_seconds())


@dataclass
class NightState:
    """All steps of a plan, and those that turned up beside it (the source revision, the summary)."""

    planned: tuple[Key, ...]
    began: datetime
    steps: dict[Key, Step] = field(default_factory=dict)

    @classmethod
    def of(cls, plan: Plan, began: datetime) -> NightState:
        """Everything of the plan, waiting."""
        keys = tuple(entry.key for entry in plan.entries)
        return cls(planned=keys, began=began, steps=dict.fromkeys(keys, Step()))

    def update(self, key: Key, state: State, word: str, detail: str, now: datetime) -> bool:
        """Take over how a step stands; False when that is nothing new."""
        before = self.steps.get(key, Step())
        if key in self.steps and (before.state, before.word, before.detail) == (state, word, detail):
            return False
        after = replace(before, state=state, word=word, detail=detail)
        if state == "running" and before.state != "running":
            after = replace(after, began=now, ended=None)
        if state in ENDED and before.ended is None:
            after = replace(after, ended=now)
        self.steps[key] = after
        return True

    def counted(self, *states: State) -> int:
        """How many planned steps are in one of these states."""
        return sum(self.steps[key].state in states for key in self.planned)
