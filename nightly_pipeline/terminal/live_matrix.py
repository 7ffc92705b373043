"""The picture of a running night: rows of cells, columns of steps, and in words what is not good."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from nightly_pipeline.model.plan import Key, Plan
from nightly_pipeline.model.quantities import clock_text, duration_text
from nightly_pipeline.model.reading import label_of
from nightly_pipeline.model.untrusted import clip, one_line
from nightly_pipeline.terminal.live_state import ENDED, SYMBOLS, TONES, NightState, Step
from nightly_pipeline.terminal.words import STYLES, in_order

_WIDE = 120
_INDEX = "multi_arch_image"
_PUBLISHED = "published_image"
_LINES_OF_TROUBLE = 8
_CLOCK_WIDTH = 7  # a mark, a space, and the longest time of `clock_text`
_WIDEST_BAR = 80

Steps = Mapping[Key, Step]


class NightView:
    """Draws the state anew each time it is rendered, so that elapsed times go on between updates."""

    def __init__(self, plan: Plan, state: NightState, now: Callable[[], datetime]) -> None:
        self._state = state
        self._now = now
        self._mock = plan.engine == "mock"
        self._columns = _columns(plan)
        self._rows = _rows(plan)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        # A copy: another thread may add a step while this one draws.
        now, steps = self._now(), dict(self._state.steps)
        yield self._matrix(steps, now, wide=options.max_width >= _WIDE)
        yield from _trouble(steps, now)
        yield _bar(self._done(), len(self._state.planned), min(options.max_width, _WIDEST_BAR))
        yield self._progress(steps, now)

    def _matrix(self, steps: Steps, now: datetime, *, wide: bool) -> RenderableType:
        table = Table(
            box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1 if wide else 0, 0, 0), pad_edge=False
        )
        table.add_column("", no_wrap=True)
        for name in self._columns:
            heading = _heading(name, wide=wide)
            narrowest = max(_CLOCK_WIDTH, *(len(word) for word in heading.split()))
            table.add_column(Text(heading), no_wrap=wide, width=None if wide else narrowest)
        for row, keys in self._rows.items():
            cells = (
                _cell(steps[keys[name]], now, wide=wide) if name in keys else Text() for name in self._columns
            )
            table.add_row(Text(row), *cells)
        return table

    def _done(self) -> int:
        return self._state.counted(*ENDED)

    def _progress(self, steps: Steps, now: datetime) -> Text:
        counted = [
            f"{self._done()} of {len(self._state.planned)} done",
            f"{self._state.counted('running')} running",
        ]
        not_good = self._state.counted("bad", "cancelled")
        if not_good:
            counted.append(f"{not_good} not good")
        elapsed = (now - self._state.began).total_seconds()
        line = Text(f"{', '.join(counted)}, {duration_text(elapsed)}", style="bold")
        if self._mock:
            line.append("  MOCK ENGINE", style="bold yellow")
        for key in steps.keys() - set(self._state.planned):
            line.append(
                f"  {SYMBOLS[steps[key].state]} {one_line(label_of(key))}",
                style=STYLES[TONES[steps[key].state]],
            )
        return line


def _cell(step: Step, now: datetime, *, wide: bool) -> Text:
    parts = [SYMBOLS[step.state]]
    if wide and step.word:
        parts.append(clip(step.word, 14))
    elapsed = step.elapsed_s(now)
    if elapsed is not None:
        parts.append(clock_text(elapsed))
    return Text(" ".join(parts), style=STYLES[TONES[step.state]])


def _trouble(steps: Steps, now: datetime) -> Iterator[RenderableType]:
    """In words: what is not good, the newest last, because a mark alone says too little."""
    found = [(key, step) for key, step in steps.items() if step.state in ENDED and step.state != "good"]
    found.sort(key=lambda pair: pair[1].ended or now)
    left_out = len(found) - _LINES_OF_TROUBLE
    if left_out > 0:
        yield Text(f"{left_out} more before these", style="italic")
    for key, step in found[-_LINES_OF_TROUBLE:]:
        yield _words(key, step)


def _bar(done: int, total: int, width: int) -> Text:
    full = width * done // max(total, 1)
    return Text("━" * full, style="green", no_wrap=True).append("─" * (width - full), style="dim")


def _columns(plan: Plan) -> tuple[str, ...]:
    images = [image.key[-1] for image in plan.images]
    published = [_PUBLISHED] if plan.publications or plan.indexes else []
    return tuple(dict.fromkeys([*images, *published, *(stage.key[-1] for stage in plan.stages)]))


def _rows(plan: Plan) -> dict[str, dict[str, Key]]:
    """Row -> column -> key; each framework's index stands in a row of its own below its cells."""
    frameworks: dict[str, dict[str, dict[str, Key]]] = {}
    for entry in in_order(plan):
        index = entry.key[-1] == _INDEX
        row = f"{entry.framework} index" if index else "/".join(entry.key[:-1])
        column = _PUBLISHED if index else entry.key[-1]
        frameworks.setdefault(entry.framework, {}).setdefault(row, {})[column] = entry.key
    return {row: keys for rows in frameworks.values() for row, keys in rows.items()}


def _heading(name: str, *, wide: bool) -> str:
    """The column's name; where there is little room it may break at its spaces."""
    words = name.removesuffix("_tests")
    return words if wide else words.removesuffix("_image").replace("_", " ")


def _words(key: Key, step: Step) -> Text:
    mark = f"{SYMBOLS[step.state]} {one_line(label_of(key))} {step.word or step.state}"
    line = Text(mark, style=STYLES[TONES[step.state]], no_wrap=True, overflow="ellipsis")
    return line.append(f"  {step.detail}", style="default") if step.detail else line
