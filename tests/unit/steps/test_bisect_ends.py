"""A search whose ends are not what they were: good or bad no more, gone, or built from more than their commits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nightly_pipeline.model.bisect import Finding
from nightly_pipeline.model.bisect_record import Look, State
from nightly_pipeline.model.judgement import Commit
from nightly_pipeline.steps.bisect import BisectTools, Limits, bisect
from tests.unit.steps.bisecting import PLENTY, World, commit, night


@pytest.mark.parametrize(
    ("broken_by", "said"), [(1000, "should be bad, but is good"), (0, "should be good, but is bad")]
)
def test_an_end_that_is_not_what_it_was_ends_it_before_anything_is_built(broken_by, said):
    world = World(4, 4, broken_by)
    found = bisect(world.record(), world.tools(), PLENTY)
    assert found.state is State.CONTRADICTED
    assert said in found.message
    assert "another night" in found.next_step or "earlier night" in found.next_step
    assert found.builds == 0


def test_an_end_that_was_not_as_it_should_be_is_looked_at_again():
    """A flake that passed at the first look, or a service that was away."""
    world = World(4, 4, 1000)
    contradicted = bisect(world.record(), world.tools(), PLENTY)
    world.broken_by = 7
    found = bisect(contradicted, world.tools(), PLENTY)
    assert (found.state, found.message, found.next_step) == (State.FOUND, "", "")
    assert found.culprits == (commit(7),)


@pytest.mark.parametrize("gone", [{night(0)}, {night(3)}, {night(0), night(3)}, {night(n) for n in range(4)}])
def test_an_end_whose_image_is_gone_is_built_from_its_commit(gone):
    world = World(4, 4, 7, gone=frozenset(gone))
    found = bisect(world.record(), world.tools(), PLENTY)
    assert (found.state, found.culprits) == (State.FOUND, (commit(7),))
    ends = [look for look in found.looks if look.name in {night(0), night(3)}]
    assert [look.name for look in ends if look.built] == sorted(gone & {night(0), night(3)}, reverse=True)


def test_an_end_that_is_gone_and_does_not_build_says_both_and_what_next():
    world = World(2, 4, 3, gone=frozenset({night(0)}), unclear=frozenset({commit(0).revision}))
    found = bisect(world.record(), world.tools(), PLENTY)
    assert found.state is State.CONTRADICTED
    assert f"{night(0)} should be good, but is unclear: its image is not in the registry" in found.message
    assert found.next_step == "Name another night with --good."


def test_an_end_is_not_built_beyond_the_limit():
    world = World(2, 4, 3, gone=frozenset({night(0)}))
    found = bisect(world.record(), world.tools(), Limits(builds=0))
    assert (found.state, found.message) == (State.STOPPED, "0 images built")


def test_a_branch_that_was_set_back_is_not_called_one_commit():
    world = World(2, 4, 4)
    record = world.record()
    turned = dict(zip(record.nights, reversed(record.revisions.values()), strict=True))
    found = bisect(record.model_copy(update={"revisions": turned}), world.tools(), PLENTY)
    assert found.state is State.SET_BACK
    assert "is older than" in found.message
    assert "git log" in found.next_step


def test_ends_that_were_built_from_more_than_their_commits_are_built_from_those():
    """Or the newest commit would be blamed for what nobody committed."""
    world = World(2, 4, 3)
    dirty = world.record().model_copy(update={"dirty": (night(0), night(1))})
    found = bisect(dirty, world.tools(), PLENTY)
    assert (found.state, found.culprits) == (State.FOUND, (commit(3),))
    assert world.looked_at[2:4] == [commit(4).revision, commit(0).revision]


@pytest.mark.parametrize(
    ("broken_by", "said"), [(5, "should be bad, but is good"), (0, "should be good, but is")]
)
def test_what_was_not_committed_is_to_blame_where_the_commits_do_not_agree(broken_by, said):
    world = World(2, 4, 4)
    record = world.record().model_copy(update={"dirty": (night(0), night(1))})
    tools = world.tools()

    def at_commit(which: Commit) -> Look:
        bad = int(which.revision[1:]) >= broken_by
        return Look(name=which.revision, finding=Finding.BAD if bad else Finding.GOOD, built=True)

    tools = BisectTools(tools.look_at_night, at_commit, tools.commits_between, tools.keep)
    found = bisect(record, tools, PLENTY)
    assert found.state is State.CONTRADICTED
    assert said in found.message
    assert "not committed" in found.next_step
    assert bisect(found, tools, PLENTY).message == found.message


@pytest.mark.parametrize("commits", [1, 2, 7, 100])
def test_what_commits_are_built_on_today_is_not_blamed_on_the_first_of_them(commits):
    """A base image that moved: the good night's image is good, and its commit is bad when it is built anew."""
    world = World(2, commits, commits)
    tools = world.tools()

    def at_commit(which: Commit) -> Look:
        return Look(name=which.revision, finding=Finding.BAD, line="no such symbol", built=True)

    tools = replace(tools, look_at_commit=at_commit)
    found = bisect(world.record(), tools, PLENTY)
    assert found.state is State.CONTRADICTED
    assert "should be good, but is bad when it is built today: no such symbol" in found.message
    assert "a base image, a package" in found.next_step
    assert found.builds <= 7


def test_a_good_commit_that_was_built_for_its_night_is_not_built_twice():
    world = World(2, 8, 1, gone=frozenset({night(0)}))
    found = bisect(world.record(), world.tools(), PLENTY)
    assert (found.state, found.culprits) == (State.FOUND, (commit(1),))
    assert world.looked_at.count(commit(0).revision) == 1


def test_a_good_commit_that_does_not_build_any_more_leaves_the_blame_where_it_is():
    world = World(2, 8, 1, unclear=frozenset({commit(0).revision}))
    found = bisect(world.record(), world.tools(), PLENTY)
    assert (found.state, found.culprits) == (State.FOUND, (commit(1),))
    assert commit(0).revision in world.looked_at
