"""The team as an announcer knows it: a notifier that keeps what it was given, and turns that are taken or not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from nightly_pipeline.errors import NotificationError


@dataclass
class FakeNotifier:
    """Keeps messages by key, as Slack does; `down` makes every post fail.

    Attributes:
        posts: every post in order: (key, thread_of, text).
    """

    can_update: bool = True
    down: bool = False
    fails_at: str | None = None
    posts: list[tuple[str, str | None, str]] = field(default_factory=list)
    shown: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def post(
        self, *, text: str, blocks: list[dict[str, Any]], key: str, thread_of: str | None = None
    ) -> str | None:
        if self.down or key == self.fails_at:
            raise NotificationError("Slack could not be reached (ConnectionRefusedError)")
        self.posts.append((key, thread_of, text))
        self.shown[key] = blocks
        return f"https://slack.example/{key}"

    def keys(self) -> list[str]:
        return [key for key, _, _ in self.posts]


@dataclass
class FakeTurns:
    """One process alone, or one beside another that is at it."""

    taken: bool = False

    @contextmanager
    def take(self, name: str, *, wait_s: float) -> Iterator[bool]:
        yield not self.taken


@dataclass
class FakeClock:
    """A clock that stands until it is moved."""

    time: datetime = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def forward(self, **span: float) -> None:
        self.time += timedelta(**span)
