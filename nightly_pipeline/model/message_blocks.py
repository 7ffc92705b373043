"""Blocks of a Slack message, each within Slack's limits, and how many of them fit into one message."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from nightly_pipeline.model.links import web_address
from nightly_pipeline.model.mrkdwn import (
    MAX_BLOCKS,
    MAX_CHARACTERS,
    MAX_SECTION,
    characters,
    escape_mrkdwn,
    fit_lines,
    more_text,
)
from nightly_pipeline.model.untrusted import clip, one_line, short_line

Block = dict[str, Any]
Message = tuple[str, list[Block]]
"""The text of the notification, and the blocks."""

_MAX_HEADER = 150


def header(text: str) -> Block:
    """The title, plain text."""
    return {"type": "header", "text": {"type": "plain_text", "text": clip(text, _MAX_HEADER), "emoji": True}}


def section(lines: Iterable[str]) -> Block:
    """Lines of mrkdwn, already escaped; what does not fit is counted."""
    return {"type": "section", "text": _mrkdwn(fit_lines(list(lines), MAX_SECTION))}


def context(lines: Iterable[str]) -> Block:
    """Small print: lines of mrkdwn, already escaped."""
    return {"type": "context", "elements": [_mrkdwn(fit_lines(list(lines), MAX_SECTION))]}


def fitted(
    head: Sequence[Block], body: Sequence[Block], tail: Sequence[Block], *, noun: str, most: int = MAX_BLOCKS
) -> list[Block]:
    """Head, as much of the body as fits (and `most` at most), how many more there are, and tail.

    Head and tail always stand: the caller keeps them short.
    """
    kept = list(body[:most])
    if len(kept) < len(body) or not _room([*head, *kept, *tail]).enough:
        kept = _from_the_top(kept, _room([*head, *tail, _more(len(body), noun)]))
    left_out = len(body) - len(kept)
    return [*head, *kept, *([_more(left_out, noun)] if left_out else []), *tail]


def code(text: str, *, limit: int = 200) -> str:
    """One line of untrusted text between backticks."""
    return f"`{escaped_within(short_line(text, limit), limit) or ' '}`"


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


@dataclass(frozen=True)
class _Room:
    """What is left of a message's limits."""

    blocks: int
    characters: int

    @property
    def enough(self) -> bool:
        return self.blocks >= 0 and self.characters >= 0


def _room(blocks: Sequence[Block]) -> _Room:
    return _Room(MAX_BLOCKS - len(blocks), MAX_CHARACTERS - characters(blocks))


def _from_the_top(blocks: Sequence[Block], room: _Room) -> list[Block]:
    kept: list[Block] = []
    left = room.characters
    for block in blocks[: max(0, room.blocks)]:
        left -= characters([block])  # with its brackets a little more than it takes among others
        if left < 0:
            break
        kept.append(block)
    return kept


def _more(count: int, noun: str) -> Block:
    return context([more_text(count, noun)])
