"""Keep secrets out of what is shown or written down."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

MASK = "***"
SHORTEST_SECRET = 6
"""Characters: masking anything shorter would tear up ordinary text, and hide nothing."""

_USER_INFO = re.compile(r"(?P<scheme>\b[a-z][a-z0-9+.-]*://)[^/\s@'\"]+@", re.IGNORECASE)


def masked(text: str, secrets: Iterable[str]) -> str:
    """The text with every secret, as it is and as JSON spells it, replaced by `***`.

    >>> masked("token hf_abcdef refused", ["hf_abcdef"])
    'token *** refused'
    """
    for spelling in _spellings(secrets):
        text = text.replace(spelling, MASK)
    return text


def mask(text: str, secrets: Iterable[str] = ()) -> str:
    """The text with every secret, and the user part of every address in it, replaced by `***`.

    >>> mask("fatal: https://user:token@example.org/x.git is gone")
    'fatal: https://***@example.org/x.git is gone'
    """
    return _USER_INFO.sub(rf"\g<scheme>{MASK}@", masked(text, secrets))


def without_credentials(address: str) -> str:
    """The address without its user part.

    >>> without_credentials("https://user:token@example.org/team/project.git")
    'https://example.org/team/project.git'
    """
    return _USER_INFO.sub(r"\g<scheme>", address)


def _spellings(secrets: Iterable[str]) -> list[str]:
    """Longest first: a secret may be part of another one."""
    found = {
        spelling
        for secret in secrets
        if len(secret) >= SHORTEST_SECRET
        for spelling in (secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1])
    }
    return sorted(found, key=len, reverse=True)
