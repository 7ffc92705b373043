"""The nights before a report, asked of the history. Without them the night is shown all the same, and says so."""

from __future__ import annotations

from dataclasses import replace

from nightly_pipeline.errors import NightlyError
from nightly_pipeline.model.report import Report
from nightly_pipeline.model.trends import NIGHTS, Trends, last_dates, trends_of
from nightly_pipeline.steps.ports import History


def gather_trends(report: Report, history: History) -> Trends:
    """The trends of the last thirty nights; when the history cannot be read, why it cannot."""
    since = last_dates(report.date, NIGHTS)[0]
    try:
        nights = history.nights(since=since, until=report.date)
        entries = history.entries(since=since, until=report.date)
        damaged = [str(problem) for problem in history.problems()]
    except (NightlyError, OSError) as error:
        message = error.message if isinstance(error, NightlyError) else str(error)
        return Trends(
            problem=f"The history could not be read, so nothing is shown of other nights: {message}"
        )
    trends = trends_of(report, nights, entries)
    if not damaged:
        return trends
    more = f" (and {len(damaged) - 1} more)" if len(damaged) > 1 else ""
    return replace(trends, problem=f"The past is not known whole: {damaged[0]}{more}")
