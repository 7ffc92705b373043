"""Calling Slack: when a call is tried again, and what a refusal is turned into."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import TypeVar

from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.http_retry import (
    BackoffRetryIntervalCalculator,
    ConnectionErrorRetryHandler,
    HttpRequest,
    HttpResponse,
    RateLimitErrorRetryHandler,
    RetryHandler,
    RetryState,
)
from slack_sdk.web import SlackResponse

from nightly_pipeline.errors import NotificationError

Answer = TypeVar("Answer")

_OK = 200
_SERVER_ERROR = 500

_LOGIN = frozenset(
    {"invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "missing_scope"}
)
_CHANNEL = frozenset({"channel_not_found", "not_in_channel", "is_archived", "restricted_action"})
_WEBHOOK = frozenset(
    {"no_service", "no_service_id", "no_team", "team_disabled", "channel_is_archived", "no_active_hooks"}
)
_CODE = re.compile(r"[a-z][a-z0-9_]{1,60}")


@dataclass(frozen=True)
class Patience:
    """How much a call to Slack may cost in time.

    Attributes:
        retries: after rate limits, server errors and broken connections, each.
        longest_wait_s: a rate limit that asks for more is not waited for: meanwhile the step holds a slot.
        timeout_s: of one call.
        first_wait_s: before the first retry; each later wait doubles.
    """

    retries: int = 3
    longest_wait_s: float = 120.0
    timeout_s: int = 15
    first_wait_s: float = 0.5


PATIENT = Patience()
BRISK = Patience(retries=1, longest_wait_s=5.0, timeout_s=8)
"""For what comes again soon by itself, and for places that must not wait (Dagster ends a sensor after 60 s)."""


class _PatientRateLimit(RateLimitErrorRetryHandler):
    """Waits as long as Slack asks for, within limits."""

    def __init__(self, patience: Patience) -> None:
        super().__init__(max_retry_count=patience.retries)
        self._longest_wait_s = patience.longest_wait_s

    def _can_retry(
        self,
        *,
        state: RetryState,
        request: HttpRequest,
        response: HttpResponse | None = None,
        error: Exception | None = None,
    ) -> bool:
        limited = super()._can_retry(state=state, request=request, response=response, error=error)
        return limited and response is not None and _wait_s(response.headers) <= self._longest_wait_s


class _AnyServerError(RetryHandler):
    """Also 502 and 504, from gateways in front of Slack: slack_sdk's own handler takes them as final."""

    def _can_retry(
        self,
        *,
        state: RetryState,  # noqa: ARG002
        request: HttpRequest,  # noqa: ARG002
        response: HttpResponse | None = None,
        error: Exception | None = None,  # noqa: ARG002
    ) -> bool:
        return response is not None and response.status_code >= _SERVER_ERROR


def retry_handlers(patience: Patience) -> list[RetryHandler]:
    """Handlers for a slack_sdk client; they take the place of its default ones."""
    backoff = BackoffRetryIntervalCalculator(backoff_factor=patience.first_wait_s)
    return [
        ConnectionErrorRetryHandler(max_retry_count=patience.retries, interval_calculator=backoff),
        _PatientRateLimit(patience),
        _AnyServerError(max_retry_count=patience.retries, interval_calculator=backoff),
    ]


def _wait_s(headers: Mapping[str, list[str] | str]) -> float:
    """What Retry-After asks for; endless when it cannot be read, as the handler would fail on it."""
    values = [value for name, value in headers.items() if name.lower() == "retry-after"]
    try:
        return float(int(values[0][0])) if values else 1.0
    except (ValueError, IndexError):
        return float("inf")


class RefusedError(Exception):
    """Slack's error code, and nothing else of what was sent or answered."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def reached(call: Callable[[], Answer]) -> Answer:
    """Make a call; what keeps it from reaching Slack becomes a NotificationError without the address.

    Raises:
        SlackApiError: Slack answered, and refused.
    """
    try:
        return call()
    except SlackApiError:
        raise
    except (SlackClientError, HTTPException, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise NotificationError(
            f"Slack could not be reached ({type(reason).__name__})",
            next_step="It may pass: materialize `nightly_summary` again to send the message later.",
        ) from None


def refused(code: str, key: str) -> NotificationError:
    """The error for a message that Slack answered with an error code."""
    return NotificationError(f"Slack refused the message for {key}: {code}", next_step=_next_step(code))


def _next_step(code: str) -> str | None:
    if code in _LOGIN:
        return "Check SLACK_BOT_TOKEN and that the app has the right `chat:write`."
    if code in _CHANNEL:
        return "Check the channel's name and invite the bot to it: `/invite @bot`."
    if code in _WEBHOOK:
        return "Check SLACK_WEBHOOK_URL: the webhook or its channel is gone."
    return None


def error_code(answer: SlackResponse | str) -> str:
    """The error code in an answer of the API or of a webhook; only what looks like a code is let through."""
    code = answer if isinstance(answer, str) else answer.get("error")
    if isinstance(code, str) and _CODE.fullmatch(code.strip()):
        return code.strip()
    if isinstance(answer, SlackResponse) and answer.status_code != _OK:
        return f"http_{answer.status_code}"
    return "unreadable_answer"


def silent_logger() -> logging.Logger:
    """For slack_sdk, which writes webhook addresses and bodies to its log."""
    return logging.Logger(  # noqa: LOG001 - not in the tree of loggers, so nobody's configuration makes it speak
        "slack_sdk, silent", level=logging.CRITICAL + 1
    )
