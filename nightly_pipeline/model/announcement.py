"""What a night's message has said so far: kept, so that a restart, an outage or a second run continues it."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta

from pydantic import Field

from nightly_pipeline.model.message_blocks import Message
from nightly_pipeline.model.outcomes import Record

GIVE_UP_AFTER = timedelta(days=3)
"""Older than this, a message that never got its last form is left as it is: its night's artifacts go, too."""

_FIRST_WAIT = timedelta(minutes=10)
_LONGEST_EXPONENT = 5


class Reply(Record):
    """A reply in the thread: what it said last, and its title."""

    content: str
    title: str
    gone: bool = False


class Announcement(Record):
    """The message of one night.

    Attributes:
        begun_at, told_at: when the team was first and last told, or it was tried.
        content: a hash of what the message said last; empty before the first delivery.
        final: it has its last form, thread and all; until then somebody has to come back to it.
        failures, failing_since: tries in a row that did not reach Slack, and the first of them.
        verdicts: run id -> the night's verdict when that run had ended.
        replies: key -> the reply in the thread.
    """

    date: str
    begun_at: datetime
    told_at: datetime
    content: str = ""
    final: bool = False
    failures: int = 0
    failing_since: datetime | None = None
    verdicts: dict[str, str] = Field(default_factory=dict)
    replies: dict[str, Reply] = Field(default_factory=dict)

    def is_due_again(self, now: datetime) -> bool:
        """Whether it is time to try again for its last form: 10 minutes after the last try, then ever longer.

        The summary of a run gets its chance first: it is asked for as soon as the run ends.
        """
        if self.final or now - self.begun_at > GIVE_UP_AFTER:
            return False
        longer = 1 << min(max(self.failures - 1, 0), _LONGEST_EXPONENT)
        return self.was_left_alone(now, _FIRST_WAIT * longer)

    def was_left_alone(self, now: datetime, pause: timedelta) -> bool:
        """Whether nobody has told the team for this long. What was told in the future was told by a wrong clock."""
        return not timedelta() <= now - self.told_at < pause

    def remark(self, now: datetime) -> str | None:
        """What a message that comes late says of itself."""
        if self.failing_since is None or now - self.failing_since < _FIRST_WAIT:
            return None
        return f"This comes late: Slack could not be told from {self.failing_since:%Y-%m-%d %H:%M} UTC on."


def content_hash(message: Message) -> str:
    """Equal for messages that look the same."""
    return hashlib.sha256(json.dumps(message).encode(errors="backslashreplace")).hexdigest()[:16]
