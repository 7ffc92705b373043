"""Writers of the history that are killed, two at a time, or packing while others read."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nightly_pipeline.errors import DiskFull, EnvironmentNotReady
from nightly_pipeline.model.history import TestResult
from nightly_pipeline.tools import files, history_files, history_packing, history_query
from nightly_pipeline.tools.history import ParquetHistory
from nightly_pipeline.tools.history_files import writing
from tests.history_rows import DAY, entry, night, row

ROOT = Path(__file__).parents[3]
TESTS = 3000
WRITER = f"""
import sys, itertools
from pathlib import Path
from nightly_pipeline.tools.history import ParquetHistory
from tests.history_rows import entry, night, row
history = ParquetHistory(Path(sys.argv[1]))
tests = [row(f"t{{number}}") for number in range({TESTS})]
for turn in itertools.count():
    words = str(turn)
    rows = [one.model_copy(update={{"runner": words}}) for one in tests]
    history.write(night(status=words), [entry(runner=words)], rows)
    if not turn:
        print("ready", flush=True)
    if len(sys.argv) > 2:
        history.write(night(date="2026-09-01"), [], [row("old", date="2026-09-01")])
        history.pack(before="2026-10-01")
"""


def start_writer(root: Path, *more: str) -> subprocess.Popen[str]:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(root), *more], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == "ready\n"
    return writer


def consistent(history: ParquetHistory) -> str | None:
    """The turn whose rows are there: all of one turn's, and nothing of another's. None when none is."""
    tests = history.tests(DAY)
    if not tests:
        return None
    assert len(tests) == TESTS
    [turn] = {one.runner for one in tests}
    return turn


@pytest.mark.slow
@pytest.mark.parametrize("packing", [(), ("pack",)], ids=["writing", "packing"])
def test_a_writer_that_is_killed_leaves_whole_runs(tmp_path, packing):
    chance = random.Random(4)  # noqa: S311 - moments, not secrets
    history = ParquetHistory(tmp_path)
    for _ in range(4):
        writer = start_writer(tmp_path, *packing)
        try:
            end = time.monotonic() + chance.uniform(0.3, 1.5)
            while time.monotonic() < end:
                consistent(history)
        finally:
            writer.send_signal(signal.SIGKILL)
            writer.communicate()
        turn = consistent(history)
        assert turn is not None
        assert [one.status for one in history.nights(since=DAY)] == [turn]
        assert [one.runner for one in history.entries(since=DAY)] == [turn]
        assert len(history.tests("2026-09-01")) <= 1
        assert history.problems(thorough=True) == []
    history.write(night(), [], [])  # and nothing stands in the way of the next
    assert list(tmp_path.rglob(f"{files.TEMPORARY}*")) == []


@pytest.mark.slow
def test_two_writers_take_turns(tmp_path):
    history = ParquetHistory(tmp_path)
    writers = [start_writer(tmp_path), start_writer(tmp_path, "pack")]
    try:
        end = time.monotonic() + 3
        while time.monotonic() < end:
            consistent(history)
            assert all(writer.poll() is None for writer in writers)
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()
    assert consistent(history) is not None


def test_who_waits_too_long_says_for_whom(tmp_path):
    with (
        writing(tmp_path),
        pytest.raises(EnvironmentNotReady, match="another process"),
        writing(tmp_path, patience_s=0.05),
    ):
        pass


def test_a_full_disk_leaves_the_history_as_it_was(tmp_path, monkeypatch):
    history = ParquetHistory(tmp_path)
    history.write(night(), [], [row("a")])

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFull):
        history.write(night(), [], [row("b")])
    assert [one.node_id for one in history.tests(DAY)] == ["a"]
    assert list(tmp_path.rglob(f"{files.TEMPORARY}*")) == []


class TestPacking:
    DAYS = ("2026-08-30", "2026-08-31", "2026-09-01", "2026-09-02", "2026-10-05", DAY)

    @pytest.fixture
    def history(self, tmp_path) -> ParquetHistory:
        history = ParquetHistory(tmp_path / "history")
        for day in self.DAYS:
            tests = [row("a", date=day), row("b", TestResult.FAILED, date=day, signature="E")]
            history.write(night(date=day), [entry(date=day), entry("integration", date=day)], tests)
        history.add(
            [row("c", date=self.DAYS[0], source="import")], date=self.DAYS[0], run_id="one", part="import"
        )
        return history

    def rows(self, history: ParquetHistory) -> list[object]:
        tests = [history.tests(day) for day in self.DAYS]
        identities = [row(name).identity for name in "abc"]
        return [history.nights(), history.entries(), tests, history.of_tests(identities), history.problems()]

    def files(self, history: ParquetHistory, tmp_path: Path) -> list[str]:
        return sorted(str(path.relative_to(tmp_path / "history")) for path in tmp_path.rglob("*.parquet"))

    def test_months_that_are_over_become_one_file_each(self, history, tmp_path):
        before = self.rows(history)
        assert history.pack(before=DAY) == ["2026-08", "2026-09", "2026-10"]
        assert self.files(history, tmp_path) == [
            "month=2026-08/whole,1.parquet",
            "month=2026-09/whole,1.parquet",
            "month=2026-10/whole,1.parquet",
            f"month=2026-11/{DAY},one,night.parquet",
        ]
        assert self.rows(history) == before
        assert history.pack(before=DAY) == [], "there is nothing more to do"

    def test_a_disk_that_fills_up_on_the_way_is_said_and_changes_nothing(
        self, history, tmp_path, monkeypatch
    ):
        before, files = self.rows(history), self.files(history, tmp_path)

        def fill_up(path: Path, batches: Iterator[object], *, group: int) -> int:
            next(batches)
            raise DiskFull(f"no space is left to write {path}")

        monkeypatch.setattr(history_packing, "write_parquet", fill_up)
        with pytest.raises(DiskFull):
            history.pack(before=DAY)
        assert (self.rows(history), self.files(history, tmp_path)) == (before, files)

    def test_a_packing_that_loses_a_row_is_undone(self, history, tmp_path, monkeypatch):
        before, files = self.rows(history), self.files(history, tmp_path)

        def lose(path: Path, batches: Iterator[pa.RecordBatch], *, group: int) -> int:
            first, *rest = batches
            return history_files.write_parquet(path, [first.slice(1), *rest], group=group)

        monkeypatch.setattr(history_packing, "write_parquet", lose)
        with pytest.raises(EnvironmentNotReady, match="lost rows, and was undone"):
            history.pack(before=DAY)
        assert (self.rows(history), self.files(history, tmp_path)) == (before, files)

    def test_a_run_written_anew_takes_its_place_in_a_packed_month(self, history):
        history.pack(before=DAY)
        day = self.DAYS[0]
        history.write(night(date=day, status="green"), [], [row("a", TestResult.FAILED, date=day)])
        for _ in range(2):
            assert [(one.node_id, one.result.value) for one in history.tests(day)] == [
                ("a", "failed"),
                ("c", "passed"),
            ]
            assert [one.status for one in history.nights(until=day)] == ["green"]
            assert history.entries(until=day) == []
            assert len(history.tests(self.DAYS[1])) == 2
            history.pack(before=DAY)

    def test_a_run_written_anew_with_nothing_hides_what_was_packed(self, history):
        history.pack(before=DAY)
        history.write(night(date=self.DAYS[1]), [], [])
        assert history.tests(self.DAYS[1]) == []

    def test_damage_stays_where_it_is_and_is_named(self, history, tmp_path):
        history.pack(before=DAY)
        whole = tmp_path / "history/month=2026-08/whole,1.parquet"
        whole.write_bytes(b"PAR1 and no more")
        history.write(night(date=self.DAYS[0]), [], [row("a", date=self.DAYS[0])])
        assert history.pack(before=DAY) == []
        assert whole.exists()
        assert [problem.path for problem in history.problems()] == [whole]
        assert len(history.tests(self.DAYS[0])) == 1

    def test_a_damaged_run_is_not_packed_away(self, history, tmp_path):
        damaged = tmp_path / f"history/month=2026-09/{self.DAYS[2]},one,night.parquet"
        damaged.write_bytes(b"")
        assert "2026-09" in history.pack(before=DAY)
        assert damaged.exists()
        assert [problem.path for problem in history.problems()] == [damaged]
        assert len(history.tests(self.DAYS[3])) == 2

    def test_a_page_that_is_damaged_is_not_packed_under_a_new_checksum(self, history, tmp_path):
        damaged = tmp_path / f"history/month=2026-09/{self.DAYS[2]},one,night.parquet"
        with pq.ParquetFile(damaged) as file:
            names = file.schema_arrow.names
            column = file.metadata.row_group(0).column(names.index("node_id"))
        content = bytearray(damaged.read_bytes())
        begin = column.data_page_offset
        if column.dictionary_page_offset is not None:
            begin = min(begin, column.dictionary_page_offset)
        content[begin + column.total_compressed_size - 1] ^= 0x10
        damaged.write_bytes(content)
        assert [problem.path for problem in history.problems(thorough=True)] == [damaged]
        assert "2026-09" in history.pack(before=DAY)
        assert damaged.exists()
        assert len(history.tests(self.DAYS[3])) == 2

    @pytest.mark.parametrize("step", range(1, 12))
    def test_killed_after_any_step_nothing_changes_for_readers(self, history, tmp_path, monkeypatch, step):
        history.pack(before="2026-09-30")
        history.write(night(date=self.DAYS[0]), [entry(date=self.DAYS[0])], [row("a", date=self.DAYS[0])])
        history.write(night(date=self.DAYS[1]), [entry(date=self.DAYS[1])], [row("z", date=self.DAYS[1])])
        before = self.rows(history)
        with monkeypatch.context() as patch:
            _kill_after(step, patch)
            with pytest.raises((_KilledError, StopIteration)):
                history.pack(before=DAY)
                raise StopIteration
        assert self.rows(history) == before
        history.pack(before=DAY)
        assert self.rows(history) == before
        assert len(self.files(history, tmp_path)) == 4

    def test_readers_do_not_notice(self, history):
        before = self.rows(history)
        reading, done = threading.Event(), threading.Event()
        seen: list[object] = []

        def read() -> None:
            while not done.is_set():
                reading.set()
                try:
                    seen.append(self.rows(history))
                except Exception as error:  # noqa: BLE001 - to be seen where the test is judged
                    seen.append(error)

        reader = threading.Thread(target=read)
        reader.start()
        assert reading.wait(300)
        writer = ParquetHistory(history._root)
        for _ in range(3):
            writer.pack(before=DAY)
            for day in self.DAYS[:4]:
                tests = [row("a", date=day), row("b", TestResult.FAILED, date=day, signature="E")]
                writer.write(night(date=day), [entry(date=day), entry("integration", date=day)], tests)
        done.set()
        reader.join()
        assert seen
        assert [one for one in seen if one != before] == []

    def test_what_is_packed_while_it_is_looked_at_is_no_problem(self, history, monkeypatch):
        look_at, left = history_query.look_at, [history.pack]

        def pack_and_look(path: Path) -> history_files.Look:
            while left:
                left.pop()(before=DAY)
            return look_at(path)

        monkeypatch.setattr(history_query, "look_at", pack_and_look)
        assert ParquetHistory(history._root).problems() == []
        assert left == []

    def test_a_file_that_is_listed_and_not_there_is_said(self, history, tmp_path):
        (tmp_path / f"history/month=2026-09/{self.DAYS[2]},two,night.parquet").symlink_to(tmp_path / "absent")
        with pytest.raises(EnvironmentNotReady, match="cannot be read"):
            history.problems()


class _KilledError(BaseException):
    """As if the process had ended here."""


def _kill_after(step: int, patch: pytest.MonkeyPatch) -> None:
    """End at the given file operation: a flush, a move into place, a removal."""
    left = iter(range(step - 1))

    def counted(operation):
        def call(*arguments, **named):
            if next(left, None) is None:
                raise _KilledError
            return operation(*arguments, **named)

        return call

    patch.setattr(os, "fsync", counted(os.fsync))
    patch.setattr(Path, "replace", counted(Path.replace))
    patch.setattr(Path, "unlink", counted(Path.unlink))


def test_a_history_may_be_copied_as_it_is(tmp_path):
    history = ParquetHistory(tmp_path / "one")
    history.write(night(), [], [row("a")])
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    assert ParquetHistory(tmp_path / "two").tests(DAY) == [row("a")]
    assert history_files.months(tmp_path / "three") == []
