"""Bodies of answers, in OpenAI's shapes."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from nightly_mock_engine import NAME, __version__
from nightly_mock_engine.config import EngineConfig
from nightly_mock_engine.generation import Generation
from nightly_mock_engine.requests import GenerationRequest

Json = dict[str, object]

FINGERPRINT = f"mock-{__version__}"
DONE = b"data: [DONE]\n\n"


def models(config: EngineConfig, created: int) -> Json:
    """Return the list of the one model served."""
    return {"object": "list", "data": [model(config, created)]}


def model(config: EngineConfig, created: int) -> Json:
    """Return the one model served."""
    return {
        "id": config.served_model_name,
        "object": "model",
        "created": created,
        "owned_by": NAME,
        "root": config.model,
        "max_model_len": config.max_model_len,
    }


def version(config: EngineConfig) -> Json:
    """Return who this server really is, and whom it imitates."""
    return {"version": __version__, "engine": "mock", "name": NAME, "imitates": config.dialect.name}


def server_info(config: EngineConfig) -> Json:
    """Return the arguments the server was started with."""
    return {**config.arguments(), "version": __version__, "engine": "mock"}


def usage(request: GenerationRequest, generations: Sequence[Generation]) -> Json:
    """Count tokens: the prompt once, every choice's completion."""
    completion = sum(each.completion_tokens for each in generations)
    return {
        "prompt_tokens": request.prompt_tokens,
        "completion_tokens": completion,
        "total_tokens": request.prompt_tokens + completion,
    }


def server_sent_event(body: Json) -> bytes:
    """Return one event of a stream."""
    return b"data: " + json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


@dataclass(frozen=True, slots=True)
class Answer:
    """One request's answer, whole or as the chunks of a stream."""

    config: EngineConfig
    request: GenerationRequest
    generations: Sequence[Generation]
    identifier: str = field(default_factory=lambda: f"mock-{secrets.token_hex(12)}")
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self) -> Json:
        """Return the body of an answer that is not streamed."""
        choices = [self._whole_choice(index, each) for index, each in enumerate(self.generations)]
        return {
            **self._envelope(streamed=False, choices=choices),
            "usage": usage(self.request, self.generations),
        }

    def chunks(self) -> Iterator[Json]:
        """Yield the chunks of a stream: role (chat only), pieces of all choices in turn, ends, usage."""
        if self.request.chat:
            yield from (self._chunk(index, {"role": "assistant", "content": ""}) for index in self._indexes())
        for step in zip_longest(*(each.pieces for each in self.generations)):
            yield from (self._piece(index, piece) for index, piece in enumerate(step) if piece is not None)
        for index, generation in enumerate(self.generations):
            yield self._chunk(index, {} if self.request.chat else "", finish_reason=generation.finish_reason)
        if self.request.include_usage:
            yield {
                **self._envelope(streamed=True, choices=[]),
                "usage": usage(self.request, self.generations),
            }

    def _indexes(self) -> range:
        return range(len(self.generations))

    def _piece(self, index: int, piece: str) -> Json:
        return self._chunk(index, {"content": piece} if self.request.chat else piece)

    def _chunk(self, index: int, content: object, finish_reason: str | None = None) -> Json:
        name = "delta" if self.request.chat else "text"
        choice = {"index": index, name: content, "logprobs": None, "finish_reason": finish_reason}
        return self._envelope(streamed=True, choices=[choice])

    def _whole_choice(self, index: int, generation: Generation) -> Json:
        chat = {"message": {"role": "assistant", "content": generation.text}}
        content: Json = {**chat} if self.request.chat else {"text": generation.text}
        return {"index": index, **content, "logprobs": None, "finish_reason": generation.finish_reason}

    def _envelope(self, *, streamed: bool, choices: list[Json]) -> Json:
        return {
            "id": self.identifier,
            "object": self._object(streamed=streamed),
            "created": self.created,
            "model": self.config.served_model_name,
            "system_fingerprint": FINGERPRINT,
            "choices": choices,
        }

    def _object(self, *, streamed: bool) -> str:
        if self.request.chat:
            return "chat.completion.chunk" if streamed else "chat.completion"
        return "text_completion"
