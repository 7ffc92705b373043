"""A night while it runs: a matrix that redraws itself, or one line an event where nothing can be redrawn."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from types import TracebackType
from typing import Literal, Self

from rich.console import Console

from nightly_pipeline.model.plan import Key, Plan

State = Literal["waiting", "queued", "running", "good", "bad", "cancelled"]


class LiveNight:
    """Shows a night as it goes; use it as a context manager and feed it with `update`.

    Args:
        plan: what is shown: a row a cell, a column a step.
        console: where to; None is standard output.
        plain: one line an event instead of a matrix; None decides by the console (no terminal, or NO_COLOR).
        now: the clock; times of day are shown in its timezone, elapsed times are its differences.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        console: Console | None = None,
        plain: bool | None = None,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        raise NotImplementedError

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        raise NotImplementedError

    def update(self, key: Key, state: State, word: str = "", detail: str = "") -> None:
        """Tell how one step stands. The same again changes nothing; an unknown key is shown, never an error."""
        raise NotImplementedError
