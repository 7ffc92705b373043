"""Reads lines of evidence one by one, and believes none of them.

A line may be cut off, garbage, enormous, nested a million deep or written by a test that means harm. What
comes out of here is an event whose fields are of the type that was asked for and of bounded size, or nothing.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from io import BufferedIOBase
from typing import IO, Any

from pydantic_core import from_json

LINE_LIMIT = 16 * 1024 * 1024
"""Bytes of the longest line that is read; the plugin's longest are a twentieth of it."""

TEXT_LIMIT = 128 * 1024
NODE_ID_LIMIT = 2200
NAME_LIMIT = 200
LIST_LIMIT = 1000
NAMES_LIMIT = 100
COUNT_LIMIT = 10**9

_BACKSLASH_OR_NUL = re.compile(rb"(\\\\)|\\u0000")
"""In JSON. A backslash that is escaped takes no part in an escaped NUL, whatever letters follow it."""


@dataclass(frozen=True, slots=True)
class Event:
    """One line: its kind, and fields to be asked for by type. A field of another type is absent."""

    kind: str
    fields: Mapping[str, Any]

    def text(self, name: str, limit: int = TEXT_LIMIT) -> str | None:
        """A text of at most `limit` characters that can be encoded as UTF-8; None when absent or empty."""
        value = self.fields.get(name)
        return None if value is None else clean_text(value, limit) or None

    def word(self, name: str) -> str:
        """A text as it came, to be compared with known words and never kept; empty when absent."""
        value = self.fields.get(name)
        return value if isinstance(value, str) else ""

    def line(self, name: str, limit: int = 500) -> str | None:
        """Like `text`, on one line."""
        text = self.text(name)
        return " ".join(text.split())[:limit] if text else None

    def seconds(self, name: str) -> float:
        """A duration or a time in seconds; 0 for what is none."""
        value = self.fields.get(name)
        if type(value) is float and 0.0 <= value <= COUNT_LIMIT * 10.0:
            return value
        if isinstance(value, bool) or not isinstance(value, int | float):
            return 0.0
        if isinstance(value, int):
            return float(min(max(value, 0), COUNT_LIMIT * 10))
        return min(max(value, 0.0), COUNT_LIMIT * 10.0) if math.isfinite(value) else 0.0

    def count(self, name: str) -> int | None:
        """A whole number from 0 to a thousand million; None for what is none."""
        value = self.fields.get(name)
        if type(value) is not int:  # not a bool, which is an int too
            return None
        return value if 0 <= value <= COUNT_LIMIT else None

    def names(self, name: str) -> tuple[str, ...]:
        """A list of short texts."""
        if name not in self.fields:
            return ()
        return tuple(clean_text(item, NAME_LIMIT) for item in self._texts(name)[:NAMES_LIMIT])

    def node_ids(self, name: str) -> tuple[str, ...]:
        """A list of node ids."""
        return tuple(clean_node_id(item) for item in self._texts(name))

    def _texts(self, name: str) -> list[str]:
        value = self.fields.get(name)
        return (
            [item for item in value[:LIST_LIMIT] if isinstance(item, str)] if isinstance(value, list) else []
        )

    def node_id(self, name: str = "node_id") -> str:
        """A node id; empty when absent."""
        return clean_node_id(self.fields.get(name))

    def items(self, name: str) -> Iterator[Event]:
        """A list of objects, each to be asked like an event."""
        value = self.fields.get(name)
        for item in value[:LIST_LIMIT] if isinstance(value, list) else []:
            if isinstance(item, dict):
                yield Event(kind=name, fields=item)

    def mapping(self, name: str) -> dict[str, Any]:
        """An object as it is, its texts cleaned; empty when absent."""
        value = self.fields.get(name)
        if not isinstance(value, dict):
            return {}
        try:
            text = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
            cleaned: dict[str, Any] = json.loads(_BACKSLASH_OR_NUL.sub(lambda found: found[1] or b"", text))
        except (ValueError, RecursionError):
            return {}
        return cleaned


def bounded_lines(stream: IO[bytes] | BufferedIOBase) -> Iterator[bytes]:
    """The lines of an open file, in memory of bounded size; a line that is too long comes as an empty one."""
    while line := stream.readline(LINE_LIMIT):
        if len(line) < LINE_LIMIT or line.endswith(b"\n"):
            yield line
            continue
        while (rest := stream.readline(LINE_LIMIT)) and not rest.endswith(b"\n"):
            pass
        yield b""


def parse_line(line: str | bytes) -> Event | None:
    """One line as an event; None when it is damaged."""
    if not line or len(line) > LINE_LIMIT:
        return None
    value = _json(line)
    if not isinstance(value, dict) or not isinstance(value.get("event"), str):
        return None
    return Event(kind=value["event"], fields=value)


def _json(line: str | bytes) -> object:
    """A line's value; None when it is no JSON. The fast parser knows all but lone surrogates, which tests do print."""
    try:
        return from_json(line)
    except ValueError:
        pass
    try:
        return json.loads(line)
    except (ValueError, RecursionError):  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        return None


def clean_text(value: object, limit: int) -> str:
    """A text that can be stored anywhere: no lone surrogates, no NUL, `limit` characters before escaping."""
    if not isinstance(value, str):
        return ""
    text = value[:limit]
    if text.isascii() and "\x00" not in text:
        return text
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\x00", "\\x00")


def clean_node_id(value: object) -> str:
    """A node id of bounded length; two long ones that differ stay different."""
    if not isinstance(value, str):
        return ""
    if len(value) <= NODE_ID_LIMIT:
        return clean_text(value, NODE_ID_LIMIT)
    digest = sha256(value.encode("utf-8", "backslashreplace")).hexdigest()[:16]
    return f"{clean_text(value, NODE_ID_LIMIT)}...{digest}"
