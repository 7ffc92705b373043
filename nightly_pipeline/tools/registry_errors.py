"""What a registry's refusal means."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from nightly_pipeline.errors import (
    NightlyError,
    RegistryAbsent,
    RegistryConflict,
    RegistryError,
    RegistryForbidden,
    RegistryFull,
    RegistryLoginExpired,
    RegistryTagImmutable,
    RegistryThrottled,
    RegistryUnavailable,
)
from nightly_pipeline.model.masking import mask

_SHOWN_CHARS = 300
# Of an upload that was begun before the registry was restarted, say: the next attempt begins another.
_LOST_UPLOADS = frozenset({"BLOB_UPLOAD_UNKNOWN", "BLOB_UPLOAD_INVALID"})
_FULL = ("no space left on device", "quota exceeded", "limitexceeded", "size_limit_exceeded")


@dataclass(frozen=True)
class Asked:
    """What was asked of which registry, for messages: `ecr (localhost:5000): nightly:x could not be read`."""

    role: str
    host: str
    what: str

    def __str__(self) -> str:
        return f"{self.role} ({self.host}): {self.what}"


def error_codes(body: bytes) -> tuple[str, ...] | None:
    """The codes in a registry's error document; None when the body is none."""
    try:
        errors = json.loads(body)["errors"]
        return tuple(str(error.get("code", "")).upper() for error in errors)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def refusal(response: httpx.Response, asked: Asked, secrets: Iterable[str] = ()) -> NightlyError:
    """The error for an answer that is none of those expected. The response's body must have been read.

    Args:
        response: the answer. It may say back the login it was sent, which is not shown.
        asked: what was asked of whom.
        secrets: what else was sent that is not to be shown.
    """
    status, said = response.status_code, response.text.lower()
    sent = (*secrets, *_login_in(response.request))
    message = f"{asked}: {status} {mask(response.reason_phrase, sent)}{_excerpt(response.text, sent)}"
    codes = set(error_codes(response.content) or ())
    if any(words in said for words in _FULL) or status == httpx.codes.INSUFFICIENT_STORAGE:
        return RegistryFull(message)
    if status == httpx.codes.TOO_MANY_REQUESTS or "TOOMANYREQUESTS" in codes:
        return RegistryThrottled(message, retry_after_s=retry_after_s(response))
    if status in {408, 425} or status >= httpx.codes.INTERNAL_SERVER_ERROR or _LOST_UPLOADS & codes:
        return RegistryUnavailable(message, retry_after_s=retry_after_s(response))
    if status in {401, 403}:
        return RegistryLoginExpired(message) if says_expired(response) else RegistryForbidden(message)
    if "immutable" in said:
        return RegistryTagImmutable(message)
    return _mistake(response, message, codes)


def _mistake(response: httpx.Response, message: str, codes: Collection[str]) -> RegistryError:
    """What is wrong with what was asked for, rather than with who asked or with the registry."""
    if response.status_code == httpx.codes.NOT_FOUND and "NAME_UNKNOWN" in codes:
        return RegistryAbsent(message)
    if {"MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN", "LAYERS_NOT_FOUND", "IMAGE_NOT_FOUND"}.intersection(codes):
        return RegistryConflict(
            message, next_step="What it refers to is not in the repository: copy that first."
        )
    if response.status_code == httpx.codes.CONFLICT:
        return RegistryTagImmutable(message)
    return RegistryError(message, next_step=_next_step(response.status_code, response.text))


def says_expired(response: httpx.Response) -> bool:
    """Whether a refusal is about a login that was good once. The response's body must have been read."""
    return "expired" in response.text.lower()


def _next_step(status: int, said: str) -> str | None:
    if status == httpx.codes.REQUEST_ENTITY_TOO_LARGE:
        return "Raise the upload limit of the registry, or of the proxy in front of it."
    if "HTTP request to an HTTPS server" in said:
        return "Set `insecure: false` for this registry in the profile: it speaks HTTPS."
    return None


def interruption(error: httpx.TransportError, asked: Asked) -> RegistryError:
    """The error for a request that got no answer."""
    message = f"{asked}: {type(error).__name__}: {mask(str(error))}"
    if not _is_tls(error):
        return RegistryUnavailable(message)
    if "certificate" in str(error).lower():
        return RegistryError(message, next_step="Give the CA bundle that signs this registry's certificate.")
    return RegistryError(
        message, next_step="If this registry speaks plain HTTP, set `insecure: true` for it."
    )


def _is_tls(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError) and not isinstance(
            error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)
        ):
            return True
        error = error.__cause__ or error.__context__
    return False


def retry_after_s(response: httpx.Response) -> float | None:
    """Seconds in `Retry-After`, which is a number or a date; None when it is missing or neither."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isdigit():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _login_in(request: httpx.Request) -> tuple[str, ...]:
    """What a request was sent with: the token, or the login as it is sent and its password."""
    scheme, _, sent = request.headers.get("Authorization", "").partition(" ")
    if scheme != "Basic":
        return (sent,)
    return sent, base64.b64decode(sent).decode().partition(":")[2]


def _excerpt(said: str, secrets: Iterable[str]) -> str:
    text = " ".join(mask(said, secrets).split())
    return f": {text[:_SHOWN_CHARS]}" if text else ""
