"""The search for the commit that broke a test: what it finds, when it stops, and that it goes on where it was."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightly_pipeline.errors import SourceError
from nightly_pipeline.model.bisect_record import BisectRecord, State, bisect_id
from nightly_pipeline.model.judgement import Commit
from nightly_pipeline.model.quantities import plural
from nightly_pipeline.steps.bisect import BisectTools, Limits, bisect
from tests.unit.steps.bisecting import PLENTY, TEST, World, commit, night


@given(st.data())
def test_it_names_the_commit_that_broke_the_test(data):
    nights, each = data.draw(st.integers(2, 70)), data.draw(st.integers(1, 110))
    broken_by = data.draw(st.integers(1, (nights - 1) * each))
    world = World(nights, each, broken_by)
    found = bisect(world.record(), world.tools(), PLENTY)
    assert found.state is State.FOUND
    assert found.culprits == (commit(broken_by),)
    assert found.line == "boom"
    assert len(world.looked_at) == len(set(world.looked_at))
    assert found.builds <= each.bit_length()


def test_64_nights_and_100_commits_take_eight_runs_and_seven_builds_at_most():
    for broken_by in range(1, 6301, 63):
        world = World(64, 100, broken_by)
        found = bisect(world.record(), world.tools(), PLENTY)
        assert found.culprits == (commit(broken_by),)
        assert found.builds <= 7
        assert len(world.looked_at) - found.builds <= 2 + 6


def test_every_look_is_written_down_before_the_next():
    world = World(4, 4, 7)
    bisect(world.record(), world.tools(), PLENTY)
    assert [len(record.looks) for record in world.kept[:-1]] == list(range(1, len(world.looked_at) + 1))


@given(st.integers(1, 30), st.integers(0, 6))
def test_a_search_that_was_stopped_goes_on_without_looking_twice(broken_by, builds):
    world = World(2, 30, broken_by)
    stopped = bisect(world.record(), world.tools(), Limits(builds=builds))
    if stopped.state is State.STOPPED:
        assert stopped.message == plural(builds, "image") + " built"
        assert commit(broken_by) in stopped.culprits
    on_disk = BisectRecord.model_validate_json(stopped.model_dump_json())
    found = bisect(on_disk, world.tools(), PLENTY)
    assert (found.state, found.culprits) == (State.FOUND, (commit(broken_by),))
    assert len(world.looked_at) == len(set(world.looked_at))


def test_the_same_command_goes_on_after_its_limit_again_and_again():
    """The limit is of each call: of a search that was stopped by it, the rest is not out of reach."""
    world, calls = World(2, 100, 37), 0
    record = world.record()
    while record.state in {State.SEARCHING, State.STOPPED}:
        record, calls = bisect(record, world.tools(), Limits(builds=2)), calls + 1
        assert calls < 10
    assert (record.state, record.culprits, calls) == (State.FOUND, (commit(37),), 4)


@pytest.mark.parametrize("after", range(8))
def test_where_the_machine_cannot_look_it_stops_and_learns_nothing_wrong(after):
    world = World(10, 10, 47, away=after)
    stopped = bisect(world.record(), world.tools(), PLENTY)
    assert (stopped.state, stopped.message) == (State.STOPPED, "the daemon does not answer")
    assert stopped.next_step == "Start it. The same command goes on."
    world.away = None
    found = bisect(BisectRecord.model_validate_json(world.kept[-1].model_dump_json()), world.tools(), PLENTY)
    assert (found.state, found.culprits) == (State.FOUND, (commit(47),))
    assert len(world.looked_at) == len(set(world.looked_at))


def test_without_time_nothing_is_begun():
    world = World(4, 4, 7)
    assert bisect(world.record(), world.tools(), Limits(seconds=-1)).state is State.STOPPED
    assert world.looked_at == []


def test_a_merge_is_told_with_what_it_brought():
    """Who merged it has perhaps not seen it: its authors are named."""
    world, asked = World(2, 8, 5), []
    brought = (Commit(revision="t2", author="Topic", subject="Break it"), commit(5))

    def brought_by(before: str, after: str) -> tuple[Commit, ...]:
        asked.append((before, after))
        return brought

    found = bisect(world.record(), replace(world.tools(), brought_by=brought_by), PLENTY)
    assert (found.culprits, found.merged) == ((commit(5),), brought[:1])
    assert asked == [(commit(4).revision, commit(5).revision)]


def test_a_commit_is_found_though_what_it_brought_cannot_be_had():
    def gone(before: str, after: str) -> tuple[Commit, ...]:
        raise SourceError("shallow")

    world = World(2, 8, 5)
    found = bisect(world.record(), replace(world.tools(), brought_by=gone), PLENTY)
    assert (found.state, found.culprits, found.merged) == (State.FOUND, (commit(5),), ())


def test_a_commit_that_is_bad_with_another_error_is_told_so():
    """Two causes, one after the other: the first is found, and that it is not the one that was asked for is said."""
    world = World(2, 8, 3, errors={3: "first", 6: "second"})
    found = bisect(world.record(), world.tools(), PLENTY)
    assert found.culprits == (commit(3),)
    assert "another error" in found.message
    assert bisect((same := World(2, 8, 3, errors={3: "e"})).record(), same.tools(), PLENTY).message == ""


def test_nights_whose_images_are_gone_leave_more_commits_to_build():
    world = World(5, 4, 6, unclear=frozenset({night(1), night(2), night(3)}))
    found = bisect(world.record(), world.tools(), PLENTY)
    assert (found.state, found.culprits) == (State.FOUND, (commit(6),))


def test_commits_that_do_not_build_leave_several_to_blame():
    world = World(2, 5, 3, unclear=frozenset({commit(2).revision, commit(3).revision}))
    found = bisect(world.record(), world.tools(), PLENTY)
    assert found.state is State.NARROWED
    assert found.culprits == (commit(2), commit(3), commit(4))


def test_two_nights_of_one_commit_have_another_cause():
    world = World(2, 1, 1)
    record = world.record().model_copy(update={"revisions": {night(0): "same", night(1): "same"}})
    found = bisect(record, world.tools(), PLENTY)
    assert found.state is State.SAME_COMMIT
    assert "what else changed" in found.next_step
    assert found.culprits == ()
    assert found.line == "boom"


def test_commits_that_cannot_be_had_are_an_error_and_the_nights_stay_known():
    world = World(4, 4, 7)
    tools = world.tools()

    def gone(before: str, after: str) -> tuple[Commit, ...]:
        raise SourceError("the branch was rewritten")

    with pytest.raises(SourceError):
        bisect(
            world.record(), BisectTools(tools.look_at_night, tools.look_at_commit, gone, tools.keep), PLENTY
        )
    assert world.kept[-1].night_search.next is None


def test_the_same_question_has_the_same_name_and_another_another():
    names = {bisect_id(TEST, good, "2026-01-09") for good in ("2026-01-01", "2026-01-02")}
    other = TEST.model_copy(update={"node_id": "\ud800 odd"})
    assert len({*names, bisect_id(other, "2026-01-01", "2026-01-09")}) == 3
    assert bisect_id(TEST, "2026-01-01", "2026-01-09") in names


@given(st.data())
def test_whatever_cannot_tell_and_wherever_it_stops_the_bad_commit_is_among_those_that_are_left(data):
    nights, each = data.draw(st.integers(2, 12)), data.draw(st.integers(1, 12))
    broken_by = data.draw(st.integers(1, (nights - 1) * each))
    world = World(
        nights,
        each,
        broken_by,
        unclear=data.draw(st.frozensets(st.integers(1, nights * each).map(lambda at: commit(at).revision))),
        gone=data.draw(st.frozensets(st.integers(0, nights - 1).map(night))),
    )
    record, limits = world.record(), st.builds(Limits, builds=st.integers(0, 3))
    for _ in range(60):
        world.away = data.draw(st.none() | st.integers(len(world.looked_at), len(world.looked_at) + 3))
        record = bisect(
            BisectRecord.model_validate_json(record.model_dump_json()), world.tools(), data.draw(limits)
        )
        assert not record.culprits or commit(broken_by) in record.culprits
        if record.state is not State.STOPPED:
            break
    ends = {commit(0).revision, commit((nights - 1) * each).revision}
    known = {State.FOUND, State.NARROWED} | ({State.CONTRADICTED} if ends & world.unclear else set())
    assert record.state in {*known, State.STOPPED}
    assert record.state is not State.FOUND or record.culprits == (commit(broken_by),)
