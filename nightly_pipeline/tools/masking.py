"""Keep secrets out of messages."""

from __future__ import annotations

import re
from collections.abc import Iterable

MASK = "***"
_USER_INFO = re.compile(r"(?P<scheme>\b[a-z][a-z0-9+.-]*://)[^/\s@'\"]+@", re.IGNORECASE)


def mask(text: str, secrets: Iterable[str] = ()) -> str:
    """Replace every secret, and the user part of every address (`https://user:token@host`), by `***`."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, MASK)
    return _USER_INFO.sub(rf"\g<scheme>{MASK}@", text)
