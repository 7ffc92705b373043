"""Text of any origin inside Markdown, where it must stay text: in a cell, in a code span, in a block."""

from __future__ import annotations

import re

from nightly_pipeline.model.untrusted import one_line

_PLAIN = re.compile(r"[^\w \-./,;()=+%…—✓✗?]|(?<![^\W_])_|_(?![^\W_])")
_WEB_PREFIX = re.compile(r"www\.", re.IGNORECASE)


def escape_cell(text: str) -> str:
    """Text for a table cell or a paragraph, none of which means anything to Markdown or HTML."""
    escaped = _PLAIN.sub(lambda match: f"&#{ord(match[0])};", one_line(text))
    return _WEB_PREFIX.sub(lambda match: f"{match[0][:-1]}&#46;", escaped).replace("&#64;", "&#64;\u200b")


def code_span(text: str) -> str:
    """One line of text as inline code, for paragraphs and lists (a table cell needs `escape_cell`)."""
    line = one_line(text)
    if not line:
        return "(empty)"
    fence = "`" * (_longest_run(line) + 1)
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def code_block(text: str, *, indent: str = "") -> str:
    """Lines of text as a fenced block, each line indented (to stay inside a list's item)."""
    fence = "`" * max(3, _longest_run(text) + 1)
    lines = [f"{fence}text", *text.split("\n"), fence]
    return "\n".join(f"{indent}{line}" for line in lines) + "\n"


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)
