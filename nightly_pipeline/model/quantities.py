"""Numbers, durations, sizes and instants as people read them."""

from __future__ import annotations

from datetime import UTC, datetime

NOTHING = "—"
"""Stands where a quantity is not known, or there is none."""

_MINUTE, _HOUR = 60, 3600
_STEP = 1000


def plural(count: int, noun: str) -> str:
    """A number of things.

    >>> plural(1, "problem"), plural(1_200, "test")
    ('1 problem', '1,200 tests')
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def duration_text(seconds: float | None) -> str:
    """`0.4 s`, `12 min 3 s`, `3 h 12 min`; NOTHING when it is not known.

    >>> duration_text(723.4)
    '12 min 3 s'
    """
    if seconds is None:
        return NOTHING
    if seconds < _MINUTE - 0.05:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"


def clock_text(seconds: float) -> str:
    """At most six characters, for narrow columns: `0.4s`, `12s`, `12m03`, `3h12`.

    >>> clock_text(723.4)
    '12m03'
    """
    whole = int(seconds)
    if whole < _MINUTE:
        return f"{seconds:.1f}s" if seconds < 10 else f"{whole}s"  # noqa: PLR2004 - two digits are enough
    if whole < _HOUR:
        return f"{whole // _MINUTE}m{whole % _MINUTE:02}"
    return f"{whole // _HOUR}h{whole % _HOUR // _MINUTE:02}"


def minutes_text(seconds: float) -> str:
    """Minutes for the table's column: `12.3`; `<0.1` when it was less; NOTHING when nothing was measured.

    >>> minutes_text(738)
    '12.3'
    """
    if seconds <= 0:
        return NOTHING
    minutes = f"{seconds / _MINUTE:.1f}"
    return "<0.1" if minutes == "0.0" else minutes


def bytes_text(size: int | None) -> str:
    """Decimal units, as registries count them: `4.0 GB`; NOTHING when it is not known.

    >>> bytes_text(61_500_000)
    '61.5 MB'
    """
    if size is None:
        return NOTHING
    value, units = float(size), ["B", "kB", "MB", "GB", "TB"]
    while value >= _STEP - 0.05 and len(units) > 1:
        value, units = value / _STEP, units[1:]
    return f"{value:.0f} {units[0]}" if units[0] == "B" else f"{value:.1f} {units[0]}"


def instant_text(instant: datetime | None) -> str:
    """`2026-11-20 08:00 UTC`; NOTHING when it is not known."""
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if instant else NOTHING


def digest_text(digest: str | None) -> str:
    """A digest short enough to read: `sha256:4bf5122f3444`; NOTHING when there is none."""
    if not digest:
        return NOTHING
    algorithm, colon, value = digest.partition(":")
    return f"{algorithm}{colon}{value[:12]}"
