"""`nightly import`, as a person calls it."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from nightly_pipeline.model.evidence import fold_events
from nightly_pipeline.model.history import TestResult
from nightly_pipeline.tools.history import ParquetHistory
from nightly_pipeline.tools.junit import THE_RUN, write_junit
from tests.unit.model.evidence_streams import collected, finish, ran, session

JUNIT = """<testsuites><testsuite name="s">
<testcase classname="tests.test_a" name="test_good" file="tests/test_a.py" time="1.5"/>
<testcase classname="tests.test_a" name="test_bad" file="tests/test_a.py" time="0.5">
  <failure message="AssertionError: no">E  AssertionError: no</failure></testcase>
<testcase classname="tests.test_a" name="test_skipped" file="tests/test_a.py"><skipped/></testcase>
<testcase classname="tests.test_a" name="test_flaky" file="tests/test_a.py"><flakyFailure message="once"/></testcase>
<testcase classname="tests.test_a" name="test_twice" file="tests/test_a.py"/>
<testcase classname="tests.test_a" name="test_twice" file="tests/test_a.py"><error message="boom"/></testcase>
</testsuite></testsuites>"""
DIGEST = f"sha256:{'1f' * 32}"
CELL = ("--framework", "vllm", "--arch", "amd64", "--stage", "unit")


@pytest.fixture
def folder(tmp_path) -> Path:
    folder = tmp_path / "results"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "junit.xml").write_text(JUNIT)
    return folder


def test_results_are_there_as_if_they_had_been_seen(nightly, folder, tmp_path):
    answer = nightly(
        "import", str(folder), "--date", "2026-10-01", *CELL, "--revision", "abc", "--image", DIGEST
    )
    assert answer.exit_code == 0
    assert "5 tests of 1 files are remembered" in answer.stdout
    history = ParquetHistory(tmp_path / "home" / "history")
    rows = {one.node_id.rpartition("::")[2]: one for one in history.tests("2026-10-01")}
    assert {name: one.result.value for name, one in rows.items()} == {
        "test_good": "passed", "test_bad": "failed", "test_skipped": "skipped", "test_flaky": "passed",
        "test_twice": "error",
    }  # fmt: skip
    assert {one.source for one in rows.values()} == {"import"}
    assert (rows["test_bad"].message, rows["test_bad"].failed_attempts) == ("AssertionError: no", 1)
    assert rows["test_bad"].signature is not None
    assert rows["test_good"].signature is None
    assert (rows["test_flaky"].attempts, rows["test_flaky"].failed_attempts) == (2, 1)
    assert rows["test_twice"].attempts == 2
    assert rows["test_skipped"].attempts == 0
    assert {(one.source_revision, one.image_digest, one.engine_kind) for one in rows.values()} == {
        ("abc", DIGEST, "real")
    }
    [imported] = history.nights()
    assert (imported.status, imported.partial, imported.profile) == ("red", True, "import")
    [stage] = history.entries()
    assert (stage.name, stage.status, stage.passed, stage.failed, stage.errors) == (
        "unit",
        "failed",
        2,
        1,
        1,
    )


def test_the_same_file_again_changes_nothing(nightly, folder, tmp_path):
    (folder / "copy.xml").write_text(JUNIT)
    for _ in range(2):
        nightly("import", str(folder), "--date", "2026-10-01", *CELL)
    history = ParquetHistory(tmp_path / "home" / "history")
    assert len(history.tests("2026-10-01")) == 5
    assert len(history.nights()) == 1


def test_a_stage_that_was_split_has_the_counts_of_all_its_files(nightly, tmp_path):
    shards = tmp_path / "shards"
    shards.mkdir()
    for number in range(8):  # with a run for each file, the newest of them would be the night's
        bad = "<failure message='no'/>" if number == 3 else ""
        case = f'<testcase classname="tests.test_a" name="test_{number}">{bad}</testcase>'
        (shards / f"{number}.xml").write_text(f"<testsuite>{case}</testsuite>")
    nightly("import", str(shards / "3.xml"), "--date", "2026-10-01", *CELL)
    nightly("import", str(shards), "--date", "2026-10-01", *CELL)
    history = ParquetHistory(tmp_path / "home" / "history")
    [stage] = history.entries()
    assert (stage.status, stage.good, stage.passed, stage.failed, stage.collected) == (
        "failed", False, 7, 1, 8,
    )  # fmt: skip
    assert [one.status for one in history.nights()] == ["red"]
    assert len(history.tests("2026-10-01")) == 8


def test_of_files_that_do_not_agree_on_a_test_the_worst_counts_once(nightly, tmp_path):
    for name, end in (("a", ""), ("b", "<failure/>"), ("c", "<skipped/>")):
        (tmp_path / f"{name}.xml").write_text(
            f'<testsuite><testcase name="test_x">{end}</testcase></testsuite>'
        )
        nightly("import", str(tmp_path / f"{name}.xml"), "--date", "2026-10-01", *CELL)
    [stage] = ParquetHistory(tmp_path / "home" / "history").entries()
    assert (stage.status, stage.passed, stage.failed, stage.skipped, stage.collected) == (
        "failed",
        0,
        1,
        0,
        1,
    )


def test_an_import_that_was_killed_is_completed_by_the_same_again(nightly, folder, tmp_path, monkeypatch):
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    arguments = ("import", str(folder), "--date", "2026-10-01", *CELL)
    with monkeypatch.context() as patch:
        patch.setattr(ParquetHistory, "write", die)
        nightly(*arguments)
    assert nightly(*arguments).exit_code == 0
    history = ParquetHistory(tmp_path / "home" / "history")
    assert (len(history.tests("2026-10-01")), len(history.nights()), len(history.entries())) == (5, 1, 1)


def test_an_expected_failure_is_none_and_no_skip(nightly, tmp_path):
    (tmp_path / "a.xml").write_text(
        '<testsuite><testcase name="test_x"><skipped type="pytest.xfail" message="bug"/></testcase></testsuite>'
    )
    nightly("import", str(tmp_path / "a.xml"), "--date", "2026-10-01", *CELL)
    history = ParquetHistory(tmp_path / "home" / "history")
    [row] = history.tests("2026-10-01")
    assert (row.result, row.attempts, row.failed_attempts) == (TestResult.XFAILED, 1, 0)
    assert [(one.status, one.skipped) for one in history.entries()] == [("no_tests", 1)]


def test_what_our_own_files_say_comes_back(nightly, tmp_path):
    lines = [session(), *collected("good", "later"), *ran("good"), finish(2)]
    write_junit(fold_events(lines), tmp_path / "a.xml", suite="vllm.amd64.unit", problem="crashed: no end")
    nightly("import", str(tmp_path / "a.xml"), "--date", "2026-10-01", *CELL)
    rows = ParquetHistory(tmp_path / "home" / "history").tests("2026-10-01")
    assert {one.node_id.rpartition("::")[2]: one.result.value for one in rows} == {
        "good": "passed", "later": "not_run", THE_RUN: "error",
    }  # fmt: skip


def test_a_compressed_file_is_not_passed_over(nightly, folder):
    (folder / "more.xml.gz").write_bytes(gzip.compress(JUNIT.encode()))
    answer = nightly("import", str(folder), "--date", "2026-10-01", *CELL)
    assert answer.exit_code == 8
    assert "is compressed: unpack it first" in answer.stderr


def test_one_file_may_be_of_two_nights(nightly, folder, tmp_path):
    for date in ("2026-10-01", "2026-10-02"):
        nightly("import", str(folder), "--date", date, *CELL)
    assert len(ParquetHistory(tmp_path / "home" / "history").nights()) == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is empty"),
        ("<testsuites><testsuite>", "cut off"),
        ("<html/>", "not JUnit"),
        ("<testsuites/>", "no test cases"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><testsuites/>', "document type"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_and_the_others_count(nightly, folder, tmp_path, content, said):
    (folder / "bad.xml").write_text(content)
    answer = nightly("import", str(folder), "--date", "2026-10-01", *CELL)
    assert answer.exit_code == 8
    assert "bad.xml" in answer.stderr
    assert said in answer.stderr
    assert len(ParquetHistory(tmp_path / "home" / "history").tests("2026-10-01")) == 5


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("absent", "--date", "2026-10-01", *CELL), 8, "no *.xml in absent"),
        ((".", "--date", "2126-10-01", *CELL), 2, "--date: the night of 2126-10-01 lies in the future"),
        ((".", "--date", "2026-13-01", *CELL), 2, "--date: '2026-13-01' is no date"),
        (
            (".", "--date", "2026-10-01", "--framework", "vlm", *CELL[2:]),
            2,
            "unknown framework 'vlm'; perhaps you meant 'vllm'. Allowed: vllm, sglang, trtllm",
        ),
        ((".", "--date", "2026-10-01", *CELL[:4], "--stage", "unitt"), 2, "perhaps you meant 'unit'"),
        ((".", "--date", "2026-10-01", *CELL, "--image", "latest"), 2, "--image: 'latest' is no digest"),
        ((".", *CELL), 2, "Missing option '--date'"),
    ],
)
def test_what_cannot_be_meant_is_refused(nightly, tmp_path, arguments, code, said):
    answer = nightly("import", *arguments)
    assert answer.exit_code == code
    assert said in " ".join(answer.stderr.split())
    assert not (tmp_path / "home" / "history").exists()
