"""What tests of searching for a commit share: nights of some commits each, of which one broke the test."""

from __future__ import annotations

from dataclasses import dataclass, field

from nightly_pipeline.errors import EnvironmentNotReady
from nightly_pipeline.model.bisect import Finding
from nightly_pipeline.model.bisect_record import BisectRecord, Look
from nightly_pipeline.model.history import TestIdentity
from nightly_pipeline.model.judgement import Commit
from nightly_pipeline.steps.bisect import BisectTools, Limits

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
