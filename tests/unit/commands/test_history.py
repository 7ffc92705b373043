"""`nightly history` and `nightly import`, as a person calls them."""

from __future__ import annotations

import gzip
import json
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from nightly_pipeline.cli import main
from nightly_pipeline.model.evidence import fold_events
from nightly_pipeline.model.history import TestResult
from nightly_pipeline.tools.history import ParquetHistory
from nightly_pipeline.tools.junit import THE_RUN, write_junit
from tests.clock import today
from tests.history_rows import night, row
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


def day(ago: int) -> str:
    return (today() - timedelta(days=ago)).isoformat()


@pytest.fixture
def nightly(tmp_path: Path):
    def call(*arguments: str, **variables: str) -> Result:
        environment = {"NIGHTLY_HOME": str(tmp_path / "home"), "NIGHTLY_PROFILE": None, "COLUMNS": "110"}
        environment |= variables
        return CliRunner().invoke(main, arguments, env=environment, prog_name="nightly")

    return call


@pytest.fixture
def history(tmp_path) -> ParquetHistory:
    history = ParquetHistory(tmp_path / "home" / "history")
    for ago in (2, 1, 0):
        shared = {"date": day(ago), "engine_kind": "mock", "image_digest": f"sha256:{ago}"}
        result = TestResult.FAILED if ago == 0 else TestResult.PASSED
        tests = [
            row(
                "tests/test_a.py::test_one",
                result,
                duration_s=1.0 + ago,
                message="AssertionError: no",
                **shared,
            ),
            row("tests/test_a.py::test_other", duration_s=9.0, **shared),
            row("tests/test_a.py::test_one", framework="sglang", **shared),
        ]
        history.write(night(date=day(ago)), [], tests)
    return history


def test_one_test_gives_a_line_a_night(nightly, history):
    answer = nightly("history", "test_one", "--framework", "vllm")
    assert answer.exit_code == 0
    assert "..F" in answer.stdout
    assert [line[:10] for line in answer.stdout.splitlines() if line.startswith("20")] == [
        day(2),
        day(1),
        day(0),
    ]
    assert "AssertionError: no" in answer.stdout


@pytest.mark.parametrize("width", [60, 80, 110])
def test_a_narrow_terminal_folds_and_cuts_nothing(nightly, tmp_path, width):
    shared = {"date": day(0), "run_id": "1f3a9c02-7d1e", "engine_kind": "mock"}
    failed = row(
        "tests/test_a.py::test_one", TestResult.FAILED, message="AssertionError: 500 of 512 answers came late",
        image_digest=DIGEST, source_revision="95bdcb82" * 5, duration_s=3661.0, **shared,
    )  # fmt: skip
    ParquetHistory(tmp_path / "home" / "history").write(
        night(date=day(0), run_id="1f3a9c02-7d1e"), [], [failed]
    )
    lines = nightly("history", "test_one", COLUMNS=str(width)).stdout.splitlines()
    names = next(line for line in lines if line.startswith("Night"))
    table = lines[lines.index(names) + 2 :]
    starts = [names.index(name) for name in names.split()]
    cells = [
        "".join("".join(line[start:end] for line in table).split())
        for start, end in zip(starts, [*starts[1:], None], strict=True)
    ]
    assert max(map(len, lines)) <= width
    assert cells == [
        day(0), "✗failed", "1h01", DIGEST[7:19], "95bdcb82", "1f3a9c02",
        "AssertionError:500of512answerscamelate",
    ]  # fmt: skip


def test_several_tests_give_a_strip_each(nightly, history):
    answer = nightly("history", "TEST_A.PY")
    assert answer.exit_code == 0
    assert answer.stdout.count("tests/test_a.py::") == 3
    assert "..F" in answer.stdout
    assert "3 tests" in answer.stderr


def test_a_node_id_that_fits_whole_is_that_test_alone(nightly, history):
    history.write(night(run_id="two"), [], [row("test_one", run_id="two")])
    answer = nightly("history", "test_one", "--since", "2026-11-20")
    assert "tests/test_a.py" not in answer.stdout


def test_as_json_for_programs(nightly, history):
    answer = nightly("history", "test_one", "--framework", "vllm", "--format", "json")
    [test] = json.loads(answer.stdout)
    assert (test["framework"], test["node_id"]) == ("vllm", "tests/test_a.py::test_one")
    assert [one["result"] for one in test["nights"]] == ["passed", "passed", "failed"]
    assert test["nights"][-1]["message"] == "AssertionError: no"


def test_as_a_plot_of_durations(nightly, history):
    answer = nightly("history", "test_one", "--framework", "vllm", "--format", "plot")
    bars = [line.count("█") for line in answer.stdout.splitlines() if "█" in line]
    assert bars == sorted(bars, reverse=True)
    assert bars[0] == 40


def test_since_leaves_older_nights_out(nightly, history):
    answer = nightly("history", "test_one", "--framework", "vllm", "--since", day(1), "--format", "json")
    assert [one["date"] for one in json.loads(answer.stdout)[0]["nights"]] == [day(1), day(0)]


def test_a_name_that_fits_nothing_offers_the_nearest(nightly, history):
    answer = nightly("history", "test_onne")
    assert answer.exit_code == 8
    assert "tests/test_a.py::test_one" in answer.stderr


def test_a_test_that_is_gone_is_found_further_back(nightly, history):
    history.write(night(date=day(45)), [], [row("tests/test_a.py::test_gone", date=day(45))])
    answer = nightly("history", "test_gone")
    assert answer.exit_code == 8
    assert f"last there on {day(45)}" in " ".join(answer.stderr.split())
    assert nightly("history", "test_gone", "--since", day(45)).exit_code == 0


def test_an_empty_history_says_so(nightly):
    assert nightly("history", "test_one").exit_code == 8
    assert "No test ran" in nightly("history", "--slowest").stdout
    assert nightly("history", "--check").exit_code == 0


def test_the_slowest_come_first(nightly, history):
    answer = nightly("history", "--slowest", "--format", "json", "--limit", "2")
    found = json.loads(answer.stdout)
    assert [(one["node_id"], one["usual_s"], one["runs"]) for one in found] == [
        ("tests/test_a.py::test_other", 9.0, 3),
        ("tests/test_a.py::test_one", 2.0, 3),
    ]
    assert "9.0s" in nightly("history", "--slowest").stdout


def test_a_damaged_file_is_told_where_the_history_is_read(nightly, history, tmp_path):
    damaged = min((tmp_path / "home").rglob("*.parquet"))
    damaged.write_bytes(b"")
    answer = nightly("history", "test_one", "--framework", "vllm")
    assert answer.exit_code == 0
    assert "1 files of the history cannot be read" in answer.stderr
    answer = nightly("history", "--check")
    assert answer.exit_code == 8
    assert str(damaged) in answer.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "one of TEST"),
        (("a", "--slowest"), "one of TEST"),
        (("a", "--framework", "vlm"), "perhaps you meant 'vllm'"),
        (("a", "--stage", "unitt"), "perhaps you meant 'unit'"),
        (("a", "--since", "yesteryear"), "--since: 'yesteryear' is no date"),
        (("a", "--since", "2126-01-01"), "--since: the night of 2126-01-01 lies in the future"),
        (("--slowest", "--format", "plot"), "--format plot is not for --slowest"),
        (("--check", "--format", "json"), "--format json is not for --check"),
        (("--rebuild", "--format", "json"), "--format json is not for --rebuild"),
    ],
)
def test_what_cannot_be_meant_is_refused(nightly, arguments, said):
    answer = nightly("history", *arguments)
    assert answer.exit_code == 2
    assert said in answer.stderr.replace("\n", " ")


@pytest.mark.parametrize("verb", ["history", "import"])
def test_help_has_examples(nightly, verb):
    answer = nightly(verb, "--help")
    assert answer.exit_code == 0
    assert "Examples:" in answer.stdout
    assert f"nightly {verb}" in answer.stdout


def test_hostile_names_stay_text(nightly, tmp_path):
    history = ParquetHistory(tmp_path / "home" / "history")
    name = "tests/test_a.py::test_\x1b[31m[bold]<script>"
    history.write(night(date=day(0)), [], [row(name, date=day(0), engine_kind="mock")])
    answer = nightly("history", "test_")
    assert "\\x1b[31m[bold]<script>" in answer.stdout


class TestImport:
    @pytest.fixture
    def folder(self, tmp_path) -> Path:
        folder = tmp_path / "results"
        (folder / "deep").mkdir(parents=True)
        (folder / "deep" / "junit.xml").write_text(JUNIT)
        return folder

    def test_results_are_there_as_if_they_had_been_seen(self, nightly, folder, tmp_path):
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

    def test_the_same_file_again_changes_nothing(self, nightly, folder, tmp_path):
        (folder / "copy.xml").write_text(JUNIT)
        for _ in range(2):
            nightly("import", str(folder), "--date", "2026-10-01", *CELL)
        history = ParquetHistory(tmp_path / "home" / "history")
        assert len(history.tests("2026-10-01")) == 5
        assert len(history.nights()) == 1

    def test_a_stage_that_was_split_has_the_counts_of_all_its_files(self, nightly, tmp_path):
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

    def test_of_files_that_do_not_agree_on_a_test_the_worst_counts_once(self, nightly, tmp_path):
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

    def test_an_import_that_was_killed_is_completed_by_the_same_again(
        self, nightly, folder, tmp_path, monkeypatch
    ):
        def die(*_: object) -> None:
            raise KeyboardInterrupt

        arguments = ("import", str(folder), "--date", "2026-10-01", *CELL)
        with monkeypatch.context() as patch:
            patch.setattr(ParquetHistory, "write", die)
            nightly(*arguments)
        assert nightly(*arguments).exit_code == 0
        history = ParquetHistory(tmp_path / "home" / "history")
        assert (len(history.tests("2026-10-01")), len(history.nights()), len(history.entries())) == (5, 1, 1)

    def test_an_expected_failure_is_none_and_no_skip(self, nightly, tmp_path):
        (tmp_path / "a.xml").write_text(
            '<testsuite><testcase name="test_x"><skipped type="pytest.xfail" message="bug"/></testcase></testsuite>'
        )
        nightly("import", str(tmp_path / "a.xml"), "--date", "2026-10-01", *CELL)
        history = ParquetHistory(tmp_path / "home" / "history")
        [row] = history.tests("2026-10-01")
        assert (row.result, row.attempts, row.failed_attempts) == (TestResult.XFAILED, 1, 0)
        assert [(one.status, one.skipped) for one in history.entries()] == [("no_tests", 1)]

    def test_what_our_own_files_say_comes_back(self, nightly, tmp_path):
        lines = [session(), *collected("good", "later"), *ran("good"), finish(2)]
        write_junit(
            fold_events(lines), tmp_path / "a.xml", suite="vllm.amd64.unit", problem="crashed: no end"
        )
        nightly("import", str(tmp_path / "a.xml"), "--date", "2026-10-01", *CELL)
        rows = ParquetHistory(tmp_path / "home" / "history").tests("2026-10-01")
        assert {one.node_id.rpartition("::")[2]: one.result.value for one in rows} == {
            "good": "passed", "later": "not_run", THE_RUN: "error",
        }  # fmt: skip

    def test_a_compressed_file_is_not_passed_over(self, nightly, folder):
        (folder / "more.xml.gz").write_bytes(gzip.compress(JUNIT.encode()))
        answer = nightly("import", str(folder), "--date", "2026-10-01", *CELL)
        assert answer.exit_code == 8
        assert "is compressed: unpack it first" in answer.stderr

    def test_one_file_may_be_of_two_nights(self, nightly, folder, tmp_path):
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
    def test_a_file_that_cannot_be_read_is_named_and_the_others_count(
        self, nightly, folder, tmp_path, content, said
    ):
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
    def test_what_cannot_be_meant_is_refused(self, nightly, tmp_path, arguments, code, said):
        answer = nightly("import", *arguments)
        assert answer.exit_code == code
        assert said in " ".join(answer.stderr.split())
        assert not (tmp_path / "home" / "history").exists()
