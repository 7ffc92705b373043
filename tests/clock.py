"""Today, for tests that speak of it: asked for when they run: they may have been collected the day before."""

from __future__ import annotations

import datetime as dt
import time
from datetime import UTC, date, datetime, timedelta

MIDNIGHT = dt.time(0)


def today() -> date:
    """Today's date, as nights have it: in UTC."""
    return datetime.now(UTC).date()


def days_ago(days: int) -> str:
    """The date of so many days ago, as a night's name is written."""
    return (today() - timedelta(days=days)).isoformat()


def stay_in_one_day(seconds: float) -> None:
    """Where midnight is nearer than that, wait until it has passed: what begins in a day then ends in it."""
    stay_clear_of(MIDNIGHT, seconds=seconds)


def stay_clear_of(*moments: dt.time, seconds: float) -> None:
    """Where one of these moments of the day (UTC) is nearer than that, wait until it has passed."""
    for moment in moments:
        now = datetime.now(UTC)
        next_one = datetime.combine(now.date(), moment, UTC)
        left = ((next_one - now) % timedelta(days=1)).total_seconds()
        if left < seconds:
            time.sleep(left + 1)
