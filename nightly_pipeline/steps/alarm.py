"""Raising the alarm when no night finishes any more: once for each time that happens, and a word when it is over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from nightly_pipeline.model.freshness import Freshness
from nightly_pipeline.model.message_alarm import alarm_message
from nightly_pipeline.model.outcomes import Record
from nightly_pipeline.steps.announce import Turns
from nightly_pipeline.steps.ports import ArtifactStore, Notifier

_PLACE = "alarms/lateness.json"
_TURN = "alarm"


class _Raised(Record):
    """The newest alarm: the deadline it was raised for, and whether its end was told."""

    deadline: datetime
    over: bool = False


@dataclass(frozen=True)
class Alarm:
    """Tells the team. Whether it was told is on record, so that neither a restart nor a second watcher repeats it."""

    notifier: Notifier
    store: ArtifactStore
    turns: Turns
    address: str | None = None

    def consider(self, freshness: Freshness) -> str:
        """Raise the alarm, or say that it is over, where that is news; return in words what was done.

        Raises:
            NotificationError: the team could not be told; the next call tries again.
        """
        with self.turns.take(_TURN, wait_s=0) as mine:
            if not mine:
                return "somebody else is telling the team"
            return self._raise(freshness) if freshness.late else self._end(freshness)

    def _raise(self, freshness: Freshness) -> str:
        raised = self._raised()
        if raised is not None and raised.deadline == freshness.deadline:
            return "the team was told before"
        self._post(freshness, freshness.deadline)
        self._keep(_Raised(deadline=freshness.deadline))
        return "the team was told"

    def _end(self, freshness: Freshness) -> str:
        raised = self._raised()
        if raised is None or raised.over:
            return "no alarm"
        if self.notifier.can_update:
            self._post(freshness, raised.deadline)
        self._keep(_Raised(deadline=raised.deadline, over=True))
        return "the alarm is over"

    def _post(self, freshness: Freshness, deadline: datetime) -> None:
        text, blocks = alarm_message(freshness, self.address)
        self.notifier.post(text=text, blocks=blocks, key=f"late-{deadline:%Y-%m-%dT%H%M%SZ}")

    def _raised(self) -> _Raised | None:
        try:
            return _Raised.model_validate_json(self.store.read(_PLACE) or b"")
        except ValidationError:
            return None

    def _keep(self, raised: _Raised) -> None:
        self.store.write(_PLACE, raised.model_dump_json().encode())
