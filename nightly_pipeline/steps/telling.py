"""One go at telling the team of one night: its message, the replies in the thread, and what goes on record of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from nightly_pipeline.errors import NightlyError, NotificationError
from nightly_pipeline.model.announcement import Announcement, Reply, content_hash
from nightly_pipeline.model.dates import night_start
from nightly_pipeline.model.links import NO_LINKS, Links
from nightly_pipeline.model.message import night_message
from nightly_pipeline.model.message_background import Background
from nightly_pipeline.model.message_blocks import Message
from nightly_pipeline.model.message_reruns import gone_message, rerun_message
from nightly_pipeline.model.message_thread import thread_messages
from nightly_pipeline.model.report import Report
from nightly_pipeline.steps.ports import Notifier

_A_DAY = timedelta(days=1)
_LATER_RUNS = 10
_RUN = "run-"


@dataclass
class Telling:
    """Works for whoever holds the night's turn.

    Attributes:
        said: what was said so far; changes as messages go out.
        keep: puts it on record, also when Slack fails halfway: the next go continues there.
    """

    notifier: Notifier
    report: Report
    links: Links
    background: Background
    said: Announcement
    keep: Callable[[Announcement], None]
    clock: Callable[[], datetime]

    def follow(self) -> bool:
        """Say how far a running night has come; whether there was anything new to say. Raises NotificationError."""
        if not self.notifier.can_update or self.said.content == self._content():
            self.keep(self.said)
            return False
        with self._on_record():
            self._head()
            self._later_runs()
            self._note(failures=0, failing_since=None)
        return True

    def conclude(self) -> str | None:
        """Say what became of the night, details and all; return where it can be seen. Raises NotificationError."""
        with self._on_record():
            if not self.report.running:
                verdict = self.report.status.value
                self._note(verdicts={**self.said.verdicts, self.report.run_id: verdict})
            where = self._whole() if self.notifier.can_update else self._once()
            self._note(final=not self.report.running, failures=0, failing_since=None)
        return where

    def _whole(self) -> str | None:
        where = self._head()
        self._thread()
        self._later_runs()
        return where

    def _once(self) -> str | None:
        """Where nothing can be updated a message goes out when its night is over, and again when it reads anew."""
        if self.report.running or self.said.content == self._content():
            return None
        return self._head()

    def _head(self) -> str | None:
        text, blocks = night_message(self.report, self.links, self.background)
        where = self.notifier.post(text=text, blocks=blocks, key=_key(self.report.date))
        self._note(content=self._content())
        return where

    def _content(self) -> str:
        """That a message comes late is no news, and neither are addresses, which may be signed anew each time."""
        return content_hash(night_message(self.report, NO_LINKS, replace(self.background, remarks=())))

    def _thread(self) -> None:
        messages = thread_messages(self.report, self.links, self.background)
        for about, message in messages.items():
            self._reply(about, message)
        for about, reply in self.said.replies.items():
            if about not in messages and not about.startswith(_RUN) and not reply.gone:
                self._reply(about, gone_message(reply.title), title=reply.title, gone=True)

    def _later_runs(self) -> None:
        """A message that was read in the morning must not change at noon without a word."""
        for run in self.report.runs[1:][-_LATER_RUNS:]:
            message = rerun_message(self.report, run, self.said.verdicts, self.links)
            self._reply(f"{_RUN}{run.run_id}", message)

    def _reply(self, about: str, message: Message, *, title: str | None = None, gone: bool = False) -> None:
        known, content = self.said.replies.get(about), content_hash(message)
        if known is not None and known.content == content:
            return
        key = _key(self.report.date)
        text, blocks = message
        self.notifier.post(text=text, blocks=blocks, key=f"{key}-{about}", thread_of=key)
        reply = Reply(content=content, title=title or text, gone=gone)
        self._note(replies={**self.said.replies, about: reply})

    @contextmanager
    def _on_record(self) -> Iterator[None]:
        """Leave on record how far it came, and since when Slack cannot be told.

        Also that the team is being told, before it is: whoever is killed meanwhile leaves a message that somebody has
        to come back to.
        """
        with suppress(NightlyError):  # what cannot be kept is said afterwards; the team is told first
            self.keep(self.said)
        try:
            yield
        except NotificationError:
            since = self.said.failing_since or self.clock()
            self._note(failures=self.said.failures + 1, failing_since=since)
            raise
        finally:
            self.keep(self.said)

    def _note(self, **changes: object) -> None:
        self.said = self.said.model_copy(update=changes)


def remarks(report: Report, said: Announcement, now: datetime) -> tuple[str, ...]:
    """What a reader must know of when the night ran, and when this is said."""
    due = night_start(date.fromisoformat(report.date))
    began = report.started_at
    late_run = (
        f"Run on {began:%Y-%m-%d}: this is a night of the past." if began and began - due >= _A_DAY else None
    )
    return tuple(remark for remark in (late_run, said.remark(now)) if remark)


def _key(night: str) -> str:
    return f"night-{night}"
