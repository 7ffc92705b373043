from __future__ import annotations

import errno
import os
import threading
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightly_pipeline.errors import DiskFull, EnvironmentNotReady
from nightly_pipeline.tools.artifacts import LocalArtifactStore, checked_key, quote_name

KEY = "2026-11-20/1f3a9c02/vllm/amd64/unit_tests/junit.xml"


@pytest.fixture
def store(tmp_path) -> LocalArtifactStore:
    return LocalArtifactStore(tmp_path / "artifacts")


def test_an_artifact_is_a_file_at_its_location(store):
    store.write(KEY, b"one")
    assert Path(store.location(KEY)).read_bytes() == b"one"


def test_a_folder_and_a_place_below_a_file_are_absent(store):
    store.write("a/b", b"")
    assert store.read("a") is None
    assert store.read("a/b/c") is None


def test_a_copy_of_what_is_absent_is_no_file_and_no_error(store, tmp_path):
    store.write("2026-11-20/run/log", b"whole")

    for key in ("2026-11-20/run", "2026-11-20/run/log/below", "2026-11-20/other"):
        assert not store.read_file(key, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_a_copy_into_a_folder_that_is_not_there_is_the_environments_fault(store, tmp_path):
    store.write("2026-11-20/run/log", b"whole")

    with pytest.raises(EnvironmentNotReady):
        store.read_file("2026-11-20/run/log", tmp_path / "nowhere" / "copy")


@given(st.text(max_size=400))
def test_any_name_quoted_is_one_safe_part_of_a_key(name):
    quoted = quote_name(name)
    assert checked_key(f"a/{quoted}") == f"a/{quoted}"
    assert "/" not in quoted


@given(st.text(max_size=300), st.text(max_size=300))
def test_different_names_stay_different(one, other):
    assert (quote_name(one) == quote_name(other)) == (one == other)


@pytest.mark.parametrize("name", ["junit.xml", "vllm", "trt-llm_1.0+cu129", "run=1"])
def test_a_safe_name_stays_as_it_is(name):
    assert quote_name(name) == name


@pytest.mark.parametrize(
    "name", ["..", ".", ".hidden", "a/b", "tests/test_x.py::test_y[1]", "\ud800", "é" * 150]
)
def test_an_unsafe_name_is_quoted(name):
    checked_key(quote_name(name))


def test_a_reader_never_sees_half_an_artifact(store):
    store.write(KEY, b"a" * 500_000)
    seen: set[bytes] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add((store.read(KEY) or b"")[:1] + (store.read(KEY) or b"")[-1:])
            assert len(store.read(KEY) or b"") == 500_000

    reader = threading.Thread(target=read)
    reader.start()
    for letter in (b"b", b"c", b"d", b"e"):
        store.write(KEY, letter * 500_000)
    done.set()
    reader.join()


def test_a_write_that_fails_leaves_the_old_artifact_and_no_trace(store, tmp_path, monkeypatch):
    store.write(KEY, b"old")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFull, match="no space is left"):
        store.write(KEY, b"new")
    assert store.read(KEY) == b"old"
    assert [path.name for path in (tmp_path / "artifacts").rglob("*") if path.is_file()] == ["junit.xml"]


def test_a_quota_is_a_full_disk_too(store, monkeypatch):
    def over(_descriptor: int) -> None:
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr(os, "fsync", over)
    with pytest.raises(DiskFull):
        store.write(KEY, b"new")


def test_a_folder_that_cannot_be_written_to_is_the_environments_fault(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(EnvironmentNotReady, match="cannot be used"):
        LocalArtifactStore(tmp_path / "file" / "artifacts").write(KEY, b"")


def test_keys_show_no_links_no_drafts_and_nothing_unsafe(store, tmp_path):
    store.write("a/b", b"")
    folder = tmp_path / "artifacts" / "a"
    (folder / ".writing-xyz").write_bytes(b"")
    (folder / "with space").write_bytes(b"")
    (folder / "link").symlink_to("/etc/passwd")
    (folder / "loop").symlink_to("..")
    assert store.keys("") == ["a/b"]


def test_keys_of_a_prefix_are_those_of_the_folder_not_of_names_that_start_alike(store):
    for key in ("2026-11-20/a", "2026-11-200/b", "2026-11-20/c/d"):
        store.write(key, b"")
    assert store.keys("2026-11-20") == ["2026-11-20/a", "2026-11-20/c/d"]
    assert store.keys("2026-11-20/a") == ["2026-11-20/a"]


def test_a_deleted_prefix_takes_its_empty_parents_with_it_and_nothing_else(store, tmp_path):
    for key in ("2026-11-20/r/x", "2026-11-20/r/y", "2026-11-21/r/x"):
        store.write(key, b"")
    assert store.delete("2026-11-20/r/x") == 1
    assert store.delete("2026-11-20/r") == 1
    assert [path.name for path in (tmp_path / "artifacts").iterdir()] == ["2026-11-21"]


def test_the_nights_are_the_folders_that_are_dates(store):
    for key in ("2026-11-21/a", "2026-11-20/a", "slack/a", "20261119/a", "2026-13-01/a", "2026-11-22"):
        store.write(key, b"")
    assert store.dates() == [date(2026, 11, 20), date(2026, 11, 21)]


def test_writers_and_a_pruner_do_not_trip_each_other(store):
    failures: list[BaseException] = []

    def write() -> None:
        try:
            for number in range(150):
                store.write(f"2026-11-20/r/{number % 7}/x", b"x")
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    writers = [threading.Thread(target=write) for _ in range(3)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        store.delete("2026-11-20")
    assert failures == []


def test_what_a_killed_writer_left_goes_with_its_folder_after_an_hour(store, tmp_path):
    store.write("2026-11-20/a", b"")
    folder = tmp_path / "artifacts" / "2026-11-20"
    draft = folder / ".writing-killed"
    draft.write_bytes(b"half")
    store.delete("2026-11-20")
    assert draft.exists()
    os.utime(draft, (0, 0))
    store.delete("2026-11-20")
    assert not folder.exists()


def test_links_are_deleted_not_followed(store, tmp_path):
    store.write("2026-11-20/a", b"")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").write_text("kept")
    (tmp_path / "artifacts" / "2026-11-20" / "link").symlink_to(elsewhere)
    store.delete("2026-11-20")
    assert not (tmp_path / "artifacts" / "2026-11-20").exists()
    assert (elsewhere / "file").read_text() == "kept"


def test_artifacts_can_be_read_by_others(store):
    store.write(KEY, b"")
    assert Path(store.location(KEY)).stat().st_mode & 0o777 == 0o644


def test_of_two_writers_the_first_wins(tmp_path):
    store = LocalArtifactStore(tmp_path)
    assert store.write_once("2026-11-22/run/source.json", b"first")
    assert not store.write_once("2026-11-22/run/source.json", b"second")
    assert store.read("2026-11-22/run/source.json") == b"first"
    assert store.keys("2026-11-22") == ["2026-11-22/run/source.json"]
