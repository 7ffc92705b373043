"""The signature of an error: equal for failures of one cause, whatever run, machine or minute they come from.

What differs between two failures of one cause (addresses, ids, times, temporary folders, measured numbers) is
replaced by a word for it; what tells causes apart (the exception, names, short whole numbers such as exit codes and
both sides of an assertion) is kept. The text is untrusted and may be megabytes: only its first part is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from hashlib import blake2b

from nightly_pipeline.model.signature_rules import RULES
from nightly_pipeline.model.untrusted import clip, first_line, visible

MOST_READ = 8_000
MOST_KEPT = 2_000
TITLE_LENGTH = 120
_MOST_PASSES = 12

_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_ERROR_LINE = re.compile(r"^E(?: {2,}(.*)| ?)$", re.MULTILINE)  # pytest marks an error's lines so
_TRACEBACK = "Traceback (most recent call last):"
_ASIDE = re.compile(
    r"(?:Full diff:|Use -v to get|\.\.\.Full output truncated|Captured (?:stdout|stderr|log) ).*"
)
_WORDS = re.compile("|".join(f"(?P<{rule.name}>{rule.pattern})" for rule in RULES))
_REPLACE: dict[str, Callable[[str], str]] = {rule.name: rule.replace for rule in RULES}
_TOKENS = re.compile(r"<[a-z]+>(?:/\S*)?|\S+|\s+")
_BARE_NAME = re.compile(r"[\w.]+:?")
_ROW = re.compile(r"(<number>|<n>|<time>)(?:[,\s]+\1)+")

_SAYS_LITTLE = re.compile(
    r"(?:error in (?:setup|call|teardown): )?"
    r"(?:(?:builtins\.)?(?:AssertionError|Exception|RuntimeError|SystemExit|Failed|KeyboardInterrupt)?:?\s*"
    r"(?:assert (?:False|None|0|not True))?"
    r"|.*never ended: the process ended while it was running"
    r"|(?:Failed: )?Timeout \(?>?\s?<(?:duration|number)>\)?(?: from pytest-timeout\.?)?"
    r"|(?:failed|error|crashed|unfinished), without a message"
    r"|worker .{0,20}crashed while running .*)"
)


@lru_cache(maxsize=8_192)
def signature_of(text: str) -> str:
    """Twelve hexadecimal digits that stand for an error's cause.

    Args:
        text: the error as one line, as pytest shows it, or as a Python traceback.
    """
    return blake2b(normalised(text).encode(), digest_size=6).hexdigest()


def title_of(text: str) -> str:
    """The error in a line a person can read: what its signature is made of. Untrusted text.

    >>> title_of("ConnectionError: 127.0.0.1:40123 refused after 3.2 s, request 17")
    'ConnectionError: <host> refused after <duration>, request <n>'
    """
    return clip(normalised(text), TITLE_LENGTH) or "no message"


def common_title(text: str, others: Iterable[str]) -> str:
    """The error in its own words where all say the same in their first line, else what they have in common.

    >>> common_title("assert 4095 == 4096", ["assert 4095 == 4096"])
    'assert 4095 == 4096'
    >>> common_title("refused after 3.2 s", ["refused after 3.9 s"])
    'refused after <duration>'
    """
    line = error_line(text)
    alike = all(other == text or error_line(other) == line for other in others)
    return clip(line, TITLE_LENGTH) if line and alike else title_of(text)


def error_line(text: str) -> str:
    """The line that says what went wrong, as it is; where that is a bare name, all of it in one line."""
    essence = _essence(_ANSI.sub("", _bounded(text, MOST_READ)))
    line = first_line(essence).strip()
    whole = essence if _BARE_NAME.fullmatch(line) else line
    return visible(" ".join(whole.split()))


def says_little(text: str) -> bool:
    """Whether an error could have any cause: `assert False`, a timeout, a process that ended.

    >>> says_little("AssertionError"), says_little("AssertionError: assert 404 == 200")
    (True, False)
    """
    return _SAYS_LITTLE.fullmatch(normalised(text)) is not None


@lru_cache(maxsize=2_048)
def normalised(text: str) -> str:
    """The error in one line without what differs between two failures of one cause; at most 2,000 characters.

    Normalising what is normalised changes nothing.
    """
    essence = _ASIDE.sub("", " ".join(_essence(_ANSI.sub("", _bounded(text, MOST_READ))).split()))
    return _settled(visible(essence))


def _settled(text: str) -> str:
    """Replace until nothing changes: what was put in may uncover its neighbour."""
    for _ in range(_MOST_PASSES):
        before = text
        text = _ROW.sub(r"\1", _WORDS.sub(_replaced, text))
        text = _whole_tokens(" ".join(text.split()), MOST_KEPT)
        if text == before:
            break
    return text


def _replaced(match: re.Match[str]) -> str:
    return _REPLACE[match.lastgroup or ""](match[0])


def _essence(text: str) -> str:
    """Of several lines those that say what went wrong: pytest's `E` lines, or what ends the last traceback."""
    marked = [match[1] or "" for match in _ERROR_LINE.finditer(text)]
    if any(marked):
        return "\n".join(marked)
    _, found, last = text.rpartition(_TRACEBACK + "\n")
    if not found:
        return text
    lines = last.split("\n")
    begin = next((at for at, line in enumerate(lines) if line and not line.startswith(" ")), 0)
    return "\n".join(lines[begin:])


def _bounded(text: str, limit: int) -> str:
    """The first part of a text and, where it is longer, its end: the error comes first, or last."""
    return text if len(text) <= limit else f"{text[: limit // 2]}\n{text[-limit // 2 :]}"


def _whole_tokens(text: str, limit: int) -> str:
    """Cut between words, so that what stands for something stays whole."""
    if len(text) <= limit:
        return text
    kept = ""
    for match in _TOKENS.finditer(text):
        if len(kept) + len(match[0]) > limit:
            break
        kept += match[0]
    return kept.strip() or text[:limit]
