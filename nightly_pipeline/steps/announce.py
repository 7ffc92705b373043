"""Telling the team: one message a night, its details in the message's thread."""

from __future__ import annotations

from nightly_pipeline.model.links import Links
from nightly_pipeline.model.message import night_message, thread_messages
from nightly_pipeline.model.report import Report
from nightly_pipeline.steps.ports import Notifier


def announce(report: Report, links: Links, notifier: Notifier) -> str | None:
    """Send the night's message, or update it, and what each troubled cell has to say; return where it can be seen.

    Raises:
        NotificationError: something could not be delivered.
    """
    key = f"night-{report.date}"
    text, blocks = night_message(report, links)
    where = notifier.post(text=text, blocks=blocks, key=key)
    for number, (details, detail_blocks) in enumerate(thread_messages(report, links), start=1):
        notifier.post(text=details, blocks=detail_blocks, key=f"{key}-{number}", thread_of=key)
    return where
