"""Finding what a person probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(word: str, allowed: Iterable[str]) -> str | None:
    """The allowed spelling nearest to `word`, or None when none is near.

    >>> nearest("vlm", ["vllm", "sglang"])
    'vllm'
    """
    by_folded = {_fold(candidate): candidate for candidate in allowed}
    matches = get_close_matches(_fold(word), by_folded, n=1, cutoff=0.5)
    return by_folded[matches[0]] if matches else None


def unknown(kind: str, word: str, allowed: Iterable[str]) -> str:
    """The message for a word that is not one of the allowed ones.

    >>> unknown("framework", "vlm", ["sglang", "vllm"])
    "unknown framework 'vlm'; perhaps you meant 'vllm'. Allowed: sglang, vllm"
    """
    allowed = list(allowed)
    suggestion = nearest(word, allowed)
    perhaps = f"; perhaps you meant {suggestion!r}" if suggestion else ""
    return f"unknown {kind} {word!r}{perhaps}. Allowed: {', '.join(allowed)}"


def _fold(word: str) -> str:
    return word.lower().replace("-", "").replace("_", "").replace(" ", "")
