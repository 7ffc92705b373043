"""Blocks of a Slack message, each within Slack's limits, and how many of them fit into one message."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from nightly_pipeline.model.links import web_address
from nightly_pipeline.model.mrkdwn import MAX_BLOCKS, MAX_CHARACTERS, MAX_SECTION, characters, escape_mrkdwn
from nightly_pipeline.model.untrusted import clip, one_line

Block = dict[str, Any]

_MAX_HEADER = 150
_ROOM_FOR_MORE = 250


def header(text: str) -> Block:
    """The title, plain text."""
    return {"type": "header", "text": {"type": "plain_text", "text": clip(text, _MAX_HEADER), "emoji": True}}


def section(lines: Iterable[str]) -> Block:
    """Lines of mrkdwn, already escaped; what does not fit is counted."""
    return {"type": "section", "text": _mrkdwn(_fitting(list(lines), "line"))}


def context(lines: Iterable[str]) -> Block:
    """Small print: lines of mrkdwn, already escaped."""
    return {"type": "context", "elements": [_mrkdwn(_fitting(list(lines), "line"))]}


def fitted(
    head: Sequence[Block], body: Sequence[Block], tail: Sequence[Block], *, noun: str, most: int = MAX_BLOCKS
) -> list[Block]:
    """Head, as much of the body as fits (and `most` at most), how many more there are, and tail.

    Head and tail always stand: the caller keeps them short.
    """
    kept = list(body[:most])
    while kept and not _fits([*head, *kept, *tail], reserve=len(kept) < len(body)):
        kept.pop()
    left_out = len(body) - len(kept)
    more = [context([f"… {left_out:,} more {noun}{'' if left_out == 1 else 's'}"])] if left_out else []
    return [*head, *kept, *more, *tail]


def code(text: str, *, limit: int = 200) -> str:
    """One line of untrusted text between backticks."""
    return f"`{escaped_within(one_line(text), limit) or ' '}`"


def preformatted(text: str, *, limit: int) -> str:
    """Lines of untrusted text as a block of code."""
    return f"```{escaped_within(text, limit)}```"


def link(name: str, address: str | None) -> str:
    """A link where the address is one of the web, else the name alone."""
    safe = web_address(address)
    shown = escape_mrkdwn(one_line(name))
    # Slack splits a link at the bar; in names it would be harmless, but looks like one.
    return f"<{safe.replace('&', '&amp;')}|{shown.replace('|', '/')}>" if safe else shown


def escaped_within(text: str, limit: int) -> str:
    """Escaped text of at most `limit` characters, cut between characters and never inside an entity."""
    whole = text[: limit + 1]
    escaped = escape_mrkdwn(whole)
    if len(whole) == len(text) and len(escaped) <= limit:
        return escaped
    kept, room = [], limit - 1
    for char in whole:
        piece = escape_mrkdwn(char)
        room -= len(piece)
        if room < 0:
            break
        kept.append(piece)
    return "".join(kept) + "…"


def _mrkdwn(text: str) -> dict[str, Any]:
    # verbatim: Slack makes no links, channels or mentions of its own out of the text.
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _fitting(lines: Sequence[str], noun: str) -> str:
    if sum(len(line) + 1 for line in lines) <= MAX_SECTION:
        return "\n".join(lines)
    kept, room = [], MAX_SECTION - _ROOM_FOR_MORE
    for line in lines:
        room -= len(line) + 1
        if room < 0:
            break
        kept.append(line)
    left_out = len(lines) - len(kept)
    return "\n".join([*kept, f"… {left_out:,} more {noun}{'' if left_out == 1 else 's'}"])


def _fits(blocks: Sequence[Block], *, reserve: bool) -> bool:
    room = _ROOM_FOR_MORE if reserve else 0
    return len(blocks) + reserve <= MAX_BLOCKS and characters(blocks) + room <= MAX_CHARACTERS
