"""Today, for tests that speak of it: asked for when they run: they may have been collected the day before."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta


def today() -> date:
    """Today's date, as nights have it: in UTC."""
    return datetime.now(UTC).date()


def days_ago(days: int) -> str:
    """The date of so many days ago, as a night's name is written."""
    return (today() - timedelta(days=days)).isoformat()


def stay_in_one_day(seconds: float) -> None:
    """Where midnight (UTC) is nearer than that, wait until it has passed: what begins in a day then ends in it."""
    now = datetime.now(UTC)
    midnight = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), UTC)
    left = (midnight - now).total_seconds()
    if left < seconds:
        time.sleep(left + 1)
