"""A search for the commit that broke a test, as it is written down after every look: it can be gone on with."""

from __future__ import annotations

import hashlib
import json
from enum import StrEnum

from nightly_pipeline.model.bisect import Finding, Search
from nightly_pipeline.model.history import TestIdentity
from nightly_pipeline.model.judgement import Commit
from nightly_pipeline.model.outcomes import Record


class State(StrEnum):
    """How far a search has come."""

    SEARCHING = "searching"
    FOUND = "found"  # one commit
    NARROWED = "narrowed"  # several commits: the others could not tell
    SAME_COMMIT = "same_commit"  # both nights are of one commit: something else changed
    SET_BACK = "set_back"  # the bad night's commit is an older one: the branch was set back
    CONTRADICTED = "contradicted"  # an end is not (any more) what it was
    STOPPED = "stopped"  # a limit was reached; the same command goes on


class Look(Record):
    """One look: a test run on a night's image, or on an image of a commit.

    Attributes:
        name: the night, YYYY-MM-DD, or the commit.
        line: the line of the log that says why it is bad, or why it could not tell; untrusted text.
        digest: the image it ran on.
        signature: of the error, where it is bad.
        gone: the image is not in the registry any more.
    """

    name: str
    finding: Finding
    line: str = ""
    digest: str | None = None
    built: bool = False
    duration_s: float = 0.0
    signature: str | None = None
    gone: bool = False


class BisectRecord(Record):
    """A search.

    Attributes:
        good, bad: the nights it lies between, YYYY-MM-DD.
        nights: the nights whose images are asked, oldest first, both ends among them.
        revisions: night -> the commit of its image.
        commits: those between the last good and the first bad night, oldest first; empty until they are needed.
        looks: every look at a night and at a commit, in order.
        dirty: the nights whose image was built from more than their commit: what it holds was not committed.
        merged: where the commit that was found is a merge, what came with it, newest first.
        message: why it ended as it did, or what to mind; empty where there is nothing to say.
        next_step: what a person can do about it.
    """

    test: TestIdentity
    good: str
    bad: str
    nights: tuple[str, ...]
    revisions: dict[str, str]
    commits: tuple[Commit, ...] = ()
    looks: tuple[Look, ...] = ()
    dirty: tuple[str, ...] = ()
    merged: tuple[Commit, ...] = ()
    state: State = State.SEARCHING
    message: str = ""
    next_step: str = ""

    @property
    def night_search(self) -> Search:
        """The search among the nights."""
        return Search(self.nights, self._found(self.nights))

    @property
    def commit_search(self) -> Search:
        """The search among the commits. Its ends are known: they are the nights' own, unless those were dirty.

        A look at an end that could tell nothing leaves it as the night was.
        """
        nights = self.night_search
        names = (self.revisions[nights.last_good], *(commit.revision for commit in self.commits))
        own = ((nights.culprits[-1], names[-1], Finding.BAD), (nights.last_good, names[0], Finding.GOOD))
        ends = {name: finding for night, name, finding in own if night not in self.dirty}
        found = self._found(names).items()
        told = {
            name: finding for name, finding in found if name not in ends or finding is not Finding.UNCLEAR
        }
        return Search(names, {**ends, **told})

    @property
    def culprits(self) -> tuple[Commit, ...]:
        """The commits of which one is to blame, as far as the search has come."""
        if not self.commits:
            return ()
        names = set(self.commit_search.culprits)
        return tuple(commit for commit in self.commits if commit.revision in names)

    def look_at(self, name: str) -> Look | None:
        """The newest look at a night or a commit; None where there was none."""
        return next((look for look in reversed(self.looks) if look.name == name), None)

    @property
    def another_error(self) -> bool:
        """Whether what was found is bad with another error than the bad night was."""
        first = [*(commit.revision for commit in self.culprits[-1:]), self.night_search.culprits[-1]]
        looks = [look for name in first if (look := self.look_at(name)) and look.finding is Finding.BAD]
        found, end = looks[0] if looks else None, self.look_at(self.bad)
        if found is None or end is None or found.signature is None:
            return False
        return end.signature is not None and found.signature != end.signature

    @property
    def builds(self) -> int:
        """How many images were built for it."""
        return sum(look.built for look in self.looks)

    @property
    def line(self) -> str:
        """The line of the log that goes with the first bad one, as far as one is known."""
        bad = {look.name: look.line for look in self.looks if look.finding is Finding.BAD}
        first = [*(commit.revision for commit in self.culprits[-1:]), *self.night_search.culprits[-1:]]
        return next((bad[name] for name in first if name in bad), "")

    def with_look(self, look: Look) -> BisectRecord:
        """The search with one more look."""
        return self.model_copy(update={"looks": (*self.looks, look)})

    def _found(self, names: tuple[str, ...]) -> dict[str, Finding]:
        return {look.name: look.finding for look in self.looks if look.name in names}


def bisect_id(test: TestIdentity, good: str, bad: str) -> str:
    """The name a search is kept under: the same question has the same."""
    text = json.dumps([*test.model_dump().values(), good, bad])
    return hashlib.sha256(text.encode()).hexdigest()[:12]
