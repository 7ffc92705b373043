"""What to do when the process is told to end."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import sys
import threading
import traceback
from typing import Any


class TerminationGuard:
    """Hears SIGTERM, which would otherwise end the process without a word (or, as PID 1, do nothing at all).

    A handler that was there before is called and has the last word. faulthandler, underneath, writes every
    thread's stack into the log even where the main thread hangs inside a library and no Python handler can
    run. Forked children die of SIGTERM as they always did.
    """

    def __init__(self, on_terminated: Any) -> None:
        self._on_terminated = on_terminated
        self._active = False
        self._previous = signal.getsignal(signal.SIGTERM)
        if self._previous in (signal.SIG_IGN, None):
            return
        with contextlib.suppress(ValueError):  # pytest does not run in the main thread
            signal.signal(signal.SIGTERM, self._handle)
            self._active = True
            self._mask_around_forks()
        with contextlib.suppress(OSError, ValueError, AttributeError):
            faulthandler.register(signal.SIGTERM, file=_STDERR, all_threads=True, chain=True)

    def _handle(self, signum: int, frame: Any) -> None:
        try:
            self._on_terminated()
        except KeyboardInterrupt:
            if not callable(self._previous):
                raise
        if callable(self._previous):
            self._previous(signum, frame)

    def _mask_around_forks(self) -> None:
        """Hold SIGTERM back while a child still has our handler: Python forgets a signal that comes right then."""
        masks: dict[int, Any] = {}  # by thread

        def before() -> None:
            if self._active:
                masks[threading.get_ident()] = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

        def after() -> None:
            mask = masks.pop(threading.get_ident(), None)
            if mask is not None:
                signal.pthread_sigmask(signal.SIG_SETMASK, mask)

        def after_in_child() -> None:
            self.remove()
            after()

        os.register_at_fork(before=before, after_in_parent=after, after_in_child=after_in_child)

    def remove(self) -> None:
        """Leave the signal as it was found, unless somebody else has taken it since."""
        if self._active and signal.getsignal(signal.SIGTERM) == self._handle:
            with contextlib.suppress(AttributeError):
                faulthandler.unregister(signal.SIGTERM)
            with contextlib.suppress(ValueError):
                signal.signal(signal.SIGTERM, self._previous)
        self._active = False


def _duplicate_of_stderr() -> int:
    try:
        return os.dup(2)
    except OSError:
        return 2


_STDERR = _duplicate_of_stderr()  # taken at import, before pytest captures


def stacks() -> str:
    """What every thread is doing, Python's side of it."""
    frames = sys._current_frames()  # noqa: SLF001 - public in all but name, and documented
    return "\n".join(
        f"thread {ident}\n{''.join(traceback.format_stack(frame))}" for ident, frame in frames.items()
    )
