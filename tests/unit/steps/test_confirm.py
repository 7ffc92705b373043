"""Confirming reruns: what runs where, what is remembered, and what is not done twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from nightly_pipeline.errors import ContainerError, DiskFull, EnvironmentNotReady, RegistryUnavailable
from nightly_pipeline.model.confirmation import Limits
from nightly_pipeline.steps.confirm import RECORD_FILE
from tests.factories import DATE, RUN_ID, stage
from tests.unit.model.evidence_streams import collected, finish, ran, session, start
from tests.unit.steps import staging
from tests.unit.steps.confirming import (
    CRASHED,
    FAILED,
    FOLDER,
    LAST_NIGHT,
    ONE,
    PASSED,
    SKIPPED,
    TWO,
    World,
    added,
    evidence,
    make_world,
)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path)


def test_failures_run_again_on_their_image_and_what_is_bad_again_on_the_last_good_one(world):
    found = world.confirm()
    assert world.images() == [world.tonight, world.before]
    assert [staging.asked_for(spec) for spec in world.containers.specs] == [[ONE, TWO], [ONE]]
    assert found.again == {ONE: FAILED, TWO: PASSED}
    assert (found.previous, found.previous_digest) == ({ONE: PASSED}, world.before)
    assert (found.notes, found.problems) == ((), ())


def test_what_was_seen_is_remembered_as_of_the_run_that_failed(world):
    world.confirm()
    assert added(world) == [
        ("confirmation", ONE, FAILED, world.tonight, "c0ffee"),
        ("confirmation", TWO, PASSED, world.tonight, "c0ffee"),
        ("previous_image", ONE, PASSED, world.before, "beef"),
    ]
    assert {key[:2] for key in world.history.parts} == {(LAST_NIGHT, "last"), (DATE, RUN_ID)}


def test_the_containers_are_of_the_run_that_is_under_way(world):
    world.confirm()
    assert {spec.run_id for spec in world.containers.specs} == {"confirming"}


def test_no_outcome_is_touched_and_everything_is_kept_below_the_stage(world):
    found = world.confirm()
    assert world.stage_tools.records.outcomes(DATE, RUN_ID) == {}
    assert all(key.startswith(f"{FOLDER}/") for key in world.kept)
    assert f"{FOLDER}/{RECORD_FILE}" in world.kept
    assert set(found.artifacts.values()) < set(world.kept)
    assert {key.split("/")[-2] for key in found.artifacts.values()} == {"same_image", "previous_image"}


def test_what_is_confirmed_does_not_run_another_time(world):
    first = world.confirm()
    assert world.confirm() == first
    assert len(world.containers.specs) == 2


def test_another_run_of_the_night_confirms_its_own(world):
    world.confirm()
    again = stage(status="failed", run_id="second", image_digest=world.tonight, engine=staging.ENGINE)
    found = world.confirm(stage=again)
    assert (found.run_id, len(world.containers.specs)) == ("second", 4)


def test_what_is_not_to_run_is_only_told(world):
    found = world.confirm(tests=(), skipped="too many", left_out=9)
    assert (found.notes, found.left_out, world.containers.specs) == (("too many",), 9, [])


def test_what_is_left_out_is_said(world):
    assert world.confirm(left_out=3).notes == ("3 more failures were not repeated",)


def test_what_is_good_again_does_not_run_on_another_image(world):
    world.containers.by_digest[world.tonight] = evidence(test_one="passed", test_two="passed")
    assert world.confirm().previous == {}
    assert world.images() == [world.tonight]


def test_the_previous_image_can_be_left_out(world):
    world.limits = Limits(previous_image=False)
    assert world.confirm().previous == {}
    assert world.images() == [world.tonight]


def test_a_previous_image_that_is_gone_is_no_problem_and_nothing_is_known_by_it(world):
    world.stage_tools.registry.delete(world.before)
    found = world.confirm()
    assert found.notes == (
        f"the image of {LAST_NIGHT}, on which they were good, is not in the registry any more",
    )
    assert (found.previous, found.problems) == ({}, ())


def test_a_registry_that_cannot_be_asked_is_a_problem_and_what_was_seen_before_stays(world):
    world.stage_tools.registry.failures["digest_of"] = RegistryUnavailable("no answer")
    found = world.confirm()
    assert (found.again, found.problems) == ({ONE: FAILED, TWO: PASSED}, ("no answer",))


def test_a_test_that_was_never_good_on_another_image_is_told_so(world):
    world.history.parts.clear()
    assert world.confirm().notes == ("there is no other image on which they were good",)


def test_a_daemon_that_fails_is_a_problem_and_is_asked_again_next_time(world):
    world.containers.error = ContainerError("the daemon went away")
    found = world.confirm()
    assert "the daemon went away" in found.problems[0]
    assert added(world) == []
    world.containers.error = None
    assert world.confirm().problems == ()


def test_what_was_seen_before_an_attempt_failed_stays_seen(world):
    """The registry is away when the last good image is asked for. By the next attempt TWO is known as a flake."""
    world.stage_tools.registry.failures["digest_of"] = RegistryUnavailable("no answer")
    assert "no answer" in world.confirm().problems[0]
    world.stage_tools.registry.failures.clear()
    world.containers.by_digest[world.tonight] = evidence(test_one="failed")
    found = world.confirm(ONE)
    assert {(source, test, result) for source, test, result, *_ in added(world)} == {
        ("confirmation", TWO, PASSED),
        ("confirmation", ONE, FAILED),
        ("previous_image", ONE, PASSED),
    }
    assert (found.again, found.previous) == ({ONE: FAILED, TWO: PASSED}, {ONE: PASSED})
    assert found.problems == ()


def test_an_attempt_that_was_killed_before_it_was_written_down_is_repeated_and_loses_nothing(world):
    world.confirm()
    del world.kept[f"{FOLDER}/{RECORD_FILE}"]
    seen = added(world)
    world.confirm(ONE)
    assert sorted(added(world)) == sorted(seen)


def test_a_test_that_an_others_end_left_no_turn_is_not_repeated_and_it_is_said(world):
    world.containers.by_digest[world.tonight] = staging.lines(
        session(), *collected("test_one", "test_two"), *ran("test_one"), finish(3)
    )
    found = world.confirm()
    assert found.again == {ONE: PASSED}
    assert "1 of 2 could not be repeated" in found.problems[0]


def test_a_test_that_skips_when_it_is_repeated_is_neither_good_nor_bad(world):
    world.containers.by_digest[world.tonight] = evidence(test_one="skipped", test_two="skipped")
    found = world.confirm()
    assert (found.again, found.bad_again) == ({ONE: SKIPPED, TWO: SKIPPED}, ())
    assert world.images() == [world.tonight]


def test_a_history_that_cannot_be_written_to_is_a_problem_of_that_stage_alone(world):
    world.history.refusal = EnvironmentNotReady("the disk is gone")
    assert world.confirm().problems == ("the disk is gone",)


def test_a_disk_that_fails_is_a_problem_of_that_stage_alone(world):
    world.containers.error = OSError("no space left on device")
    assert world.confirm().problems == ("no space left on device",)


def test_a_store_that_is_full_is_said(world):
    world.stage_tools.records.store.refusals[RECORD_FILE] = DiskFull("no space left")
    assert "no space left" in world.confirm().problems[0]


def test_a_damaged_record_counts_as_none(world):
    world.kept[f"{FOLDER}/{RECORD_FILE}"] = b"{"
    assert world.confirm().again == {ONE: FAILED, TWO: PASSED}


def test_no_rerun_is_longer_than_what_is_left_of_the_time(world):
    world.limits = Limits(max_minutes=10)
    world.confirm()
    deadlines = [spec.deadline_s for spec in world.containers.specs]
    assert all(300 < deadline <= 600 for deadline in deadlines)


def test_without_time_nothing_runs_and_it_is_a_problem(world):
    world.limits = Limits(max_minutes=0.001)
    found = world.confirm()
    assert (found.again, world.containers.specs) == ({}, [])
    assert "the time was over" in found.problems[0]


def test_a_test_that_our_own_deadline_ended_is_not_called_bad_again(world):
    world.limits = Limits(max_minutes=10)
    world.containers.timed_out, world.containers.exit_code = True, None
    world.containers.by_digest[world.tonight] = staging.lines(
        session(), *collected("test_one", "test_two"), *ran("test_one"), start("test_two")
    )
    found = world.confirm()
    assert found.again == {ONE: PASSED}
    assert "the time was over" in found.problems[0]


def test_the_stages_own_deadline_does_call_it_so(world):
    world.limits = Limits(max_minutes=10**6)
    world.containers.timed_out, world.containers.exit_code = True, None
    world.containers.by_digest[world.tonight] = staging.lines(
        session(), *collected("test_one", "test_two"), *ran("test_one"), start("test_two")
    )
    assert world.confirm().again == {ONE: PASSED, TWO: CRASHED}


def test_a_stage_that_is_not_planned_any_more_is_said(world):
    world.tools = replace(world.tools, stages={})
    assert "plans this stage no more" in world.confirm().problems[0]


def test_tests_that_nobody_asked_for_are_not_remembered(world):
    found = world.confirm(ONE)
    assert found.again == {ONE: FAILED}
