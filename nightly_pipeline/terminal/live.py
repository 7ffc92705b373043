"""A night while it runs: a matrix that redraws itself, or one line an event where nothing can be redrawn."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from nightly_pipeline.model.plan import Key, Plan
from nightly_pipeline.model.quantities import duration_text
from nightly_pipeline.model.reading import label_of
from nightly_pipeline.model.untrusted import one_line, short_line
from nightly_pipeline.terminal.live_matrix import NightView
from nightly_pipeline.terminal.live_state import ENDED, TONES, NightState, State, Step
from nightly_pipeline.terminal.words import STYLES

__all__ = ["LiveNight", "State"]

_FRAMES_PER_SECOND = 4
_WORD, _DETAIL = 60, 300


class LiveNight:
    """Shows a night as it goes; use it as a context manager and feed it with `update`, from any thread.

    Args:
        plan: what is shown: a row a cell, a column a step.
        console: where to; None is standard output.
        plain: one line an event instead of a matrix; None decides by the console: plain where nothing can be
            redrawn (no terminal, a dumb one) or NO_COLOR is set. Give True in CI.
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
        self._console = console or Console(highlight=False)
        self._now = now or _wall_clock
        self._state = NightState.of(plan, self._now())
        self._view = NightView(plan, self._state, self._now)
        plain = is_plain(self._console) if plain is None else plain
        self._live = None if plain else self._make_live()

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()  # draws a last time, so the end stays on the screen

    def update(self, key: Key, state: State, word: str = "", detail: str = "") -> None:
        """Tell how one step stands.

        The same again changes nothing. A key that is not in the plan (the source revision) is shown beside.
        `word` and `detail` may be untrusted text.
        """
        now = self._now()
        if not self._state.update(key, state, short_line(word, _WORD), short_line(detail, _DETAIL), now):
            return
        if self._live is None and state not in {"waiting", "queued"}:
            self._console.print(self._line(key, self._state.steps[key], now), soft_wrap=True)

    def _line(self, key: Key, step: Step, now: datetime) -> Text:
        """`12:03:04  vllm/amd64/unit  passed  38 tests  12.3 s`: one line however narrow the console is."""
        elapsed = step.elapsed_s(now) if step.state in ENDED else None
        parts = [f"{now:%H:%M:%S}", one_line(label_of(key)), step.word or step.state, step.detail]
        if elapsed is not None:
            parts.append(duration_text(elapsed))
        line = Text("  ".join(part for part in parts if part))
        line.stylize(STYLES[TONES[step.state]])
        return line

    def _make_live(self) -> Live:
        return Live(
            self._view,
            console=self._console,
            refresh_per_second=_FRAMES_PER_SECOND,
            vertical_overflow="ellipsis",
            redirect_stdout=False,  # where the output of everything else goes is decided by the caller
            redirect_stderr=False,
        )


def is_plain(console: Console) -> bool:
    """Whether a view that redraws itself would be unreadable here."""
    return (
        not console.is_terminal or console.is_dumb_terminal or console.no_color or not console.is_interactive
    )


def _wall_clock() -> datetime:
    return datetime.now().astimezone()
