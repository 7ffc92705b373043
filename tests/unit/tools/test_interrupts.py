from __future__ import annotations

import signal
import threading

import pytest

from nightly_pipeline.tools.interrupts import signals_held_back


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
