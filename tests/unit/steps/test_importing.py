"""Imports into one run: what several files and several imports of a stage and a night make together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from nightly_pipeline.errors import DiskFull, RecordError
from nightly_pipeline.model.evidence import TestOutcome
from nightly_pipeline.model.history import EntryRow, NightRow, TestRow
from nightly_pipeline.model.imported_rows import ImportedRun
from nightly_pipeline.steps.importing import files_in, import_files
from nightly_pipeline.tools.junit import JUnitCase
from tests.fakes.history import MemoryHistory

RUN = ImportedRun(
    date="2026-10-01", run_id="", framework="vllm", arch="amd64", stage="unit", engine_kind="real"
)


def cases(path: Path) -> list[JUnitCase]:
    """One case a file, named by its content."""
    outcome = TestOutcome.FAILED if "bad" in path.name else TestOutcome.PASSED
    return [
        JUnitCase(
            suite="s", classname="", name=path.read_text(), outcome=outcome, duration_s=1.0, message="no"
        )
    ]


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    for name in ("a.xml", "bad.xml", "c.xml"):
        (tmp_path / name).write_text(name)
    return files_in(tmp_path)


def counts(history: MemoryHistory) -> list[tuple[int, int]]:
    return [(row.passed, row.failed) for row in history.entries()]


def test_files_and_imports_of_one_stage_and_night_are_one_run(files):
    history = MemoryHistory()
    list(import_files(files[:1], RUN, cases, history))
    assert counts(history) == [(1, 0)]
    list(import_files(files[1:], RUN, cases, history))
    assert counts(history) == [(2, 1)]
    assert [night.status for night in history.nights()] == ["red"]


def test_another_import_of_the_run_meanwhile_is_counted(files):
    class Busy(MemoryHistory):
        def write(self, night: NightRow, entries: Sequence[EntryRow], tests: Sequence[TestRow]) -> None:
            if len(self.parts) == 1:  # another process adds its part, counts first, and is overwritten
                other = MemoryHistory(parts=self.parts)
                list(import_files(files[1:2], RUN, cases, other))
            super().write(night, entries, tests)

    history = Busy()
    list(import_files(files[:1], RUN, cases, history))
    assert counts(history) == [(1, 1)]


def test_a_file_that_cannot_be_read_leaves_the_others(files):
    def read(path: Path) -> list[JUnitCase]:
        if path.name == "bad.xml":
            raise RecordError("no JUnit")
        return cases(path)

    history = MemoryHistory()
    gone = files[0].with_name("gone.xml")
    said = [
        (one.path.name, one.tests, one.problem) for one in import_files([*files, gone], RUN, read, history)
    ]
    assert said == [
        ("a.xml", 1, None),
        ("bad.xml", 0, "no JUnit"),
        ("c.xml", 1, None),
        ("gone.xml", 0, "cannot be read: No such file or directory"),
    ]
    assert counts(history) == [(2, 0)]


def test_nothing_that_can_be_read_writes_nothing(files):
    history = MemoryHistory()
    [said] = import_files(files[:1], RUN, lambda _path: [], history)
    assert said.problem == "has no test cases"
    assert history.nights() == []


def test_a_history_that_is_full_ends_the_import(files):
    history = MemoryHistory(refusal=DiskFull("no space is left"))
    with pytest.raises(DiskFull):
        list(import_files(files, RUN, cases, history))


def test_endings_of_any_case_and_compressed_files_are_found(tmp_path):
    for name in ("A.XML", "b.xml.gz", "c.txt", "d.xml"):
        (tmp_path / name).write_text("")
    (tmp_path / "e.xml").mkdir()
    assert [path.name for path in files_in(tmp_path)] == ["A.XML", "b.xml.gz", "d.xml"]
