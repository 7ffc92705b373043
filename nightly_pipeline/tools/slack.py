"""Delivers the team's message to Slack."""

from __future__ import annotations

from typing import Any, Protocol


class MessageRecords(Protocol):
    """Where a notifier remembers what it sent: any artifact store."""

    def write(self, key: str, content: bytes) -> None:
        """Write whole or not at all."""
        ...

    def read(self, key: str) -> bytes | None:
        """The content, or None when it is absent."""
        ...


class NullNotifier:
    """Sends nothing: Slack is not configured."""

    def post(self, *, text: str, blocks: list[dict[str, Any]], key: str) -> str | None:
        """Send nothing."""


class WebhookNotifier:
    """Sends to an incoming webhook. A webhook cannot update: every call is a message of its own."""

    def __init__(self, url: str) -> None:
        raise NotImplementedError

    def post(self, *, text: str, blocks: list[dict[str, Any]], key: str) -> str | None:
        """Send a message. Raises NotificationError."""
        raise NotImplementedError


class SlackNotifier:
    """Sends one message per key to a channel, and updates it afterwards."""

    def __init__(
        self, token: str, channel: str, *, state: MessageRecords, base_url: str | None = None
    ) -> None:
        raise NotImplementedError

    def post(self, *, text: str, blocks: list[dict[str, Any]], key: str) -> str | None:
        """Send or update. Raises NotificationError."""
        raise NotImplementedError


def escape_mrkdwn(text: str) -> str:
    """Make untrusted text safe in mrkdwn."""
    raise NotImplementedError
