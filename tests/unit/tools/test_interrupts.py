from __future__ import annotations

import itertools
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from nightly_pipeline.tools import interrupts
from nightly_pipeline.tools.interrupts import run_then, signals_held_back


def test_an_interrupt_comes_after_the_block_not_in_it():
    done = []
    with pytest.raises(KeyboardInterrupt), signals_held_back():
        signal.raise_signal(signal.SIGINT)
        done.append("to the end")
    assert done == ["to the end"]


def test_handlers_are_as_before():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with signals_held_back():
        pass
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_handlers_are_as_before_after_an_error():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(RuntimeError), signals_held_back():
        raise RuntimeError
    assert signal.getsignal(signal.SIGINT) is before


def test_a_handler_of_the_program_gets_the_signal():
    seen: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: seen.append(number))
    try:
        with signals_held_back():
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)
            assert seen == []
        assert seen == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_somebody_who_insists_is_heard():
    raised = 0
    with pytest.raises(KeyboardInterrupt), signals_held_back():
        while raised < 50:
            raised += 1
            signal.raise_signal(signal.SIGINT)
    assert raised == 10


def test_other_threads_get_no_signals_and_change_no_handlers():
    before = signal.getsignal(signal.SIGINT)
    inside: list[object] = []

    def work() -> None:
        with signals_held_back():
            inside.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert inside == [before]


@contextmanager
def interrupt_at(place: int) -> Iterator[itertools.count]:
    """Ctrl-C before the line of that number, counted through all of our functions; counts the lines on."""
    lines = itertools.count()

    def trace(frame, _event, _argument):
        if frame.f_code.co_filename != interrupts.__file__:
            return None
        if next(lines) == place:
            signal.raise_signal(signal.SIGINT)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield lines
    finally:
        sys.settrace(before)


def interrupted_everywhere(block: Callable[[list[str]], None]) -> Iterator[list[str]]:
    """What was done in a run for each place an interrupt may come at."""
    for place in itertools.count():
        done: list[str] = []
        with suppress(KeyboardInterrupt), interrupt_at(place) as lines:
            run_then(lambda told=done: block(told), afterwards=lambda told=done: told.append("afterwards"))
        yield done
        if next(lines) <= place:
            return


def test_an_interrupt_at_any_place_leaves_nothing_undone():
    runs = list(interrupted_everywhere(lambda done: done.append("begun")))
    assert len(runs) > 20
    assert all(done[-1] == "afterwards" for done in runs if "begun" in done)


def test_a_second_interrupt_at_any_place_leaves_nothing_undone():
    def be_interrupted(done: list[str]) -> None:
        done.append("begun")
        signal.raise_signal(signal.SIGINT)

    runs = list(interrupted_everywhere(be_interrupted))
    assert len(runs) > 20
    assert all(done[-1] == "afterwards" for done in runs if "begun" in done)


def test_on_the_way_out_of_the_first_interrupt_no_other_comes():
    done: list[str] = []

    def block() -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            signal.raise_signal(signal.SIGINT)
            done.append("tidied up")

    with pytest.raises(KeyboardInterrupt):
        run_then(block, afterwards=lambda: done.append("afterwards"))
    assert done == ["tidied up", "afterwards"]


def test_what_a_block_returns_or_raises_comes_through():
    done: list[str] = []
    assert run_then(lambda: 7, afterwards=lambda: done.append("once")) == 7
    with pytest.raises(ZeroDivisionError):
        run_then(lambda: 1 / 0, afterwards=lambda: done.append("twice"))
    assert done == ["once", "twice"]


def test_a_handler_that_does_not_raise_hears_every_signal_of_the_block():
    seen: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: seen.append(number))

    def block() -> None:
        for _ in range(3):
            signal.raise_signal(signal.SIGTERM)
        assert len(seen) == 3

    try:
        run_then(block, afterwards=lambda: signal.raise_signal(signal.SIGTERM) or seen.append(0))
    finally:
        signal.signal(signal.SIGTERM, before)
    assert seen == [signal.SIGTERM] * 3 + [0, signal.SIGTERM]


def test_interrupts_that_come_afterwards_are_delivered_when_that_is_done():
    done: list[str] = []

    def afterwards() -> None:
        signal.raise_signal(signal.SIGINT)
        done.append("to the end")

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        run_then(lambda: signal.raise_signal(signal.SIGINT), afterwards=afterwards)
    assert done == ["to the end"]
    assert signal.getsignal(signal.SIGINT) is before
