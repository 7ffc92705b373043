"""The date of a night, and which dates are allowed."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

from nightly_pipeline.errors import UsageError

NIGHT_STARTS_AT = time(8, 0, tzinfo=UTC)


def parse_night(text: str, *, today: date, go_live: date) -> date:
    """Read YYYY-MM-DD, `today` or `yesterday`.

    Raises:
        UsageError: malformed, in the future, or before go-live.
    """
    night = _read(text, today)
    choose = f"Choose a date from {go_live} to {today}" if go_live <= today else "Wait for go-live"
    if night > today:
        raise UsageError(
            f"the night of {night} lies in the future; today is {today} (UTC)", next_step=f"{choose}."
        )
    if night < go_live:
        raise UsageError(
            f"the night of {night} lies before go-live, {go_live}",
            next_step=f"{choose}, or change `go_live` in the profile.",
        )
    return night


def night_start(night: date) -> datetime:
    """The instant the schedule starts a night: 08:00 UTC of its date."""
    return datetime.combine(night, NIGHT_STARTS_AT)


def source_instant(night: date, *, today: date) -> datetime | None:
    """The instant whose head commit a night is built from; None is now (only for the current date)."""
    return None if night == today else night_start(night)


def _read(text: str, today: date) -> date:
    if text == "today":
        return today
    if text == "yesterday":
        return date.fromordinal(today.toordinal() - 1)
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007 - a night is a date, not an instant
    except ValueError:
        raise UsageError(
            f"{text!r} is no date", next_step="Write it as YYYY-MM-DD, for example 2026-11-20."
        ) from None
