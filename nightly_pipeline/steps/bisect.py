"""Finds the commit that broke a test: first among the nights, whose images are there, then among the commits.

A night is asked by running the one test on its image again, without building anything; only an end whose image is gone
is built from its commit. Only between the last good night and the first bad one are commits built.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from time import monotonic

from nightly_pipeline.errors import NightlyError, RegistryUnavailable
from nightly_pipeline.model.bisect import Finding, Search
from nightly_pipeline.model.bisect_record import BisectRecord, Look, State
from nightly_pipeline.model.judgement import Commit
from nightly_pipeline.model.quantities import plural

_GO_ON = "The same command goes on."


@dataclass(frozen=True)
class Limits:
    """When to stop. What was found until then is kept, and the same question goes on from there.

    Attributes:
        builds: so many images are built at most, of this call.
        seconds: after so long no look is begun any more.
    """

    builds: int = 10
    seconds: float = 4 * 3600.0


@dataclass(frozen=True)
class BisectTools:
    """What a search works with.

    Attributes:
        look_at_night: runs the test on a night's image.
        look_at_commit: builds the image of a commit and runs the test on it. Both raise NightlyError where the fault is
            neither the image's nor the commit's: no daemon, no registry, no GPU.
        commits_between: the commits of the branch after one and up to another, newest first. Raises SourceError.
        brought_by: likewise, but those of people: what merges brought.
        keep: writes the search down; called after every look.
    """

    look_at_night: Callable[[str], Look]
    look_at_commit: Callable[[Commit], Look]
    commits_between: Callable[[str, str], Sequence[Commit]]
    keep: Callable[[BisectRecord], None]
    brought_by: Callable[[str, str], Sequence[Commit]] = lambda _before, _after: ()


def bisect(record: BisectRecord, tools: BisectTools, limits: Limits) -> BisectRecord:
    """Go on with a search until it is over or a limit is reached.

    A look that is interrupted leaves everything before it written down. Ends that were not as they should be are looked
    at again: that may have passed.

    Raises:
        NightlyError: the commits between two nights cannot be had, or the search cannot be written down.
    """
    record = _going_on(record).model_copy(update={"state": State.SEARCHING, "message": "", "next_step": ""})
    search = _UnderWay(record, tools, limits)
    try:
        search.among_nights()
        search.among_commits()
    except _Ended as ended:
        said = {"state": ended.state, "message": ended.message, "next_step": ended.next_step}
        search.record = search.record.model_copy(update=said)
    tools.keep(search.record)
    return search.record


def _going_on(record: BisectRecord) -> BisectRecord:
    if record.state is not State.CONTRADICTED:
        return record
    ends = {record.good, record.bad, *record.commit_search.row[:1], *record.commit_search.row[-1:]}
    return record.model_copy(update={"looks": tuple(one for one in record.looks if one.name not in ends)})


class _Ended(Exception):  # noqa: N818 - an end, not an error
    """A search has come to its end."""

    def __init__(self, state: State, message: str = "", next_step: str = "") -> None:
        super().__init__(message)
        self.state, self.message, self.next_step = state, message, next_step


class _UnderWay:
    """A search under way."""

    def __init__(self, record: BisectRecord, tools: BisectTools, limits: Limits) -> None:
        self.record, self.tools, self.limits = record, tools, limits
        self.end, self.built_before = monotonic() + limits.seconds, record.builds

    def among_nights(self) -> None:
        """Look at nights until two of them are neighbours, as far as they can tell."""
        while (night := self.record.night_search.next) is not None:
            look = self._look(partial(self.tools.look_at_night, night))
            if look.gone and night in {self.record.good, self.record.bad}:
                look = self._rebuilt(night)
            self._keep(look)
        self._must_agree(self.record.night_search)

    def among_commits(self) -> None:
        """Look at the commits between the two nights that are left."""
        self._find_commits()
        by_name = {commit.revision: commit for commit in self.record.commits}
        while (name := self.record.commit_search.next) is not None:
            commit = by_name.get(name) or _nameless(name)
            self._keep(self._build(commit))
        self._look_at_the_good_commit()
        self._must_agree(self.record.commit_search)
        raise self._answer()

    def _look_at_the_good_commit(self) -> None:
        """Where every commit that was built is bad, it may be what they are built on today: a base, a package."""
        search = self.record.commit_search
        first, night = search.row[0], self.record.look_at(self.record.night_search.last_good)
        known = self.record.look_at(first) is not None or (night is not None and night.built)
        if search.next is None and search.culprits == search.row[1:2] and not known:
            self._keep(self._build(_nameless(first)))

    def _name_what_was_merged(self, found: str) -> None:
        """A merge is by who merged it: who wrote what came with it is asked first."""
        try:
            brought = self.tools.brought_by(self.record.commit_search.last_good, found)
        except NightlyError:
            return  # the commit is found all the same
        merged = tuple(commit for commit in brought if commit.revision != found)
        self.record = self.record.model_copy(update={"merged": merged})

    def _look(self, look: Callable[[], Look]) -> Look:
        if monotonic() > self.end:
            raise _Ended(State.STOPPED, "the time is over", _GO_ON)
        try:
            return look()
        except RegistryUnavailable as error:
            raise _Ended(
                State.STOPPED, error.message.rstrip("."), f"It may pass by itself. {_GO_ON}"
            ) from None
        except NightlyError as error:
            raise _Ended(State.STOPPED, error.message.rstrip("."), f"{error.next_step} {_GO_ON}") from None

    def _build(self, commit: Commit) -> Look:
        built = self.record.builds - self.built_before
        if built >= self.limits.builds:
            raise _Ended(
                State.STOPPED,
                f"{plural(built, 'image')} built",
                f"{_GO_ON} --max-builds allows more at once.",
            )
        return self._look(partial(self.tools.look_at_commit, commit))

    def _rebuilt(self, night: str) -> Look:
        """An end whose image is gone, as its commit is today: nothing can be searched between ends nobody knows."""
        look = self._build(_nameless(self.record.revisions[night]))
        if look.finding is Finding.UNCLEAR:
            look = look.model_copy(update={"line": f"its image is not in the registry any more; {look.line}"})
        return look.model_copy(update={"name": night})

    def _keep(self, look: Look) -> None:
        self.record = self.record.with_look(look)
        self.tools.keep(self.record)

    def _find_commits(self) -> None:
        """The commits between the last good night and the first bad one."""
        nights = self.record.night_search
        good, bad = nights.last_good, nights.culprits[-1]
        before, after = self.record.revisions[good], self.record.revisions[bad]
        if before == after:
            raise _Ended(
                State.SAME_COMMIT,
                f"{good} and {bad} are of the same commit{self._uncommitted(good, bad)}",
                f"Look at what else changed in the image: nightly report --date {bad}",
            )
        if not self.record.commits:
            found = tuple(reversed(self.tools.commits_between(before, after)))
            self.record = self.record.model_copy(update={"commits": found})
        if not self.record.commits:
            raise _Ended(
                State.SET_BACK,
                f"the commit of {bad} ({after[:12]}) is older than that of {good} ({before[:12]})",
                f"The branch was set back: see what is missing with `git log {after[:12]}..{before[:12]}`.",
            )

    def _must_agree(self, search: Search) -> None:
        if search.contradiction is None:
            return
        bad_end = search.found.get(search.row[-1]) not in {None, Finding.BAD}
        name = search.row[-1 if bad_end else 0]
        look, said = self.record.look_at(name), search.contradiction
        if name not in self.record.nights:
            said = f"commit {said.replace(name, name[:12])} when it is built today"
        said = f"{said}: {look.line}" if look and look.line else said
        raise _Ended(State.CONTRADICTED, said, self._what_next(name, bad_end=bad_end))

    def _what_next(self, name: str, *, bad_end: bool) -> str:
        if name not in self.record.nights:
            held = "changes that were not committed, " if self.record.dirty else ""
            return f"The commits are not to blame: {held}a base image, a package, or what is around the test."
        if self.record.night_search.found[name] is Finding.UNCLEAR:
            return f"Name another night with {'--bad' if bad_end else '--good'}."
        if bad_end:
            return "A flake or the environment looks like that: try --repeat, or another night with --bad."
        return "A flake or the environment looks like that: name an earlier night with --good."

    def _uncommitted(self, *nights: str) -> str:
        dirty = [night for night in nights if night in self.record.dirty]
        return f"; the image of {' and '.join(dirty)} held changes that were not committed" if dirty else ""

    def _answer(self) -> _Ended:
        others = (
            "with another error than the bad night: there may be two causes"
            if self.record.another_error
            else ""
        )
        if len(self.record.culprits) == 1:
            self._name_what_was_merged(self.record.culprits[0].revision)
            return _Ended(State.FOUND, others)
        return _Ended(
            State.NARROWED,
            "; ".join(filter(None, ("the commits between could not tell", others))),
            "Read them, or mend what keeps them from telling and ask again with --restart.",
        )


def _nameless(revision: str) -> Commit:
    return Commit(revision=revision, author="", subject="")
