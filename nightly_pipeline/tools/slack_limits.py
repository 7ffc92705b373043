"""The last guard before Slack: a message that it would refuse is cut, and says so outside what is cut."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nightly_pipeline.model.mrkdwn import (
    MAX_BLOCKS,
    MAX_CHARACTERS,
    MAX_SECTION,
    MAX_TEXT,
    characters,
    fit_lines,
    more_text,
)

Block = dict[str, Any]

_LONGEST_NOTE = 200


def fit_text(text: str) -> str:
    """The text within Slack's limit; whole lines go, and how many is said. A message is never empty."""
    return _cut(text, MAX_TEXT) or "(no text)"


def fit_blocks(blocks: Iterable[Block]) -> list[Block]:
    """The blocks from the top that fit (45, of 12,000 characters), then a line that says how many more."""
    fitting = [_fit_section(block) for block in blocks]
    if _fits(fitting, reserved_blocks=0, reserved_characters=0):
        return fitting
    kept = list(fitting)
    while kept and not _fits(kept, reserved_blocks=1, reserved_characters=_LONGEST_NOTE):
        kept.pop()
    return [*kept, _note(len(fitting) - len(kept))]


def _fits(blocks: list[Block], *, reserved_blocks: int, reserved_characters: int) -> bool:
    few_enough = len(blocks) <= MAX_BLOCKS - reserved_blocks
    return few_enough and characters(blocks) <= MAX_CHARACTERS - reserved_characters


def _note(count: int) -> Block:
    text = f"{more_text(count, 'block')} left out: see the night's report."
    return {"type": "context", "elements": [{"type": "plain_text", "text": text}]}


def _fit_section(block: Block) -> Block:
    text = block.get("text")
    if block.get("type") != "section" or not isinstance(text, dict):
        return block
    return {**block, "text": {**text, "text": _cut(str(text.get("text", "")), MAX_SECTION)}}


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else fit_lines(text.splitlines(), limit)
