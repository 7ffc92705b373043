"""This machine's Docker daemon behind a TCP port, with a connection that can be broken."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Self

SOCKET = "/var/run/docker.sock"


class DockerProxy:
    """Passes bytes on between a TCP port and the daemon's socket until told to break."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._closed = False
        self._threads: list[threading.Thread] = []

    @property
    def address(self) -> str:
        return f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._in_thread(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        for thread in self._threads:
            thread.join()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            self._closed = True
        self.break_connections()

    def break_connections(self) -> None:
        with self._lock:
            for one in self._open:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def _in_thread(self, target, *arguments) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._in_thread(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        daemon = socket.socket(socket.AF_UNIX)
        with client, daemon:
            daemon.connect(SOCKET)
            with self._lock:
                if self._closed:
                    return
                self._open |= {client, daemon}
            back = threading.Thread(target=_pass_on, args=(daemon, client), daemon=True)
            back.start()
            _pass_on(client, daemon)
            back.join()
            with self._lock:
                self._open -= {client, daemon}


def _pass_on(source: socket.socket, destination: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(64 * 1024):
            destination.sendall(data)
    with contextlib.suppress(OSError):
        destination.shutdown(socket.SHUT_WR)
