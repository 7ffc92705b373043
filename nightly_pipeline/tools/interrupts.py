"""Work that an impatient Ctrl-C, or several, must not cut short."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

_HELD_BACK = (signal.SIGINT, signal.SIGTERM)
_INSISTING = 10
"""So many signals mean: now, whatever is left behind."""

Handler = Callable[[int, FrameType | None], Any] | int | None
Result = TypeVar("Result")


@contextmanager
def signals_held_back() -> Iterator[None]:
    """Deliver SIGINT and SIGTERM after the block instead of in it. Only the main thread gets any."""
    if not _gets_signals():
        yield
        return
    signals = _Signals()
    try:
        signals.hold()
        yield
    finally:
        signals.give_back()


def run_then(block: Callable[[], Result], *, afterwards: Callable[[], None]) -> Result:
    """What `block` returns or raises; once it has begun, `afterwards` is run to its end, whatever comes.

    A signal in `block` is handled as ever. Where its handler raises, as Ctrl-C's does, that is the one interruption
    there is: signals that come later, also on the way to `afterwards`, are delivered when that is done.
    """
    if not _gets_signals():
        try:
            return block()
        finally:
            afterwards()
    signals = _Signals()
    try:
        # Twice: a first signal may come just when the block has ended, and break the first line of what comes then.
        try:
            try:
                signals.watch()
                return block()
            finally:
                signals.hold()
        finally:
            signals.hold()
            afterwards()
    finally:
        signals.give_back()


def _gets_signals() -> bool:
    return threading.current_thread() is threading.main_thread()


class _Signals:
    """SIGINT and SIGTERM: passed on until one of their handlers raises or `hold` is called, then kept for later."""

    def __init__(self) -> None:
        self._held: list[int] = []
        self._holding = False
        self._before: dict[int, Handler] = {}

    def watch(self) -> None:
        """Stand before those handlers that are Python's: no other can raise."""
        for number in _HELD_BACK:
            if callable(signal.getsignal(number)):
                self._take(number)

    def hold(self) -> None:
        """Keep what comes from now on."""
        self._holding = True
        for number in _HELD_BACK:
            self._take(number)

    def give_back(self) -> None:
        """Put the handlers back, and deliver what was kept."""
        self._restore()
        if 0 < len(self._held) < _INSISTING:
            signal.raise_signal(self._held[0])

    def _take(self, number: int) -> None:
        if number not in self._before:
            self._before[number] = signal.getsignal(number)
            signal.signal(number, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if not self._holding:
            self._pass_on(number, frame)
            return
        self._held.append(number)
        if len(self._held) >= _INSISTING:
            self._restore()
            signal.raise_signal(number)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        handler = self._before[number]
        try:
            if callable(handler):
                handler(number, frame)
        except BaseException:
            self._holding = True
            raise

    def _restore(self) -> None:
        for number, handler in self._before.items():
            # None is a handler that Python did not install and cannot put back.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
