"""Which new name goes with which old one."""

from __future__ import annotations

from nightly_pipeline.model.history import TestIdentity
from nightly_pipeline.model.renames import renamed
from tests.unit.model.pasts import row


def named(node_id: str) -> TestIdentity:
    return TestIdentity(framework="vllm", arch="amd64", stage="unit", node_id=node_id)


OLD, NEW = named("unit/test_a.py::test_x[1]"), named("unit/test_b.py::test_x[1]")


def test_the_same_test_in_another_file_is_known_again():
    assert renamed([row("F", 1, test=NEW)], [row(".", 0, test=OLD)]) == {NEW: OLD}


def test_a_stage_that_ran_twice_the_night_before_makes_no_two_tests_of_one():
    twice = [row(".", 0, test=OLD), row(".", 0, test=OLD, run_id="again")]
    assert renamed([row("F", 1, test=NEW)], twice) == {NEW: OLD}


def test_where_two_fit_neither_is_taken():
    other = named("unit/test_c.py::test_x[1]")
    assert renamed([row("F", 1, test=NEW)], [row(".", 0, test=OLD), row(".", 0, test=other)]) == {}


def test_another_name_in_the_same_file_is_known_by_its_error_where_that_says_something():
    newcomer = named("unit/test_a.py::test_better_name[1]")
    was, now = row("F", 0, test=OLD), row("F", 1, test=newcomer)
    assert renamed([now], [was]) == {newcomer: OLD}
    assert renamed([now], [row(".", 0, test=OLD)]) == {}
    silent = {"error": "AssertionError: assert False"}
    assert renamed([row("F", 1, test=newcomer, **silent)], [row("F", 0, test=OLD, **silent)]) == {}
