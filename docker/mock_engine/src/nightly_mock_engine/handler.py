"""HTTP/1.1 for one connection: keep-alive, chunked streams, limits, errors in OpenAI's shape."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from nightly_mock_engine import NAME, __version__
from nightly_mock_engine.errors import RequestError
from nightly_mock_engine.responses import DONE, Answer, Json, server_sent_event

if TYPE_CHECKING:
    from nightly_mock_engine.server import MockServer

_IDLE_TIMEOUT = 60.0
_PAUSE_EVERY = 8
"""Pieces sent between two pauses: one long sleep is cheaper and more exact than many short ones."""


class Handler(BaseHTTPRequestHandler):
    """Serves the requests of one connection, one after the other."""

    server: MockServer
    protocol_version = "HTTP/1.1"
    timeout = _IDLE_TIMEOUT
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        """Answer a GET."""
        with self._errors():
            self._refuse_when_draining()
            self._send_body(HTTPStatus.OK, self.server.routes.get(self._path()))

    do_HEAD = do_GET  # noqa: N815 - the name is http.server's

    def do_POST(self) -> None:
        """Answer a POST: whole, or as a stream."""
        with self._errors():
            self._refuse_when_draining()
            self.server.routes.check_post(self._path())
            answer = self.server.routes.post(self._path(), self._read_body())
            with self._counted(answer):
                self._send_answer(answer)

    def _refuse(self) -> None:
        with self._errors():
            raise self.server.routes.refuse_method(self._path())

    do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _refuse  # noqa: N815 - likewise

    def version_string(self) -> str:
        """Return the `Server` header."""
        return f"{NAME}/{__version__}"

    def end_headers(self) -> None:
        """Mark every answer as the mock's."""
        self.send_header("x-engine", "mock")
        super().end_headers()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer in the same shape what http.server itself refuses: a broken request line, long headers."""
        self.request_version = (
            self.protocol_version
        )  # else a line that is no HTTP is answered without a status line
        text = explain or message or HTTPStatus(code).phrase
        self._send_error(RequestError(HTTPStatus(code), text, code="bad_request"))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
        """Log through the server, one line a request."""
        self.server.log(f"{self.address_string()} {format % args}")

    def _path(self) -> str:
        return unquote(urlsplit(self.path).path)

    def _refuse_when_draining(self) -> None:
        if self.server.draining:
            raise RequestError(HTTPStatus.SERVICE_UNAVAILABLE, "the server is shutting down", code="draining")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Send a RequestError as its answer; a client that went away ends the connection without a word."""
        with self.server.in_flight():
            try:
                yield
                self.wfile.flush()
            except RequestError as error:
                self._send_error(error)
            except ConnectionError:
                self.close_connection = True

    def _send_error(self, error: RequestError) -> None:
        # The body of a refused request may not have been read, so the connection is of no further use.
        self.close_connection = True
        self._send_body(error.status, error.body(), {"Allow": ", ".join(error.allow)} if error.allow else {})
        self.wfile.flush()

    def _read_body(self) -> bytes:
        self._check_content_type()
        length = self._content_length()
        if length > self.server.config.max_body_bytes:
            limit = self.server.config.max_body_bytes
            message = f"the body has {length} bytes, at most {limit} are read"
            raise RequestError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message, code="body_too_large")
        raw = self.rfile.read(length)
        if len(raw) < length:
            raise ConnectionResetError
        return raw

    def _check_content_type(self) -> None:
        if self.headers.get_content_type() != "application/json":
            message = "the body must be application/json"
            raise RequestError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, message, code="unsupported_media_type")

    def _content_length(self) -> int:
        text = self.headers.get("Content-Length")
        if text is None or "Transfer-Encoding" in self.headers:
            message = "the body needs a Content-Length and no Transfer-Encoding"
            raise RequestError(HTTPStatus.LENGTH_REQUIRED, message, code="length_required")
        if not (text.isascii() and text.isdigit()):
            message = f"Content-Length {text!r} is no number"
            raise RequestError(HTTPStatus.BAD_REQUEST, message, code="bad_request")
        return int(text)

    @contextmanager
    def _counted(self, answer: Answer) -> Iterator[None]:
        """Count the request, as aborted when its client went away."""
        metrics = self.server.routes.metrics
        metrics.started(answer.request.prompt_tokens)
        reason, tokens = "abort", 0
        try:
            yield
            self.wfile.flush()
            reason = answer.generations[0].finish_reason
            tokens = sum(each.completion_tokens for each in answer.generations)
        finally:
            metrics.finished(reason, tokens)

    def _send_answer(self, answer: Answer) -> None:
        if answer.request.stream:
            self._stream(answer)
        else:
            self._wait_for(sum(each.completion_tokens for each in answer.generations))
            self._send_body(HTTPStatus.OK, answer.whole())

    def _stream(self, answer: Answer) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Cache-Control", "no-cache")
        self._begin_chunks()
        for position, body in enumerate(answer.chunks()):
            self._write_chunk(server_sent_event(body))
            if position % _PAUSE_EVERY == 0:
                self.wfile.flush()
                self._wait_for(_PAUSE_EVERY)
        self._write_chunk(DONE)
        if self._chunked:
            self.wfile.write(b"0\r\n\r\n")

    def _begin_chunks(self) -> None:
        """Announce chunks to an HTTP/1.1 client; an older one reads until the connection is closed."""
        self._chunked = self.request_version != "HTTP/1.0"
        if self._chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.close_connection = True
        self.end_headers()

    def _write_chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    def _wait_for(self, tokens: int) -> None:
        time.sleep(self.server.config.token_delay * tokens)

    def _send_body(self, status: HTTPStatus, body: Json | str, headers: dict[str, str] | None = None) -> None:
        text = isinstance(body, str)
        raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header(
            "Content-Type", "text/plain; version=0.0.4; charset=utf-8" if text else "application/json"
        )
        self.send_header("Content-Length", str(len(raw)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(raw)
