"""Runs of tests that are named, of which some are not there."""

from __future__ import annotations

import json

from tests.unit.evidence_plugin.case import WORKERS, S, case

ASKED = {"NIGHTLY_SELECTION_FILE": "asked.json"}
OTHERS_RUN = ("--continue-on-collection-errors",)
SUITE = """
import pytest
@pytest.mark.parametrize("name", ["a::b", "[c]", 'd"'])
def test_it(name): assert name != "[c]"
class TestIt:
    def test_inside(self): pass
def test_other(): assert False
"""
THERE = [f"test_it.py::{name}" for name in ("TestIt::test_inside", 'test_it[d"]', "test_it[a::b]")]
NOT_THERE = ["test_it.py::test_it[e]", "test_it.py::TestGone::test_it", "test_gone.py::test_it"]
BROKEN = {"test_broken.py": "import nowhere_to_be_found", "test_unread.py": "raise SystemExit"}


def asked(*tests: str) -> dict[str, str]:
    """A suite of which these tests are asked for."""
    return BROKEN | {"asked.json": json.dumps(tests)}


SELECTION = (
    case(
        "some_that_are_asked_for_are_missing",
        SUITE,
        S.FAILED,
        1,
        "3 1 0 0 4",
        files=asked(*NOT_THERE, *THERE, "test_it.py::test_it[[c]]"),
        environment=ASKED,
        arguments=OTHERS_RUN,
        failures=("test_it.py::test_it[[c]]",),
        rows="3*passed failed",
    ),
    case(
        "some_that_are_asked_for_are_missing_in_workers",
        SUITE,
        S.FAILED,
        1,
        "3 1 0 0 4",
        files=asked(*NOT_THERE, "test_it.py::test_it[[c]]", *THERE),
        environment=ASKED,
        arguments=(*OTHERS_RUN, *WORKERS),
        failures=("test_it.py::test_it[[c]]",),
        rows="failed 3*passed",
    ),
    case(
        "one_that_is_asked_for_cannot_be_imported",
        SUITE,
        S.COLLECT_ERROR,
        1,
        "3 0 0 0 3",
        files=asked("test_broken.py::test_it", *THERE),
        environment=ASKED,
        arguments=OTHERS_RUN,
        failures=("test_broken.py",),
        says="No module named 'nowhere_to_be_found'",
        rows="error 3*passed",
    ),
    case(
        "none_that_is_asked_for_is_there",
        SUITE,
        S.NO_TESTS,
        5,
        "0 0 0 0 0",
        files=asked(*NOT_THERE),
        environment=ASKED,
        arguments=OTHERS_RUN,
        says="nothing selected",
    ),
    case(
        "none_that_is_asked_for_is_there_in_workers",
        SUITE,
        S.NO_TESTS,
        5,
        "0 0 0 0 0",
        files=asked(*NOT_THERE),
        environment=ASKED,
        arguments=(*OTHERS_RUN, *WORKERS),
        says="nothing selected",
    ),
    case(
        "what_is_asked_for_cannot_be_read",
        SUITE,
        S.COLLECT_ERROR,
        4,
        "0 0 0 0 0",
        environment=ASKED,
        says="refused its arguments or its configuration",
    ),
)
