"""Work that an impatient second Ctrl-C must not cut short."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_HELD_BACK = (signal.SIGINT, signal.SIGTERM)
_INSISTING = 10
"""So many signals mean: now, whatever is left behind."""

Handler = Callable[[int, FrameType | None], Any] | int | None


@contextmanager
def signals_held_back() -> Iterator[None]:
    """Deliver SIGINT and SIGTERM after the block instead of in it. Only the main thread gets any."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []
    before: dict[int, Handler] = {}

    def hold(number: int, _frame: FrameType | None) -> None:
        held.append(number)
        if len(held) >= _INSISTING:
            _restore(before)
            signal.raise_signal(number)

    try:
        for number in _HELD_BACK:
            before[number] = signal.signal(number, hold)
        yield
    finally:
        _restore(before)
        if 0 < len(held) < _INSISTING:
            signal.raise_signal(held[0])


def _restore(handlers: dict[int, Handler]) -> None:
    for number, handler in handlers.items():
        # None is a handler that Python did not install and cannot put back.
        signal.signal(number, signal.SIG_DFL if handler is None else handler)
