"""A client of an OpenAI-compatible server, of the standard library: httpx takes seconds under emulation."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPResponse
from typing import Any, NamedTuple, Self

Json = dict[str, Any]


class Response(NamedTuple):
    """An answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)


class Stream(NamedTuple):
    """A streamed answer: its events in order, and whether `[DONE]` came last and once."""

    status: int
    headers: Mapping[str, str]
    events: list[Json]
    done: bool

    def text(self, index: int = 0) -> str:
        """Return the pieces of one choice, joined."""
        return "".join(_piece(choice) for choice in self.choices(index))

    def choices(self, index: int = 0) -> list[Json]:
        """Return the parts of one choice, in order."""
        return [each for event in self.events for each in event["choices"] if each["index"] == index]

    def finish_reasons(self, index: int = 0) -> list[str]:
        """Return every reason given for the end of one choice; a sound stream gives one."""
        return [each["finish_reason"] for each in self.choices(index) if each["finish_reason"] is not None]

    def usage(self) -> Json | None:
        """Return the usage that the last event carries."""
        return self.events[-1].get("usage")


class Client:
    """Speaks with the server on a port of this machine."""

    def __init__(self, port: int, model: str, timeout: float) -> None:
        self.port = port
        self.model = model
        self.timeout = timeout

    def get(self, path: str) -> Response:
        """GET `path`. Raises OSError."""
        return self.request("GET", path)

    def post(self, path: str, body: object) -> Response:
        """POST `body` as JSON. Raises OSError."""
        return self.request("POST", path, json.dumps(body).encode())

    def completion(self, prompt: str, **parameters: object) -> Response:
        """Ask for a completion."""
        return self.post("/v1/completions", {"model": self.model, "prompt": prompt, **parameters})

    def chat(self, message: str, **parameters: object) -> Response:
        """Ask for an answer to one message."""
        return self.post("/v1/chat/completions", self._chat_body(message, parameters))

    def stream_completion(self, prompt: str, **parameters: object) -> Stream:
        """Ask for a streamed completion."""
        return self.stream("/v1/completions", {"model": self.model, "prompt": prompt, **parameters})

    def stream_chat(self, message: str, **parameters: object) -> Stream:
        """Ask for a streamed answer to one message."""
        return self.stream("/v1/chat/completions", self._chat_body(message, parameters))

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Response:
        """Send one request on a connection of its own. Raises OSError."""
        with self.connect() as connection:
            return self.send(connection, method, path, body, headers)

    def send(
        self,
        connection: Connection,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Send one request on `connection`, which stays open. Raises OSError."""
        response = self._begin(connection, method, path, body, headers)
        return Response(response.status, _headers(response), response.read())

    def stream(self, path: str, body: Json) -> Stream:
        """POST `body` with `stream` and read the events to the end. Raises OSError."""
        with self.connect() as connection:
            response = self._begin(connection, "POST", path, json.dumps({**body, "stream": True}).encode())
            data = [line[6:] for line in response.read().decode().split("\n") if line.startswith("data: ")]
        ended = data.count("[DONE]") == 1 and data[-1] == "[DONE]"
        events = [json.loads(each) for each in data if each != "[DONE]"]
        return Stream(response.status, _headers(response), events, ended)

    def connect(self) -> Connection:
        """Return a connection that closes with its `with` block."""
        return Connection("127.0.0.1", self.port, timeout=self.timeout)

    def raw(self, data: bytes) -> bytes:
        """Send bytes as they are and return what comes back until the server closes. Raises OSError."""
        received = b""
        with socket.create_connection(("127.0.0.1", self.port), timeout=self.timeout) as connection:
            connection.sendall(data)
            while part := connection.recv(65536):
                received += part
        return received

    def _chat_body(self, message: str, parameters: Mapping[str, object]) -> Json:
        return {"model": self.model, "messages": [{"role": "user", "content": message}], **parameters}

    def _begin(
        self,
        connection: Connection,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HTTPResponse:
        kind = {"Content-Type": "application/json"} if body is not None else {}
        connection.request(method, path, body, {**kind, **(headers or {})})
        return connection.getresponse()


class Connection(HTTPConnection):
    """A connection that closes with its `with` block."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


def _headers(response: HTTPResponse) -> Mapping[str, str]:
    return {name.lower(): value for name, value in response.getheaders()}


def _piece(choice: Json) -> str:
    return str((choice["delta"].get("content") if "delta" in choice else choice.get("text")) or "")
