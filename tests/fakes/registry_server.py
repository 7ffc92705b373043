"""A real registry behind a door that fails, or asks for a login, before it lets anybody in."""

from __future__ import annotations

import base64
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

import httpx


class FlakyRegistry:
    """Passes reads on to `upstream`.

    Args:
        upstream: host:port of a registry on this machine.
        failures: how many requests for manifests are answered with 503 first.
        login: user and password (basic) that are asked for; None lets everybody in.
    """

    def __init__(self, upstream: str, *, failures: int = 0, login: tuple[str, str] | None = None) -> None:
        self.failures = failures
        self.login_as_auth = base64.b64encode(":".join(login).encode()).decode() if login else ""
        self._upstream = upstream
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def host(self) -> str:
        return f"localhost:{self._server.server_port}"

    def here(self, image: str) -> str:
        """The same image, asked for at this door."""
        return image.replace(self._upstream, self.host)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        if self.login_as_auth and headers.get("Authorization") != f"Basic {self.login_as_auth}":
            return 401, {"WWW-Authenticate": 'Basic realm="test"'}, b""
        if "/manifests/" in path and self.failures > 0:
            self.failures -= 1
            return 503, {}, b"try again"
        accept = {"Accept": headers.get("Accept", "*/*")}
        answer = httpx.request(method, f"http://{self._upstream}{path}", headers=accept)
        kept = {"content-type", "docker-content-digest", "content-length"}
        return answer.status_code, {k: v for k, v in answer.headers.items() if k in kept}, answer.content

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        registry = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            default_request_version = "HTTP/1.1"  # a client that tries TLS first must see that this is HTTP

            def do_GET(self) -> None:
                self._pass_on("GET")

            def do_HEAD(self) -> None:
                self._pass_on("HEAD")

            def _pass_on(self, method: str) -> None:
                status, headers, content = registry.answer(method, self.path, dict(self.headers.items()))
                self.send_response(status)
                for name, value in {"content-length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                if method == "GET":
                    self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Keep the tests' output to the tests."""

        return Handler
