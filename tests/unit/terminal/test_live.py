from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from nightly_pipeline.model.plan import SOURCE_KEY, image_key, index_key, publication_key, stage_key
from nightly_pipeline.terminal import LiveNight
from nightly_pipeline.terminal.live import is_plain
from tests.factories import plan
from tests.hostile import hostile_text
from tests.unit.terminal.screens import CONTROL, console, screen, written

UNIT = stage_key("vllm", "amd64", "unit")
RUNTIME = image_key("vllm", "amd64", "runtime")


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 20, 12, 3, 4, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def wait(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def live(
    clock: Callable[[], datetime], to: Console | None = None, *, plain: bool = True, **fields
) -> LiveNight:
    return LiveNight(plan(**fields), console=to or console(), plain=plain, now=clock)


def matrix(night: LiveNight, width: int = 80) -> str:
    return screen(night._view, width)


def row_of(text: str, name: str) -> list[str]:
    return next(line.split() for line in text.splitlines() if line.startswith(name))


def test_plain_output_is_one_line_an_event(clock: Clock) -> None:
    to = console(width=40)
    with live(clock, to) as night:
        night.update(UNIT, "queued")
        night.update(UNIT, "running")
        clock.wait(12.3)
        night.update(UNIT, "good", "passed", "38 tests")

    assert written(to) == (
        "12:03:04  vllm/amd64/unit  running\n12:03:16  vllm/amd64/unit  passed  38 tests  12.3 s\n"
    )  # wider than the console: a log's lines are not folded


def test_the_same_again_prints_nothing(clock: Clock) -> None:
    to = console()
    with live(clock, to) as night:
        for _ in range(3):
            night.update(UNIT, "running")
        for _ in range(3):
            night.update(UNIT, "bad", "failed", "2 failed")

    assert written(to).count("\n") == 2


def test_a_step_that_never_ran_has_no_duration(clock: Clock) -> None:
    to = console()
    with live(clock, to) as night:
        clock.wait(60)
        night.update(UNIT, "cancelled", "blocked", "its image is not there")

    assert written(to) == "12:04:04  vllm/amd64/unit  blocked  its image is not there\n"


def test_a_key_beside_the_plan_is_shown(clock: Clock) -> None:
    to = console()
    with live(clock, to) as night:
        night.update(SOURCE_KEY, "good", "resolved", "9c1d5e0f7a3b")

    assert written(to) == "12:03:04  source_revision  resolved  9c1d5e0f7a3b\n"
    assert "✓ source_revision" in matrix(night)
    assert "0 of 45 done" in matrix(night)


@given(hostile_text, hostile_text, st.sampled_from(["running", "good", "bad", "cancelled"]))
def test_no_text_breaks_the_line_or_reaches_the_terminal(word: str, detail: str, state) -> None:
    to = console()
    with live(Clock(), to) as night:
        night.update(UNIT, state, word, detail)

    assert not CONTROL.search(written(to))
    assert len(written(to).splitlines()) == 1
    assert matrix(night)


@pytest.mark.parametrize("width", [80, 120, 160])
def test_the_matrix_has_a_row_a_cell_and_fits(clock: Clock, width: int) -> None:
    text = matrix(live(clock), width)

    for framework in ("vllm", "sglang", "trtllm"):
        assert len(row_of(text, f"{framework}/amd64")) == len(row_of(text, f"{framework}/arm64")) == 1 + 7
        assert row_of(text, f"{framework} index") == [framework, "index", "·"]
    assert "…" not in text


def test_the_matrix_shows_states_and_elapsed_times_of_each_step(clock: Clock) -> None:
    night = live(clock)
    night.update(RUNTIME, "running")
    clock.wait(723)
    night.update(RUNTIME, "good", "built")
    night.update(UNIT, "running")
    night.update(publication_key("vllm", "amd64"), "queued")
    clock.wait(59)

    assert " ".join(row_of(matrix(night), "vllm/amd64")) == "vllm/amd64 · ✓ 12m03 … ▶ 59s · · ·"
    assert " ".join(row_of(matrix(night, 120), "vllm/amd64")) == "vllm/amd64 · ✓ built 12m03 … ▶ 59s · · ·"

    clock.wait(1)

    assert "▶ 1m00" in matrix(night)
    assert "✓ 12m03" in matrix(night)


def test_a_step_that_runs_again_starts_its_time_anew(clock: Clock) -> None:
    night = live(clock)
    night.update(UNIT, "running")
    clock.wait(100)
    night.update(UNIT, "bad", "failed")
    clock.wait(100)
    night.update(UNIT, "running")
    clock.wait(5)

    assert "▶ 5.0s" in matrix(night)


def test_what_is_not_good_is_said_in_words(clock: Clock) -> None:
    night = live(clock)
    night.update(RUNTIME, "bad", "timed_out", "no answer after 150 min")
    night.update(UNIT, "cancelled", "blocked", "vllm/amd64/runtime_image is not there")
    lines = matrix(night).splitlines()

    assert "✗ vllm/amd64/runtime_image timed_out  no answer after 150 min" in lines
    assert "? vllm/amd64/unit blocked  vllm/amd64/runtime_image is not there" in lines
    assert "2 of 45 done, 0 running, 2 not good, 0.0 s  MOCK ENGINE" in lines


def test_of_many_problems_the_newest_are_shown_and_the_others_counted(clock: Clock) -> None:
    night = live(clock)
    for entry in plan().entries:
        clock.wait(1)
        night.update(entry.key, "bad", "failed")
    lines = matrix(night).splitlines()

    assert "37 more before these" in lines
    assert sum(line.endswith(" failed") for line in lines) == 8
    assert "✗ trtllm/arm64/e2e_multi_gpu failed" in lines
    assert "45 of 45 done, 0 running, 45 not good, 45.0 s  MOCK ENGINE" in lines


def test_a_real_engine_is_not_called_mock(clock: Clock) -> None:
    assert "MOCK" not in matrix(live(clock, engine="real"))


def test_a_partial_plan_has_only_its_own_rows_and_columns(clock: Clock) -> None:
    text = matrix(live(clock, frameworks=("vllm",), architectures=("amd64",), stages=("unit",), indexes=()))

    assert len(row_of(text, "vllm/amd64")) == 1 + 4
    assert "sglang" not in text
    assert "integration" not in text
    assert "index" not in text


def test_an_index_stands_in_a_row_of_its_own(clock: Clock) -> None:
    night = live(clock)
    night.update(index_key("sglang"), "good", "published")

    assert row_of(matrix(night), "sglang index") == ["sglang", "index", "✓"]


def test_the_live_view_redraws_itself_and_leaves_the_end_on_the_screen(clock: Clock) -> None:
    to = console(width=100, terminal=True)
    with live(clock, to, plain=False) as night:
        night.update(UNIT, "running")
        clock.wait(7)
        night.update(UNIT, "good", "passed", "38 tests")

    assert "\x1b[2K" in written(to)  # it erased and drew again
    last = written(to).rpartition("\x1b[2K")[2]
    assert "1 of 45 done" in last
    assert "✓ 7.0s" in last


def test_the_end_is_drawn_after_an_error_too(clock: Clock) -> None:
    to = console(width=100, terminal=True)

    def night_with_an_error() -> None:
        with live(clock, to, plain=False) as night:
            night.update(UNIT, "bad", "failed")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        night_with_an_error()

    assert "1 of 45 done" in written(to).rpartition("\x1b[2K")[2]
    assert written(to).endswith("\x1b[?25h")  # the cursor is back


@pytest.mark.parametrize(
    ("to", "plain"),
    [
        (console(terminal=True), False),
        (console(terminal=False), True),
        (console(terminal=True, environ={"NO_COLOR": "1"}), True),
        (console(terminal=True, environ={"TERM": "dumb"}), True),
    ],
)
def test_plain_where_nothing_can_be_redrawn(to: Console, *, plain: bool) -> None:
    assert is_plain(to) is plain


def test_updates_from_other_threads_do_not_disturb_the_drawing(clock: Clock) -> None:
    to = console(width=100, terminal=True)
    with live(clock, to, plain=False) as night, ThreadPoolExecutor(4) as pool:
        keys = [entry.key for entry in plan().entries] + [("beside", str(number)) for number in range(200)]
        list(pool.map(lambda key: night.update(key, "good", "built"), keys))

    assert "45 of 45 done" in written(to).rpartition("\x1b[2K")[2]
