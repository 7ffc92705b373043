"""An HTTP server of the tests' own on a free port of this machine, there for as long as a `with` block lasts."""

from __future__ import annotations

import socket
import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

TLS_HANDSHAKE = 0x16


class Handler(BaseHTTPRequestHandler):
    """Answers requests, whatever their method, in `any_method`; `self.server.owner` is whom the server belongs to."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def any_method(self) -> None:
        raise NotImplementedError

    def _any_method(self) -> None:
        self.any_method()

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_PATCH = _any_method  # noqa: N815 - http.server's names

    def read_body(self) -> bytes:
        """The body of the request, where its length is said."""
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def has_hung_up(self) -> bool:
        """Whether the client has given up waiting, as it does when this process was stalled."""
        try:
            return not self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def log_message(self, *_: object) -> None:
        """Keep the tests' output to the tests."""

    def handle_one_request(self) -> None:
        # Docker tries TLS first and speaks plain HTTP to this host when the answer is not TLS.
        if self.rfile.peek(1)[:1] == bytes([TLS_HANDSHAKE]):
            self.wfile.write(b"HTTP/1.0 400 Bad Request\r\n\r\n")
            self.close_connection = True
            return
        super().handle_one_request()

    def give(self, status: int, content: bytes = b"", headers: dict[str, str] | None = None) -> None:
        """Answer the whole of it."""
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def drop(self) -> None:
        """Break the connection off."""
        self.wfile.flush()
        self.close_connection = True
        self.connection.close()


class HttpServer:
    """The server: to inherit from, or to hold.

    Args:
        handler: what answers.
        owner: what handlers find as `self.server.owner`; None is this.
        context: makes it speak TLS.
    """

    def __init__(
        self, handler: type[Handler], *, owner: Any = None, context: ssl.SSLContext | None = None
    ) -> None:
        self._server = _Server(("127.0.0.1", 0), handler)
        self._server.owner = self if owner is None else owner
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def port(self) -> int:
        return self._server.server_port

    @property
    def host(self) -> str:
        return f"localhost:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    owner: Any
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client that goes away is part of the tests.
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)
