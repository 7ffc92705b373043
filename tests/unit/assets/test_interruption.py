"""What an interruption tells, whoever handles the signal."""

from __future__ import annotations

import signal
import threading

import pytest

from nightly_pipeline.assets.interruption import on_interruption


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_is_told_once_even_where_another_handler_takes_the_signal(number) -> None:
    told = []
    heard = threading.Event()

    def tell() -> None:
        told.append(number)
        heard.set()

    before = signal.signal(number, lambda *_: None)
    try:
        with on_interruption(tell):
            signal.raise_signal(number)
            signal.raise_signal(number)
            assert heard.wait(300)
    finally:
        signal.signal(number, before)
    assert told == [number]


def test_nothing_is_told_without_one() -> None:
    told = []
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    try:
        with on_interruption(lambda: told.append("told")):
            signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert told == []
