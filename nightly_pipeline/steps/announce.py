"""Telling the team: one message a night, brought up to date while the night runs, its details in the thread.

What was said is on record, so that whoever comes next - another process, a restart, a later run of the same night -
continues the same message. Telling never fails a night.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from pydantic import ValidationError

from nightly_pipeline.errors import NotificationError
from nightly_pipeline.model.announcement import Announcement
from nightly_pipeline.model.links import Links
from nightly_pipeline.model.message_background import Background
from nightly_pipeline.model.report import Report
from nightly_pipeline.steps.ports import ArtifactStore, Notifier
from nightly_pipeline.steps.telling import Telling, remarks

_FOLDER = "nights"
_LONGEST_PAUSE = timedelta(minutes=5)
_LONGEST_EXPONENT = 8
_PATIENCE_S = 90.0


class Turns(Protocol):
    """Lets one process at a time tell the team of a night."""

    def take(self, name: str, *, wait_s: float) -> AbstractContextManager[bool]:
        """Hold a turn; False when somebody else has it."""
        ...


def utc_now() -> datetime:
    """The clock."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Announcer:
    """Keeps the messages of nights up to date.

    Attributes:
        store: where what was said is kept.
        every: a running night's message changes no more often than this.
        mentions: owner -> Slack id of the user or group.
        clock: says what time it is.
    """

    notifier: Notifier
    store: ArtifactStore
    turns: Turns
    every: timedelta = timedelta(seconds=20)
    mentions: Mapping[str, str] = field(default_factory=dict)
    clock: Callable[[], datetime] = utc_now

    def follow(self, report: Report, links: Links, *, usual_s: float | None = None) -> bool:
        """Post a running night's message, or update it; whether anything was sent.

        Nothing is sent too soon after the last time, where nothing changed, while somebody else is at it, and where
        messages cannot be updated: there only the last form is sent.

        Raises:
            NotificationError: Slack refused it, or could not be reached.
        """
        with self.turns.take(report.date, wait_s=0) as mine:
            before = self.said(report.date)
            if not mine or (before and not self._wants_more(before, report)):
                return False
            said = self._opened(before, report)
            return self._telling(report, links, said, usual_s).follow()

    def conclude(self, report: Report, links: Links, *, usual_s: float | None = None) -> str | None:
        """Give a night's message its last form, with its thread; return where it can be seen.

        Raises:
            NotificationError: something could not be delivered; `unfinished` names the night until it is.
        """
        with self.turns.take(report.date, wait_s=_PATIENCE_S) as mine:
            if not mine:
                raise NotificationError(f"another process has been telling of {report.date} for too long")
            said = self._opened(self.said(report.date), report)
            return self._telling(report, links, said, usual_s).conclude()

    def unfinished(self) -> list[Announcement]:
        """The nights whose message wants its last form now, newest first."""
        dates = [key.removeprefix(f"{_FOLDER}/").removesuffix(".json") for key in self.store.keys(_FOLDER)]
        found = (self.said(night) for night in sorted(dates, reverse=True))
        return [said for said in found if said is not None and said.is_due_again(self.clock())]

    def said(self, night: str) -> Announcement | None:
        """What was said of a night so far. A record that cannot be read counts as none."""
        try:
            return Announcement.model_validate_json(self.store.read(_place(night)) or b"")
        except ValidationError:
            return None

    def keep(self, said: Announcement) -> None:
        """Put what was said on record."""
        self.store.write(_place(said.date), said.model_dump_json(indent=2).encode())

    def _wants_more(self, said: Announcement, report: Report) -> bool:
        """Not so soon; and not when the run has been summarised since this report of a running one was made."""
        summarised = said.final and report.run_id in said.verdicts
        return not summarised and said.was_left_alone(self.clock(), _pause(said, self.every))

    def _telling(self, report: Report, links: Links, said: Announcement, usual_s: float | None) -> Telling:
        background = Background(
            usual_s=usual_s, mentions=self.mentions, remarks=remarks(report, said, self.clock())
        )
        return Telling(self.notifier, report, links, background, said, keep=self.keep, clock=self.clock)

    def _opened(self, before: Announcement | None, report: Report) -> Announcement:
        now = self.clock()
        if before is None or before.final:
            known = before.model_dump() if before else {"date": report.date}
            return Announcement.model_validate({**known, "begun_at": now, "told_at": now, "final": False})
        return before.model_copy(update={"told_at": now})


def _pause(said: Announcement, every: timedelta) -> timedelta:
    """How long a running night's message is left alone: longer and longer while Slack cannot be told."""
    return min(every * (1 << min(said.failures, _LONGEST_EXPONENT)), max(every, _LONGEST_PAUSE))


def _place(night: str) -> str:
    return f"{_FOLDER}/{night}.json"
