"""Text that comes out of a container: node ids, messages, output. Anything may stand in it.

These functions make it visible and one-lined; each place that shows text adds its own escaping on top.
"""

from __future__ import annotations

import re

# Control characters (C0 without tab and newline, DEL, C1), line and paragraph separators, marks that turn the
# reading direction, invisible ones, and lone surrogates, which cannot be encoded at all.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
_WHITESPACE = re.compile(r"\s+")
_FIRST_LINE = re.compile(r"\S.*")
_RAW_PER_SHOWN = 20


def visible(text: str) -> str:
    r"""Show hidden characters as Python would write them; newlines and tabs stay.

    >>> visible("a\x1b[31mred")
    'a\\x1b[31mred'
    """
    return _HIDDEN.sub(_escape, text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    r"""Visible text without a line break: whitespace of any kind becomes one space.

    >>> one_line("assert 1 == 2\n  where 1 = f()")
    'assert 1 == 2 where 1 = f()'
    """
    return _WHITESPACE.sub(" ", visible(text)).strip()


def short_line(text: str, limit: int) -> str:
    r"""Visible text in one line of at most `limit` characters; an ellipsis says that there was more.

    Only the beginning of the text is looked at: it may be megabytes.

    >>> short_line("assert 1 == 2\n  where 1 = f()", 12)
    'assert 1 ==…'
    """
    return clip(one_line(clip(text, limit * _RAW_PER_SHOWN)), limit)


def first_line(text: str) -> str:
    r"""The first line that says something, as it is.

    >>> first_line("\n\nAssertionError: no\n+ more")
    'AssertionError: no'
    """
    found = _FIRST_LINE.search(text)
    return found[0] if found else ""


def clip(text: str, limit: int) -> str:
    """At most `limit` characters; an ellipsis says that there was more.

    >>> clip("abcdef", 4)
    'abc…'
    """
    return text if len(text) <= limit else text[: max(0, limit - 1)] + "…"[:limit]


def excerpt(text: str, *, lines: int, characters: int) -> str:
    """Visible text cut to a number of lines and characters; a last line says how much was left out."""
    whole = text.strip("\n")
    kept = "\n".join(whole[: characters + 1].split("\n")[:lines])[:characters]
    left_out = len(whole) - len(kept)
    shown = clip(visible(kept), characters)
    return f"{shown}\n… {left_out:,} more characters" if left_out else shown


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"  # noqa: PLR2004 - what one byte holds
