from __future__ import annotations

import gc
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nightly_pipeline.model.history import TestResult
from nightly_pipeline.tools.history import ParquetHistory
from tests.history_rows import DAY, NEXT, night, row


@pytest.fixture
def history(tmp_path) -> ParquetHistory:
    return ParquetHistory(tmp_path / "history")


def test_a_file_that_is_replaced_is_not_taken_for_what_it_was(history):
    for number in range(20):  # within one tick of a coarse clock, and of the same size
        result = TestResult.FAILED if number % 2 else TestResult.PASSED
        history.write(night(), [], [row("a", result, duration_s=float(number))])
        assert [(one.result, one.duration_s) for one in history.tests(DAY)] == [(result, float(number))]


def test_what_others_write_is_seen_by_the_next_question(history, tmp_path):
    other = ParquetHistory(tmp_path / "history")
    assert history.tests(DAY) == []
    other.write(night(), [], [row("a")])
    assert len(history.tests(DAY)) == 1
    other.write(night(date=NEXT), [], [row("a", date=NEXT)])
    assert [one.date for one in history.of_tests([row("a").identity])] == [DAY, NEXT]


def test_threads_take_turns(history):
    names = [f"t{number}" for number in range(8)]
    history.write(night(), [], [row(name) for name in names])
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda name: history.of_tests([row(name).identity]), names))
    assert found == [[row(name)] for name in names]


def test_nothing_is_left_of_a_session(history, tmp_path, monkeypatch):
    spills = tmp_path / "spills"
    spills.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(spills))
    asked = ParquetHistory(tmp_path / "history")
    assert asked.nights() == []
    assert len(list(Path(spills).iterdir())) == 1
    del asked
    gc.collect()
    assert list(Path(spills).iterdir()) == []
