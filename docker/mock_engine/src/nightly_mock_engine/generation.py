"""The text the mock answers with: words chosen by a hash of the prompt; equal requests get equal answers."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Literal

FinishReason = Literal["stop", "length"]

FIRST_TOKEN = "[mock]"  # noqa: S105 - a word of the answer, no secret

_TOKEN = re.compile(r"\s*\w+|\s*[^\w\s]|\s+\Z")
_WORDS = """
    amber anchor basil birch canyon cedar cobalt copper delta ember fable fern garnet glacier harbor
    hazel indigo iris jasper juniper kelp lagoon lantern lilac maple marble meadow nectar north oak
    onyx opal orchid pebble pine plum prairie quartz quill raven reef river saffron sage slate
    spruce summit thistle topaz tundra umber valley velvet violet walnut willow winter yarrow zephyr
    zinc
""".split()  # noqa: SIM905 - sixty words read better as text
_SHORTEST, _LONGEST = 12, 40


def tokenize(text: str) -> list[str]:
    """Split `text` into words and signs, each with the white space before it; joined they are `text`."""
    return _TOKEN.findall(text)


@dataclass(frozen=True, slots=True)
class Sampling:
    """What of a request decides its answer. Lengths are in tokens."""

    max_tokens: int
    temperature: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Generation:
    """One answer: the pieces a stream sends one by one, how it ended, and how many tokens it cost."""

    pieces: tuple[str, ...]
    finish_reason: FinishReason
    completion_tokens: int

    @property
    def text(self) -> str:
        """The whole answer."""
        return "".join(self.pieces)


def generate(prompt: str, sampling: Sampling, choice: int = 0) -> Generation:
    """Answer `prompt`. `seed` and `choice` vary the answer, except at temperature 0."""
    natural = _natural_answer(_digest(prompt, sampling, choice))
    tokens = natural[: sampling.max_tokens]
    ended: FinishReason = "stop" if len(natural) <= sampling.max_tokens else "length"
    return _cut_at_stop(tokens, sampling.stop, ended)


def _digest(prompt: str, sampling: Sampling, choice: int) -> bytes:
    variation = "" if sampling.temperature == 0 else f"{sampling.seed}/{choice}"
    return hashlib.sha256(f"{variation}\0{prompt}".encode("utf-8", "surrogatepass")).digest()


def _natural_answer(digest: bytes) -> list[str]:
    length = _SHORTEST + digest[0] % (_LONGEST - _SHORTEST + 1)
    stream = hashlib.shake_256(digest).digest(length)
    return [FIRST_TOKEN, *(" " + _WORDS[byte % len(_WORDS)] for byte in stream[1:])]


def _cut_at_stop(tokens: list[str], stop: tuple[str, ...], ended: FinishReason) -> Generation:
    """End before the first stop string; its tokens were computed, so they are counted."""
    text = "".join(tokens)
    found = [position for position in map(text.find, stop) if position >= 0]
    if not found:
        return Generation(tuple(tokens), ended, len(tokens))
    kept = text[: min(found)]
    pieces = tuple(_pieces(kept))
    return Generation(pieces, "stop", min(len(pieces) + 1, len(tokens)))


def _pieces(text: str) -> list[str]:
    """Split a cut answer as its tokens were: a space starts a new one."""
    return re.findall(r"\s*\S+|\s+\Z", text)
