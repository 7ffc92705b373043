"""`nightly history`, as a person calls it."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from nightly_pipeline.model.history import TestResult
from nightly_pipeline.tools.history import ParquetHistory
from tests.clock import today
from tests.history_rows import night, row

DIGEST = f"sha256:{'1f' * 32}"


def day(ago: int) -> str:
    return (today() - timedelta(days=ago)).isoformat()


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
