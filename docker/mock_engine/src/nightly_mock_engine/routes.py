"""Which path answers what."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from nightly_mock_engine import responses
from nightly_mock_engine.config import EngineConfig
from nightly_mock_engine.errors import RequestError
from nightly_mock_engine.generation import Generation, generate
from nightly_mock_engine.metrics import Metrics
from nightly_mock_engine.requests import GenerationRequest, chat_request, completion_request, parse_body
from nightly_mock_engine.responses import Answer, Json

_GENERATING = {"/v1/completions": completion_request, "/v1/chat/completions": chat_request}


@dataclass(slots=True)
class Routes:
    """The paths of one server. It reads requests, makes bodies and counts; it writes no bytes."""

    config: EngineConfig
    created: int = field(default_factory=lambda: int(time.time()))
    metrics: Metrics = field(init=False)

    def __post_init__(self) -> None:
        """Start the counters."""
        self.metrics = Metrics(self.config.dialect.metrics, self.config.served_model_name)

    def get(self, path: str) -> Json | str:
        """Return the body of a GET: JSON, or text for the metrics. Raises RequestError (404, 405)."""
        if path in self.config.dialect.metrics_paths:
            return self.metrics.render()
        body = self._documents().get(path)
        if body is None:
            raise self._refusal(path)
        return body

    def post(self, path: str, raw: bytes) -> Answer:
        """Return the answer to a POST. Raises RequestError."""
        read = _GENERATING.get(path)
        if read is None:
            raise self._refusal(path)
        request = read(parse_body(raw), self.config)
        return Answer(self.config, request, self._generations(request))

    def check_post(self, path: str) -> None:
        """Refuse a path that takes no POST before its body is read. Raises RequestError (404, 405)."""
        if path not in _GENERATING:
            raise self._refusal(path)

    def refuse_method(self, path: str) -> RequestError:
        """Return the error of a method that no path takes."""
        known = path in _GENERATING or path in self._documents() or path in self.config.dialect.metrics_paths
        return self._refusal(path) if known else _not_found(path)

    def _generations(self, request: GenerationRequest) -> list[Generation]:
        return [generate(request.prompt, request.sampling, choice) for choice in range(request.choices)]

    def _documents(self) -> Mapping[str, Json]:
        config = self.config
        documents: dict[str, Json] = {
            "/health": {"status": "ok", "engine": "mock"},
            "/version": responses.version(config),
            "/v1/models": responses.models(config, self.created),
            f"/v1/models/{config.served_model_name}": responses.model(config, self.created),
        }
        return documents | dict.fromkeys(config.dialect.info_paths, responses.server_info(config))

    def _refusal(self, path: str) -> RequestError:
        allowed = ("POST",) if path in _GENERATING else ("GET", "HEAD")
        if path in _GENERATING or path in self._documents() or path in self.config.dialect.metrics_paths:
            message = f"{path} takes {' and '.join(allowed)} only"
            return RequestError(
                HTTPStatus.METHOD_NOT_ALLOWED, message, code="method_not_allowed", allow=allowed
            )
        return _not_found(path)


def _not_found(path: str) -> RequestError:
    return RequestError(HTTPStatus.NOT_FOUND, f"there is no {path}", code="not_found")
