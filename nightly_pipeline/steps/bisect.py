"""Finds the commit that broke a test: first among the nights, whose images are there, then among the commits.

A night is asked by running the one test on its image again, without building anything. Only between the last good night
and the first bad one are commits built.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic

from nightly_pipeline.model.bisect_record import BisectRecord, Look, State
from nightly_pipeline.model.judgement import Commit


@dataclass(frozen=True)
class Limits:
    """When to stop. What was found until then is kept, and the same question goes on from there."""

    builds: int = 10
    seconds: float = 4 * 3600.0


@dataclass(frozen=True)
class BisectTools:
    """What a search works with.

    Attributes:
        look_at_night: runs the test on a night's image.
        look_at_commit: builds the image of a commit and runs the test on it.
        commits_between: the commits after one and up to another, newest first. Raises SourceError.
        keep: writes the search down; called after every look.
    """

    look_at_night: Callable[[str], Look]
    look_at_commit: Callable[[Commit], Look]
    commits_between: Callable[[str, str], Sequence[Commit]]
    keep: Callable[[BisectRecord], None]


def bisect(record: BisectRecord, tools: BisectTools, limits: Limits) -> BisectRecord:
    """Go on with a search until it is over or a limit is reached.

    A look that is interrupted leaves everything before it written down.

    Raises:
        NightlyError: the commits between two nights cannot be had, or the search cannot be written down.
    """
    end = monotonic() + limits.seconds
    record = record.model_copy(update={"state": State.SEARCHING, "message": ""})
    record = _among_nights(record, tools, end)
    if record.state is State.SEARCHING:
        record = _among_commits(_with_commits(record, tools), tools, limits, end)
    tools.keep(record)
    return record


def _among_nights(record: BisectRecord, tools: BisectTools, end: float) -> BisectRecord:
    while (night := record.night_search.next) is not None:
        if monotonic() > end:
            return _ended(record, State.STOPPED, "the time is over")
        record = record.with_look(tools.look_at_night(night))
        tools.keep(record)
    contradiction = record.night_search.contradiction
    return record if contradiction is None else _ended(record, State.CONTRADICTED, contradiction)


def _with_commits(record: BisectRecord, tools: BisectTools) -> BisectRecord:
    """The search with the commits between the last good night and the first bad one."""
    nights = record.night_search
    before, after = record.revisions[nights.last_good], record.revisions[nights.culprits[-1]]
    if before == after or record.commits:
        return record
    found = tools.commits_between(before, after)
    return record.model_copy(update={"commits": tuple(reversed(found))})


def _among_commits(record: BisectRecord, tools: BisectTools, limits: Limits, end: float) -> BisectRecord:
    if not record.commits:
        nights = record.night_search
        both = f"{nights.last_good} and {nights.culprits[-1]} are of the same commit"
        return _ended(record, State.SAME_COMMIT, f"{both}: look at what else changed in the image")
    by_name = {commit.revision: commit for commit in record.commits}
    while (name := record.commit_search.next) is not None:
        stop = _why_stop(record, limits, end)
        if stop:
            return _ended(record, State.STOPPED, stop)
        record = record.with_look(tools.look_at_commit(by_name[name]))
        tools.keep(record)
    if len(record.culprits) > 1:
        return _ended(record, State.NARROWED, "the commits between could not tell")
    return _ended(record, State.FOUND, "")


def _why_stop(record: BisectRecord, limits: Limits, end: float) -> str:
    if record.builds >= limits.builds:
        return f"{record.builds} images were built"
    return "the time is over" if monotonic() > end else ""


def _ended(record: BisectRecord, state: State, message: str) -> BisectRecord:
    return record.model_copy(update={"state": state, "message": message})
