"""Whether the server in this container answers: exit 0 when GET /health is 200, else 1 with the reason."""

from __future__ import annotations

import os
import socket
import sys

_TIMEOUT = 4.0
_ENOUGH = 64


def main() -> int:
    """Ask the server on NIGHTLY_PORT (default 8000) of this container."""
    port = int(os.environ.get("NIGHTLY_PORT", "8000"))
    try:
        status = status_line(port)
    except OSError as error:
        sys.stdout.write(f"no answer on port {port}: {error}\n")
        return 1
    sys.stdout.write(f"{status}\n")
    return 0 if status.split(" ")[1:2] == ["200"] else 1


def status_line(port: int) -> str:
    """Return the first line of the answer, by plain sockets: an HTTP client costs ten times the imports.

    Raises OSError.
    """
    with socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT) as connection:
        connection.settimeout(_TIMEOUT)
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        received = b""
        while b"\r\n" not in received and len(received) < _ENOUGH:
            data = connection.recv(_ENOUGH)
            if not data:
                break
            received += data
    return received.split(b"\r\n")[0].decode("latin-1")


if __name__ == "__main__":
    sys.exit(main())
