from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightly_pipeline.errors import EnvironmentNotReady, SourceError
from nightly_pipeline.model.bisect import Finding
from nightly_pipeline.model.bisect_record import BisectRecord, Look, State, bisect_id
from nightly_pipeline.model.history import TestIdentity
from nightly_pipeline.model.judgement import Commit
from nightly_pipeline.model.quantities import plural
from nightly_pipeline.steps.bisect import BisectTools, Limits, bisect

TEST = TestIdentity(framework="vllm", arch="amd64", stage="unit", node_id="unit/test_a.py::test_b")
PLENTY = Limits(builds=100)


def night(number: int) -> str:
    return f"2026-{1 + number // 28:02}-{1 + number % 28:02}"


def commit(number: int) -> Commit:
    return Commit(revision=f"c{number:04}", author=f"Author {number}", subject=f"Commit {number}")


@dataclass
class World:
    """Nights of some commits each, of which one broke the test. Everything that is looked at is noted.

    Attributes:
        unclear: nights and commits that cannot tell.
        gone: nights whose images are not in the registry any more.
        away: after so many looks the daemon does not answer.
        errors: commit number -> signature of the error that is there from it on.
        kept: the search as it was written down, after every look.
    """

    nights: int
    commits_a_night: int
    broken_by: int
    unclear: frozenset[str] = frozenset()
    gone: frozenset[str] = frozenset()
    away: int | None = None
    errors: dict[int, str] = field(default_factory=dict)
    looked_at: list[str] = field(default_factory=list)
    kept: list[BisectRecord] = field(default_factory=list)

    def record(self) -> BisectRecord:
        names = tuple(night(number) for number in range(self.nights))
        revisions = {
            name: commit(number * self.commits_a_night).revision for number, name in enumerate(names)
        }
        return BisectRecord(test=TEST, good=names[0], bad=names[-1], nights=names, revisions=revisions)

    def tools(self) -> BisectTools:
        return BisectTools(self.at_night, self.at_commit, self.between, self.kept.append)

    def at_night(self, name: str) -> Look:
        number = [night(each) for each in range(self.nights)].index(name) * self.commits_a_night
        return self._look(name, number)

    def at_commit(self, which: Commit) -> Look:
        return self._look(which.revision, int(which.revision[1:])).model_copy(update={"built": True})

    def between(self, before: str, after: str) -> tuple[Commit, ...]:
        return tuple(commit(number) for number in range(int(after[1:]), int(before[1:]), -1))

    def _look(self, name: str, number: int) -> Look:
        if self.away is not None and len(self.looked_at) >= self.away:
            raise EnvironmentNotReady("the daemon does not answer", next_step="Start it.")
        self.looked_at.append(name)
        if name in self.gone:
            return Look(name=name, finding=Finding.UNCLEAR, line="its image is gone", gone=True)
        if name in self.unclear:
            return Look(name=name, finding=Finding.UNCLEAR, line="its image is gone")
        bad = number >= self.broken_by
        signature = next((self.errors[first] for first in sorted(self.errors)[::-1] if first <= number), None)
        line, finding = ("boom", Finding.BAD) if bad else ("", Finding.GOOD)
        return Look(name=name, finding=finding, line=line, signature=signature if bad else None)


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
