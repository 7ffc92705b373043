"""Confirming reruns of tests that are not there any more: the others are repeated, and these are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from nightly_pipeline.model.absence import NOT_THERE
from nightly_pipeline.model.confirmation import Limits
from tests.unit.model.evidence_streams import collected, finish, line, ran, session, start
from tests.unit.steps import staging
from tests.unit.steps.confirming import FAILED, ONE, PASSED, TWO, World, added, evidence, make_world


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path)


def test_a_test_that_is_not_there_is_named_and_the_others_are_repeated(world):
    world.containers.by_digest[world.tonight] = evidence(test_one="failed")
    found = world.confirm()
    assert (found.again, found.previous) == ({ONE: FAILED}, {ONE: PASSED})
    assert found.problems == (f"1 of 2 could not be repeated ({TWO}): {NOT_THERE}",)
    assert {(source, test) for source, test, *_ in added(world)} == {
        ("confirmation", ONE),
        ("previous_image", ONE),
    }


def test_a_test_that_is_not_in_the_earlier_image_is_said_to_be_missing_there(world):
    world.containers.by_digest[world.before] = staging.lines(session(), *collected(), finish(5))
    found = world.confirm()
    assert (found.again, found.previous) == ({ONE: FAILED, TWO: PASSED}, {})
    assert found.problems == (f"on the earlier image 1 of 1 could not be repeated ({ONE}): {NOT_THERE}",)


def test_where_nothing_was_selected_nothing_is_known(world):
    world.containers.by_digest[world.tonight] = staging.lines(session(), *collected(), finish(5))
    world.containers.exit_code = 5
    found = world.confirm()
    assert (found.again, added(world)) == ({}, [])
    assert found.problems == (f"2 of 2 could not be repeated ({ONE}, {TWO}): {NOT_THERE}",)


def test_every_reason_is_told_and_a_long_list_of_tests_is_cut(world):
    gone = [f"unit/test_b.py::test_\n{number}[{'x' * 1000}]" for number in range(5)]
    broken = line("collect_error", node_id="unit/test_c.py", message="ImportError: no", longrepr="")
    world.containers.by_digest[world.tonight] = staging.lines(
        session(), broken, *collected("test_one"), *ran("test_one"), finish(1)
    )
    missing, uncollected = world.confirm(ONE, *gone, "unit/test_c.py::test_it").problems
    assert missing.startswith("5 of 7 could not be repeated (unit/test_b.py::test_ 0[xxx")
    assert missing.endswith(f"…, 2 more): {NOT_THERE}")
    assert len(missing) < 1000
    assert uncollected == (
        "1 of 7 could not be repeated (unit/test_c.py::test_it): "
        "unit/test_c.py could not be collected: ImportError: no"
    )


def test_a_collection_that_was_not_seen_whole_says_of_no_test_that_it_is_not_there(world):
    world.containers.by_digest[world.tonight] = staging.lines(session(), line("internal_error", message="x"))
    found = world.confirm()
    assert found.problems == ("2 of 2 could not be repeated: pytest failed inside: x",)


def test_the_time_that_is_over_is_no_reason_for_what_was_not_there(world):
    world.limits = Limits(max_minutes=1)
    world.containers.timed_out, world.containers.exit_code = True, None
    world.containers.by_digest[world.tonight] = staging.lines(
        session(), *collected("test_one"), start("test_one")
    )
    assert world.confirm().problems == (
        "1 of 2 could not be repeated: the time was over",
        f"1 of 2 could not be repeated ({TWO}): {NOT_THERE}",
    )
