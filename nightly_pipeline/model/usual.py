"""How long a night takes as a rule, from the nights before it."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median

from nightly_pipeline.model.history import NightRow
from nightly_pipeline.model.outcomes import NightStatus
from nightly_pipeline.model.report import Report

NIGHTS = 14
FEWEST = 3


def usual_duration_s(report: Report, nights: Iterable[NightRow]) -> float | None:
    """The median of the last whole nights of the same profile and engine; None where fewer than three are known.

    A night counts by its first whole run. One that is incomplete does not: it may have ended early.

    Args:
        report: the night in question; only nights before it count.
        nights: runs on record, by date and then by their start.
    """
    first: dict[str, float] = {}
    for night in nights:
        seconds = _seconds(night)
        if seconds is not None and _is_alike(night, report):
            first.setdefault(night.date, seconds)
    last = [first[date] for date in sorted(first)][-NIGHTS:]
    return median(last) if len(last) >= FEWEST else None


def _is_alike(night: NightRow, report: Report) -> bool:
    return (
        night.date < report.date
        and not night.partial
        and night.status != NightStatus.INCOMPLETE
        and (night.profile, night.engine_kind) == (report.profile, report.engine)
    )


def _seconds(night: NightRow) -> float | None:
    if night.started_at is None or night.ended_at is None or night.ended_at < night.started_at:
        return None
    return (night.ended_at - night.started_at).total_seconds()
