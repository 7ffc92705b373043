"""Ctrl-C and TERM on the command line are a person's wish to cancel the run, and Dagster is told so.

Without that Dagster takes the end of its executor for an accident and records a failure.
"""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_INTERRUPTS = {signal.SIGINT, signal.SIGTERM}


@contextmanager
def on_interruption(tell: Callable[[], None]) -> Iterator[None]:
    """Call `tell` once, from a thread of its own, as soon as this process is sent SIGINT or SIGTERM.

    Dagster sets signal handlers of its own while it executes, so this listens where Python announces every signal it
    has a handler for. To be used in the main thread.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    listener = threading.Thread(target=_listen, args=(reader, tell), name="interruption", daemon=True)
    listener.start()
    previous = signal.set_wakeup_fd(writer.fileno())
    try:
        yield
    finally:
        signal.set_wakeup_fd(previous)
        writer.close()  # ends the listener
        listener.join()
        reader.close()


def _listen(reader: socket.socket, tell: Callable[[], None]) -> None:
    while received := reader.recv(1):
        if received[0] in _INTERRUPTS:
            tell()
            return
