"""Which commit a branch, a tag, a hash or a night means, and what lies between two."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from nightly_pipeline.errors import SourceError
from tests.unit.tools.checkouts import FIRST


def test_the_head_of_a_clean_checkout(repository, checkout):
    revision = repository.resolve("HEAD")
    assert revision.commit == checkout.first
    assert revision.tree == checkout.git("rev-parse", "HEAD^{tree}")
    assert (revision.author, revision.subject) == ("Ada", "First commit")
    assert revision.committed_at == FIRST
    assert (revision.dirty, revision.label) == (False, checkout.first)
    assert (revision.repository, revision.ref) == (str(checkout.path), "HEAD")


def test_a_detached_head(repository, checkout):
    second = checkout.commit("Second")
    checkout.git("checkout", "--quiet", checkout.first)
    checkout.write("a.txt", "changed")
    assert repository.resolve("HEAD").dirty
    assert (repository.resolve("main").commit, repository.resolve("main").dirty) == (second, False)


def test_tags_and_short_hashes(repository, checkout):
    checkout.git("tag", "-a", "v1", "-m", "annotated")
    assert repository.resolve("v1").commit == checkout.first
    assert repository.resolve(checkout.first[:10]).commit == checkout.first


def test_a_past_night_is_what_the_head_was_then(repository, checkout):
    days = [FIRST + timedelta(days=day) for day in range(4)]
    commits = [checkout.first, *(checkout.commit(f"Day {day.day}", at=day) for day in days[1:])]
    checkout.write("a.txt", "changed")
    for day, commit in zip(days, commits, strict=True):
        revision = repository.resolve("main", at=day + timedelta(hours=8))
        assert (revision.commit, revision.dirty) == (commit, False)
    assert repository.resolve("main", at=days[1]).commit == commits[1]
    assert repository.resolve("main", at=days[1] - timedelta(seconds=1)).commit == commits[0]


def test_what_was_merged_later_was_not_the_head_then(repository, checkout):
    checkout.git("checkout", "--quiet", "-b", "feature")
    checkout.commit("On a branch", at=FIRST + timedelta(days=1))
    checkout.git("checkout", "--quiet", "main")
    merged = FIRST + timedelta(days=3)
    checkout.git("merge", "--quiet", "--no-ff", "-m", "Merge", "feature", at=merged)
    assert repository.resolve("main", at=FIRST + timedelta(days=2)).commit == checkout.first
    assert repository.resolve("main", at=merged).subject == "Merge"


def test_the_commits_between_two_newest_first_with_who_wrote_them(repository, checkout):
    checkout.git("commit", "--quiet", "--allow-empty", "-m", "By Bob", "--author", "Bob <bob@example.org>")
    last = checkout.commit("Newest: with: colons")
    found = repository.between(checkout.first, last)
    assert [(commit.author, commit.subject) for commit in found] == [
        ("Ada", "Newest: with: colons"),
        ("Bob", "By Bob"),
    ]
    assert found[0].revision == last
    assert repository.between(last, last) == ()
    assert repository.between(last, checkout.first) == ()


def test_a_merge_is_one_step_of_the_branch_or_none_of_its_peoples(repository, checkout):
    checkout.git("checkout", "--quiet", "-b", "topic")
    checkout.commit("On the topic")
    checkout.git("checkout", "--quiet", "main")
    checkout.git("merge", "--quiet", "--no-ff", "-m", "Merge the topic", "topic")
    head = checkout.git("rev-parse", "HEAD")
    subjects = [commit.subject for commit in repository.between(checkout.first, head)]
    along = [commit.subject for commit in repository.between(checkout.first, head, first_parent=True)]
    assert (subjects, along) == (["On the topic"], ["Merge the topic"])


def test_a_commit_that_is_gone_is_no_empty_list(repository, checkout):
    with pytest.raises(SourceError):
        repository.between("0" * 40, checkout.first)


def test_a_hash_means_that_commit_whatever_the_night(repository, checkout):
    long_ago = FIRST - timedelta(days=100)
    assert repository.resolve(checkout.first, at=long_ago).commit == checkout.first


def test_before_the_first_commit_there_is_nothing(repository, checkout):
    with pytest.raises(
        SourceError, match=f"first commit is {checkout.first[:12]} of 2026-01-01T00:00"
    ) as caught:
        repository.resolve("main", at=FIRST - timedelta(days=1))
    assert "--revision COMMIT" in caught.value.next_step


def test_a_night_needs_a_timezone(repository):
    with pytest.raises(ValueError, match="timezone"):
        repository.resolve("main", at=datetime(2026, 1, 1))  # noqa: DTZ001 - that is the point


def test_an_unknown_ref_names_its_neighbours(repository, checkout):
    checkout.git("branch", "release-1.2")
    with pytest.raises(SourceError, match=r"no branch, tag or commit `relaese-1.2`") as caught:
        repository.resolve("relaese-1.2")
    assert caught.value.next_step == "Perhaps you meant: release-1.2."


@pytest.mark.parametrize("ref", ["--all", "-n1", "--output=/tmp/x"])
def test_a_ref_is_never_an_option(repository, ref):
    with pytest.raises(SourceError, match="no branch, tag or commit"):
        repository.resolve(ref)


def test_an_unknown_hash(repository):
    with pytest.raises(SourceError, match="no branch, tag or commit"):
        repository.resolve("0123456789abcdef0123456789abcdef01234567")
