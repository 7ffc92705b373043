"""The listening server: a thread a connection, and an end that lets the requests in flight finish."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer

from nightly_mock_engine.config import EngineConfig
from nightly_mock_engine.handler import Handler
from nightly_mock_engine.routes import Routes


class MockServer(ThreadingHTTPServer):
    """One server. Raises OSError when its port cannot be had."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, config: EngineConfig, *, quiet: bool = False) -> None:
        """Listen on `config.host:config.port` (port 0: any free one); nothing is served before `start`."""
        self.config = config
        self.routes = Routes(config)
        self.draining = False
        self._quiet = quiet
        self._in_flight = 0
        self._idle = threading.Condition()
        self._log_lock = threading.Lock()
        super().__init__((config.host, config.port), Handler)

    @property
    def port(self) -> int:
        """The port listened on."""
        return int(self.server_address[1])

    def server_bind(self) -> None:
        """Bind without looking up the host's name, as http.server would: that can take seconds."""
        super(ThreadingHTTPServer, self).server_bind()
        self.server_name, self.server_port = self.config.host, self.port

    def log(self, line: str) -> None:
        """Write one line to standard error, whole even when many threads write."""
        if not self._quiet:
            with self._log_lock:
                sys.stderr.write(f"[mock] {line}\n")
                sys.stderr.flush()

    @contextmanager
    def in_flight(self) -> Iterator[None]:
        """Count a request from here to its last byte."""
        with self._idle:
            self._in_flight += 1
        try:
            yield
        finally:
            with self._idle:
                self._in_flight -= 1
                self._idle.notify_all()

    def start(self) -> None:
        """Begin to serve, in a thread of its own."""
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def drain(self) -> bool:
        """Take no more connections and let the requests in flight finish. Returns whether all of them did."""
        self.draining = True
        self.shutdown()
        self.server_close()
        with self._idle:
            return self._idle.wait_for(lambda: self._in_flight == 0, timeout=self.config.shutdown_timeout)

    def handle_error(
        self,
        request: socket.socket | tuple[bytes, socket.socket],  # noqa: ARG002 - socketserver passes it
        client_address: object,
    ) -> None:
        """Log an unexpected end of a connection as one line; a client that went away is no event at all."""
        error = sys.exc_info()[1]
        if not isinstance(error, ConnectionError):
            self.log(f"connection from {client_address} ended by {error!r}")
