"""Whether nights still come: an alarm when none has finished for longer than it may take. Silence is a failure, too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum

from nightly_pipeline.model.dates import night_start
from nightly_pipeline.model.outcomes import Record
from nightly_pipeline.model.quantities import duration_text, instant_text
from nightly_pipeline.model.tags import short_run_id

_A_DAY = timedelta(days=1)


class FreshnessState(StrEnum):
    """How the nights stand."""

    FRESH = "fresh"
    LATE = "late"
    NOT_DUE = "not_due"  # none has finished yet, and none had to


class FinishedNight(Record):
    """A whole night that came to its end, whatever its verdict."""

    date: str
    run_id: str
    ended_at: datetime


class UnfinishedNight(Record):
    """A whole night without an end of its own: it runs, was cancelled, or its process was lost."""

    date: str
    run_id: str
    state: str
    since: datetime


class Freshness(Record):
    """What became of the rule at one instant.

    Attributes:
        deadline: until when the next night has to have finished; passed when they are late.
        last: the night that the deadline is counted from; None is go-live.
        unfinished: nights that began and did not finish since then, newest first; those that run among them.
    """

    state: FreshnessState
    checked_at: datetime
    max_age_s: float
    deadline: datetime
    last: FinishedNight | None = None
    unfinished: tuple[UnfinishedNight, ...] = ()

    @property
    def late(self) -> bool:
        """Whether there is reason for an alarm."""
        return self.state is FreshnessState.LATE

    @property
    def running(self) -> tuple[UnfinishedNight, ...]:
        """The nights under way."""
        return tuple(night for night in self.unfinished if night.state == "running")


def judge_freshness(
    finished: Iterable[FinishedNight],
    unfinished: Sequence[UnfinishedNight] = (),
    *,
    now: datetime,
    go_live: date,
    max_age: timedelta,
) -> Freshness:
    """Apply the rule: a night must have finished within `max_age` of the last one, or of go-live's first start.

    A night of the past that is run today makes nothing fresh that is due today: it counts for at most a day after
    the instant it was due. A night under way does not stop the alarm, because it may hang; it is named in it.
    """
    last = max(finished, key=lambda night: _counts_from(night, now), default=None)
    start = night_start(go_live)
    deadline = (max(start, _counts_from(last, now)) if last else start) + max_age
    state = FreshnessState.FRESH if last else FreshnessState.NOT_DUE
    return Freshness(
        state=FreshnessState.LATE if now > deadline else state,
        checked_at=now,
        max_age_s=max_age.total_seconds(),
        deadline=deadline,
        last=last,
        unfinished=_since(last, unfinished),
    )


def freshness_sentence(freshness: Freshness) -> str:
    """The verdict in a line or two, for people."""
    return " ".join(part for part in (_verdict(freshness), *_under_way(freshness)) if part)


def _verdict(freshness: Freshness) -> str:
    if freshness.late:
        return f"Late: {_how_long(freshness)}; one had to finish by {instant_text(freshness.deadline)}."
    if freshness.last is None:
        return f"No night has finished yet; the first has to by {instant_text(freshness.deadline)}."
    return f"Fresh: {_named(freshness.last)}; the next has to finish by {instant_text(freshness.deadline)}."


def _how_long(freshness: Freshness) -> str:
    if freshness.last is None:
        return "no night has finished since go-live"
    if not _is_of_its_day(freshness.last):
        return f"no night of these days has finished, only one of the past: {_named(freshness.last)}"
    age = (freshness.checked_at - freshness.last.ended_at).total_seconds()
    return f"no night has finished for {duration_text(age)}, since {_named(freshness.last)}"


def _named(night: FinishedNight) -> str:
    return f"the night of {night.date} (run {short_run_id(night.run_id)}) ended at {instant_text(night.ended_at)}"


def _under_way(freshness: Freshness) -> Iterable[str]:
    for night in freshness.unfinished:
        what = (
            "is running since" if night.state == "running" else f"did not finish ({night.state}); it began at"
        )
        yield f"The night of {night.date} (run {short_run_id(night.run_id)}) {what} {instant_text(night.since)}."
    if freshness.late and not freshness.running:
        yield "Nothing is running."


def _is_of_its_day(night: FinishedNight) -> bool:
    """Not a night of the past that was run later."""
    return night.ended_at - night_start(date.fromisoformat(night.date)) <= _A_DAY


def _counts_from(night: FinishedNight, now: datetime) -> datetime:
    """When it ended, but never later than now (clocks differ), nor than a day after it was due."""
    return min(night.ended_at, night_start(date.fromisoformat(night.date)) + _A_DAY, now)


def _since(last: FinishedNight | None, unfinished: Sequence[UnfinishedNight]) -> tuple[UnfinishedNight, ...]:
    begun = [night for night in unfinished if last is None or night.since > last.ended_at or _runs(night)]
    return tuple(sorted(begun, key=lambda night: night.since, reverse=True))


def _runs(night: UnfinishedNight) -> bool:
    return night.state == "running"
