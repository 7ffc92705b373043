"""Delivers the team's message to Slack.

A message that Slack would refuse is cut here as a last guard, and says so. Tokens and webhook addresses are
secrets: they are in no repr, no log and no exception, so errors are built from Slack's error code alone.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.web import SlackResponse
from slack_sdk.webhook import WebhookClient

from nightly_pipeline.errors import NightlyError, NotificationError
from nightly_pipeline.tools.artifacts import quote_name
from nightly_pipeline.tools.slack_limits import fit_blocks, fit_text
from nightly_pipeline.tools.slack_transport import (
    PATIENT,
    Patience,
    RefusedError,
    error_code,
    reached,
    refused,
    retry_handlers,
    silent_logger,
)

Blocks = list[dict[str, Any]]

_log = logging.getLogger(__name__)

_GONE = frozenset({"message_not_found", "cant_update_message", "edit_window_closed", "thread_not_found"})
_UNDISPLAYABLE = frozenset({"msg_blocks_too_long", "msg_too_long", "invalid_blocks", "invalid_blocks_format"})


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

    can_update = False

    def __repr__(self) -> str:
        return "NullNotifier()"

    def post(self, *, text: str, blocks: Blocks, key: str, thread_of: str | None = None) -> None:  # noqa: ARG002
        """Leave the message unsent; say so in the log."""
        _log.info("Slack is not configured: the message for %s was not sent", key)


class WebhookNotifier:
    """Sends to an incoming webhook. It can neither update nor answer in a thread.

    So every call is a message of its own, and what belongs in a thread is not sent: the page has it.
    """

    can_update = False

    def __init__(self, url: str, *, patience: Patience = PATIENT) -> None:
        self._client = WebhookClient(
            url,
            timeout=patience.timeout_s,
            retry_handlers=retry_handlers(patience),
            logger=silent_logger(),
        )

    def __repr__(self) -> str:
        return "WebhookNotifier(url='***')"

    def post(self, *, text: str, blocks: Blocks, key: str, thread_of: str | None = None) -> None:
        """Send a message that belongs in no thread. Nobody learns from a webhook where it can be seen.

        Raises:
            NotificationError: Slack refused it, or could not be reached.
        """
        if thread_of is not None:
            return
        code = self._send(fit_text(text), fit_blocks(blocks))
        if code in _UNDISPLAYABLE:
            code = self._send(_without_details(text, code), None)
        if code:
            raise refused(code, key)

    def _send(self, text: str, blocks: Blocks | None) -> str | None:
        """Slack's error code, or None when it took the message."""
        response = reached(lambda: self._client.send(text=text, blocks=blocks))
        if response.status_code == 200:  # noqa: PLR2004
            return None
        return error_code(response.body) if response.body else f"http_{response.status_code}"


@dataclass(frozen=True)
class _Sent:
    """A message on record. `channel` is Slack's id of it: updates take no channel names.

    `permalink` is asked for once.
    """

    channel: str
    timestamp: str
    permalink: str | None = None


class SlackNotifier:
    """Sends one message per key to a channel, and updates it afterwards, also after a restart.

    Args:
        token: a bot token with `chat:write`.
        channel: name or id of the channel; the bot must be in it.
        state: remembers each key's message.
        base_url: Slack's API, when it is not the real one.
        patience: how long it may take.
    """

    can_update = True

    def __init__(
        self,
        token: str,
        channel: str,
        *,
        state: MessageRecords,
        base_url: str | None = None,
        patience: Patience = PATIENT,
    ) -> None:
        self._channel = channel
        self._state = state
        self._client = WebClient(
            token,
            base_url=f"{base_url.rstrip('/')}/" if base_url else WebClient.BASE_URL,
            timeout=patience.timeout_s,
            retry_handlers=retry_handlers(patience),
            logger=silent_logger(),
        )

    def __repr__(self) -> str:
        return f"SlackNotifier(token='***', channel={self._channel!r})"

    def post(self, *, text: str, blocks: Blocks, key: str, thread_of: str | None = None) -> str | None:
        """Send or, when a message for `key` is on record, update it; one deleted meanwhile is sent anew.

        Args:
            text: what notifications and screen readers show.
            blocks: Block Kit; cut to Slack's limits.
            key: names the message, for example the night.
            thread_of: key of the message in whose thread this one belongs; without a record, the channel.

        Returns:
            The address where it can be seen, or None when Slack does not tell.

        Raises:
            NotificationError: Slack refused it, or could not be reached.
        """
        thread = self._recall(thread_of) if thread_of else None
        try:
            sent = self._deliver(fit_text(text), fit_blocks(blocks), key, thread)
        except RefusedError as error:
            if error.code not in _UNDISPLAYABLE:
                raise refused(error.code, key) from None
            sent = self._deliver_text(_without_details(text, error.code), key, thread)
        return sent.permalink or self._permalink(key, sent)

    def _deliver_text(self, text: str, key: str, thread: _Sent | None) -> _Sent:
        try:
            return self._deliver(text, [], key, thread)
        except RefusedError as error:
            raise refused(error.code, key) from None

    def _deliver(self, text: str, blocks: Blocks, key: str, thread: _Sent | None) -> _Sent:
        before = self._recall(key)
        if before is not None:
            try:
                self._call(
                    self._client.chat_update,
                    channel=before.channel,
                    ts=before.timestamp,
                    text=text,
                    blocks=blocks,
                )
            except RefusedError as error:
                if error.code not in _GONE:
                    raise
            else:
                return before
        return self._send(text, blocks, key, thread)

    def _send(self, text: str, blocks: Blocks, key: str, thread: _Sent | None) -> _Sent:
        place = {"thread_ts": thread.timestamp} if thread else {}
        answer = self._call(
            self._client.chat_postMessage,
            channel=self._channel,
            text=text,
            blocks=blocks,
            unfurl_links=False,
            **place,
        )
        sent = _Sent(channel=str(answer.get("channel") or self._channel), timestamp=str(answer["ts"]))
        self._remember(key, sent)
        return sent

    def _permalink(self, key: str, sent: _Sent) -> str | None:
        """A convenience: without it the message is as delivered as with it."""
        try:
            answer = self._call(
                self._client.chat_getPermalink, channel=sent.channel, message_ts=sent.timestamp
            )
        except (RefusedError, NotificationError):
            return None
        if not answer.get("permalink"):
            return None
        known = replace(sent, permalink=str(answer["permalink"]))
        self._remember(key, known)
        return known.permalink

    def _call(self, method: Callable[..., SlackResponse], **arguments: Any) -> dict[str, Any]:
        try:
            response = reached(lambda: method(**arguments))
        except SlackApiError as error:
            raise RefusedError(error_code(error.response)) from None
        return dict(response.data) if isinstance(response.data, dict) else {}

    def _recall(self, key: str) -> _Sent | None:
        """The message on record for a key; a record that cannot be read counts as none."""
        try:
            content = self._state.read(self._place(key))
            document = json.loads(content) if content else {}
            return _Sent(
                channel=str(document["channel"]),
                timestamp=str(document["ts"]),
                permalink=document.get("permalink"),
            )
        except (KeyError, TypeError, ValueError):
            return None
        except NightlyError as error:
            _log.warning("the record of the Slack message for %s cannot be read: %s", key, error.message)
            return None

    def _remember(self, key: str, sent: _Sent) -> None:
        """The message is out: a full disk must not make it look as if it were not."""
        try:
            record = {"channel": sent.channel, "ts": sent.timestamp, "permalink": sent.permalink}
            self._state.write(self._place(key), json.dumps(record).encode())
        except NightlyError as error:
            _log.warning("the Slack message for %s will be sent anew, not updated: %s", key, error.message)

    def _place(self, key: str) -> str:
        return f"slack/{quote_name(self._channel)}/{quote_name(key)}.json"


def _without_details(text: str, code: str) -> str:
    return fit_text(f"{text}\n(The details were left out: Slack refused them with {code}. See the report.)")
