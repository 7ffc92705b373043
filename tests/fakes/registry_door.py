"""A door in front of a real server: it passes on byte for byte, answers by itself where told, and breaks on demand."""

from __future__ import annotations

import http.client
import json
import random
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.fakes.http_server import Handler, HttpServer

CHUNK = 64 * 1024
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "upgrade", "date", "server"}


@dataclass(frozen=True)
class Asked:
    """A request, as far as it is read before it is decided on. `content` is None where it is passed on unread."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    content: bytes | None = None

    def form(self) -> dict[str, str]:
        """The fields of a form."""
        return {name: values[0] for name, values in parse_qs((self.content or b"").decode()).items()}


@dataclass(frozen=True)
class Answer:
    """What the door answers by itself."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""


@dataclass
class Trouble:
    """What goes wrong for the next `times` requests that match.

    `answer` is given instead; `cut_after` lets so many bytes of the body pass and drops the connection; `lost` does
    what is asked and drops the answer; `then` is called before that, each time.
    """

    method: str = ".*"
    path: str = ".*"
    answer: Answer | None = None
    cut_after: int | None = None
    lost: bool = False
    then: Any = None
    times: int = 1

    def hits(self, asked: Asked) -> bool:
        return bool(
            self.times and re.fullmatch(self.method, asked.method) and re.search(self.path, asked.path)
        )


class Door(HttpServer):
    """Listens on localhost and passes on to `upstream` (host:port). Subclasses answer for themselves in `answer`.

    Attributes:
        troubles: what goes wrong next.
        failing: the share of requests that are answered with 500, at random.
        is_down: every connection is dropped.
        seen: method and path of every request.
        uploaded: bytes of request bodies that were passed on.
    """

    def __init__(self, upstream: str, *, seed: int = 1) -> None:
        self.upstream = upstream
        self.troubles: list[Trouble] = []
        self.failing = 0.0
        self.is_down = False
        self.seen: list[tuple[str, str]] = []
        self.uploaded = 0
        self.lock = threading.Lock()
        self._random = random.Random(seed)  # noqa: S311 - to fail at random
        super().__init__(_Handler)

    def wants_content(self, asked: Asked) -> bool:
        """Whether `answer` has to see the body. By default of nothing."""
        return False

    def answer(self, asked: Asked) -> Answer | None:
        """What to answer; None passes the request on."""
        return None

    def count(self, method: str, path: str) -> int:
        """How many requests there were."""
        return sum(bool(re.fullmatch(method, m) and re.search(path, p)) for m, p in self.seen)

    def trouble_for(self, asked: Asked) -> Trouble | None:
        with self.lock:
            self.seen.append((asked.method, asked.path))
            if self.is_down:
                return Trouble(cut_after=0)
            if self._random.random() < self.failing:
                return Trouble(answer=error(500, "UNKNOWN", "an internal error"))
            trouble = next((trouble for trouble in self.troubles if trouble.hits(asked)), None)
            if trouble is not None:
                trouble.times -= 1
            return trouble


def error(status: int, code: str, message: str = "", **headers: str) -> Answer:
    """A registry's refusal."""
    document = {"errors": [{"code": code, "message": message}]}
    return Answer(status, headers, json.dumps(document).encode())


class _Handler(Handler):
    def any_method(self) -> None:
        door, url = self.server.owner, urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.command, url.path, parse_qs(url.query), headers)
        trouble = door.trouble_for(asked)
        if trouble is not None and trouble.then is not None:
            trouble.then()
        if trouble is not None and trouble.cut_after is not None and self.command not in {"GET", "HEAD"}:
            self.pass_on(asked, self.first(trouble.cut_after), cut=True)
            self.drop()
            return
        if trouble is not None and trouble.answer is not None:
            self.drain()
            self.reply(trouble.answer)
            return
        if trouble is not None and trouble.cut_after == 0:
            self.drop()
            return
        if door.wants_content(asked):
            content = b"".join(self.body())
            asked = Asked(asked.method, asked.path, asked.query, headers, content)
        answer = door.answer(asked)
        if answer is not None:
            self.drain() if asked.content is None else None
            self.reply(answer)
            return
        body = iter([asked.content]) if asked.content is not None else self.body()
        if trouble is not None and trouble.lost:
            self.pass_on(asked, body, lost=True)
            self.drop()
            return
        self.pass_on(asked, body, cut_after=trouble.cut_after if trouble else None)

    def body(self) -> Iterator[bytes]:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            while size := int(self.rfile.readline().split(b";")[0], 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return
        left = int(self.headers.get("Content-Length") or 0)
        while left and (chunk := self.rfile.read(min(left, CHUNK))):
            left -= len(chunk)
            yield chunk

    def first(self, size: int) -> Iterator[bytes]:
        for chunk in self.body():
            yield chunk[:size]
            size -= len(chunk)
            if size <= 0:
                return

    def drain(self) -> None:
        for _ in self.body():
            pass

    def pass_on(
        self,
        asked: Asked,
        body: Iterator[bytes],
        *,
        cut: bool = False,
        lost: bool = False,
        cut_after: int | None = None,
    ) -> None:
        connection = http.client.HTTPConnection(self.server.owner.upstream, timeout=120)
        try:
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in _HOP_BY_HOP - {"transfer-encoding"}:
                    connection.putheader(name, value)
            connection.endheaders()
            self.send(connection, body)
            if cut:
                return
            response = connection.getresponse()
            if not lost:
                self.send_back(response, cut_after)
        except OSError:  # the program behind the door has gone
            self.drop()
        finally:
            connection.close()

    def send(self, connection: http.client.HTTPConnection, body: Iterator[bytes]) -> None:
        chunked = "chunked" in self.headers.get("Transfer-Encoding", "")
        for chunk in body:
            connection.send(b"%x\r\n%s\r\n" % (len(chunk), chunk) if chunked else chunk)
            with self.server.owner.lock:
                self.server.owner.uploaded += len(chunk)
        if chunked:
            connection.send(b"0\r\n\r\n")

    def send_back(self, response: http.client.HTTPResponse, cut_after: int | None) -> None:
        self.send_response(response.status)
        headers = [(n, v) for n, v in response.getheaders() if n.lower() not in _HOP_BY_HOP]
        for name, value in headers:
            self.send_header(name, value)
        if not any(name.lower() == "content-length" for name, _ in headers):
            self.send_header("Connection", "close")
        self.end_headers()
        sent = 0
        while chunk := response.read(CHUNK):
            if cut_after is not None and sent + len(chunk) > cut_after:
                self.wfile.write(chunk[: cut_after - sent])
                self.drop()
                return
            self.wfile.write(chunk)
            sent += len(chunk)

    def reply(self, answer: Answer) -> None:
        named = {"Content-Type": "application/json", "Docker-Distribution-Api-Version": "registry/2.0"}
        self.give(answer.status, answer.content, {**named, **answer.headers})
