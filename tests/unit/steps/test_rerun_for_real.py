"""Tests that are run again by a real pytest, with the very command and files a container is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest

from nightly_pipeline.model.absence import NOT_THERE
from nightly_pipeline.model.history import TestResult
from nightly_pipeline.model.outcomes import GOOD_STAGE, StageStatus
from nightly_pipeline.steps.rerun_tests import Purpose, Rerun, rerun_tests
from tests.factories import planned_stage
from tests.fakes.process_containers import ProcessContainers
from tests.unit.steps.staging import make_tools, stage_run

INI = """
[pytest]
addopts = --strict-markers -x
disable_test_id_escaping_and_forfeit_all_rights_to_community_support = true
markers =
    unit: fast
    slow: not for this stage
"""
ODD = ["it's", 'say "x"', "a::b", "[a::b]", "two\nlines", "../up::x", "$HOME `id`", "*", "-k x", "\udcff"]
SUITE = {
    "pytest.ini": INI,
    "unit/test_a.py": f"""
        import pytest
        pytestmark = pytest.mark.unit
        def test_one(): pass
        def test_two(): assert False, "two"
        class TestIt:
            class TestInside:
                @pytest.mark.parametrize("name", {ODD!a})
                def test_odd(self, name): pass
        @pytest.mark.slow
        def test_slow(): pass
    """,
    "unit/test_broken.py": "import nowhere_to_be_found",
    "unit/test_skips.py": "import pytest\npytest.skip('no engine', allow_module_level=True)",
    "other/test_c.py": "import pytest\n@pytest.mark.unit\ndef test_three(): pass",
    "away/conftest.py": "import nowhere_to_be_found",
    "away/test_away.py": "import pytest\n@pytest.mark.unit\ndef test_away(): pass",
}
ONE, TWO, THREE = "unit/test_a.py::test_one", "unit/test_a.py::test_two", "other/test_c.py::test_three"
STAGE = planned_stage(markers="unit and not slow", timeout_s=120.0)
Again = Callable[..., Rerun]


@pytest.fixture
def again(tmp_path: Path) -> Again:
    """Runs tests of the suite again."""
    containers = ProcessContainers(tmp_path / "root")
    tools = replace(make_tools(tmp_path), containers=containers)
    tools.workspace.mkdir()
    for name, source in SUITE.items():
        path = tmp_path / "root" / "opt" / "suite" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(source))

    def run(*tests: str) -> Rerun:
        purpose = Purpose("confirmation", "here")
        return rerun_tests(stage_run(tools, STAGE, only=tests), tools, lambda _line: None, purpose)

    return run


def results(done: Rerun) -> dict[str, str]:
    return {row.node_id: row.result.value for row in done.rows}


def test_only_what_is_asked_for_runs_and_in_that_order(again: Again) -> None:
    done = again(TWO, THREE, ONE)
    assert results(done) == {TWO: "failed", THREE: "passed", ONE: "passed"}, done.message
    assert [row.node_id for row in done.rows] == [TWO, THREE, ONE]
    assert (done.status, done.absent) == (StageStatus.FAILED, {})


def test_what_is_not_there_stops_none_of_the_others(again: Again) -> None:
    gone = [
        "unit/test_a.py::test_one[gone]",
        "unit/test_a.py::TestGone::test_it",
        "unit/test_gone.py::test_it",
    ]
    gone += ["nowhere/test_gone.py::test_it", "unit::test_one", "unit/test_a.py", ""]
    done = again(*gone, ONE, TWO)
    assert results(done) == {ONE: "passed", TWO: "failed"}, done.message
    assert done.absent == dict.fromkeys(gone, NOT_THERE)


def test_a_file_that_does_not_import_stops_none_of_the_others_and_says_why(again: Again) -> None:
    broken, away, skips = (
        "unit/test_broken.py::test_it",
        "away/test_away.py::test_away",
        "unit/test_skips.py::test_it",
    )
    done = again(broken, away, skips, TWO, ONE)
    assert {test: word for test, word in results(done).items() if "::" in test} == {
        ONE: "passed",
        TWO: "failed",
    }
    assert done.status is StageStatus.COLLECT_ERROR
    missing = "ModuleNotFoundError: No module named 'nowhere_to_be_found'"
    assert done.absent == {
        broken: f"unit/test_broken.py could not be collected: {missing}",
        away: f"away could not be collected: {missing}",
        skips: "unit/test_skips.py skipped itself: no engine",
    }


def test_files_that_nothing_is_asked_of_are_not_even_read(again: Again) -> None:
    assert again(ONE).status is StageStatus.PASSED


def test_odd_names_find_their_tests(again: Again) -> None:
    names = [name.replace("\udcff", "\\udcff") for name in ODD]  # as evidence tells what cannot be stored
    tests = [f"unit/test_a.py::TestIt::TestInside::test_odd[{name}]" for name in names]
    done = again(*tests[1:])
    assert results(done) == dict.fromkeys(tests[1:], "passed"), done.absent


def test_where_nothing_of_it_is_there_nothing_is_known_and_nothing_passed(again: Again) -> None:
    done = again("unit/test_gone.py::test_it", "unit/test_a.py::test_gone")
    assert (results(done), done.status) == ({}, StageStatus.NO_TESTS)
    assert done.status not in GOOD_STAGE
    assert set(done.absent.values()) == {NOT_THERE}


def test_the_markers_of_the_stage_still_count(again: Again) -> None:
    slow = "unit/test_a.py::test_slow"
    done = again(slow, ONE)
    assert (results(done), done.absent) == ({ONE: "passed"}, {slow: NOT_THERE})


def test_thousands_of_tests_are_no_problem(again: Again) -> None:
    done = again(*(f"unit/test_a.py::test_it[{number}-{'x' * 1990}]" for number in range(3000)), ONE)
    assert results(done) == {ONE: "passed"}
    assert len(done.absent) == 3000


def test_what_ran_is_told_as_such(again: Again) -> None:
    (row,) = again(TWO).rows
    assert (row.result, row.message, row.source) == (
        TestResult.FAILED,
        "AssertionError: two\nassert False",
        "confirmation",
    )
