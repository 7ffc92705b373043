"""Slack's message format: what untrusted text must become, and how large a message may be."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from nightly_pipeline.model.quantities import plural

MAX_BLOCKS = 45
MAX_CHARACTERS = 12_000
"""Of the blocks as JSON, which is what Slack counts before it answers `msg_blocks_too_long`."""
MAX_SECTION = 3_000
MAX_TEXT = 4_000

_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters, terminal escapes among them; tab and newline stay
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # turn the direction of the text that follows
    "\ud800-\udfff]"  # halves of a character: not valid in JSON that Slack reads
)


def escape_mrkdwn(text: str) -> str:
    """Make untrusted text safe in mrkdwn: no link, no mention, no way out of code, nothing invisible.

    Backticks become apostrophes, so that the text may stand between backticks; emphasis marks stay.
    """
    return _INVISIBLE.sub("", text).replace("`", "'").translate(_ENTITIES)


def characters(blocks: Sequence[dict[str, Any]]) -> int:
    """How many characters of a message's limit the blocks take."""
    return len(json.dumps(list(blocks), ensure_ascii=False, separators=(",", ":")))


def fit_lines(lines: Sequence[str], limit: int) -> str:
    """The lines from the top that fit into `limit` characters, then a line that says how many more there are.

    Whole lines, because a cut inside one may fall inside a link or an escaped character.
    """
    whole = "\n".join(lines)
    if len(whole) <= limit:
        return whole
    kept: list[str] = []
    room = limit - len(more_text(len(lines), "line"))
    for line in lines:
        room -= len(line) + 1
        if room < 0:
            break
        kept.append(line)
    return "\n".join([*kept, more_text(len(lines) - len(kept), "line")])


def more_text(count: int, noun: str) -> str:
    """What stands for things left out: `… 1,200 more lines`."""
    return f"… {plural(count, f'more {noun}')}"
