"""What all tests start from: their worker processes and order, signals, a terminal, hypothesis and its examples."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.clock import stay_in_one_day

TESTS = Path(__file__).parent
# What takes longest begins first, else one worker is left alone with it at the end.
FIRST = ("e2e", "integration", "ui", "unit/evidence_plugin", "unit/tools", "unit/commands")
MOST_WORKERS = 6

# How long an example takes says how busy the machine is. The examples are the same in every run, so that a run is no
# game of chance; `--hypothesis-profile=search` looks for new ones.
settings.register_profile(
    "search", derandomize=False, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("suite", settings.get_profile("search"), derandomize=True, database=None)
settings.load_profile("suite")


def pytest_configure() -> None:
    """Let Ctrl-C mean something to the programs of the tests: what a shell starts in its background ignores it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _any_terminal() -> Iterator[None]:
    """Output looks the same whatever the terminal or the CI around the tests asks for."""
    with pytest.MonkeyPatch.context() as environment:
        for name in ("COLUMNS", "LINES", "TERM", "COLORTERM", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
            environment.delenv(name, raising=False)
        yield


def pytest_xdist_auto_num_workers() -> int:
    """One worker more than there are processors: much of a night is waiting for the engine and the registries."""
    return min((os.cpu_count() or 1) + 1, MOST_WORKERS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files in the order they are to begin in; the tests of a file stay in theirs."""
    items.sort(key=lambda item: place(item.path))


def place(file: Path) -> int:
    """How early a file begins."""
    name = file.relative_to(TESTS).as_posix()
    return next((number for number, room in enumerate(FIRST) if name.startswith(f"{room}/")), len(FIRST))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let no test of a few seconds begin in one day and end in the next. Modules of nights see to that themselves."""
    if TESTS / "e2e" not in item.path.parents:
        stay_in_one_day(30)
