from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightly_pipeline.model.quantities import (
    NOTHING,
    bytes_text,
    clock_text,
    digest_text,
    duration_text,
    instant_text,
    minutes_text,
)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, NOTHING),
        (0.0, "0.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 0 s"),
        (723.4, "12 min 3 s"),
        (3599.6, "1 h 0 min"),
        (11_520, "3 h 12 min"),
        (90_000, "25 h 0 min"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert duration_text(seconds) == text


@given(st.floats(min_value=0, max_value=99 * 3600))
def test_clocks_fit_their_column(seconds: float) -> None:
    assert len(clock_text(seconds)) <= 5


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, NOTHING), (2, "<0.1"), (3.1, "0.1"), (738, "12.3"), (5400, "90.0")]
)
def test_minutes(seconds: float, text: str) -> None:
    assert minutes_text(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (None, NOTHING),
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1.0 kB"),
        (999_960, "1.0 MB"),
        (61_500_000, "61.5 MB"),
        (4_000_000_000, "4.0 GB"),
        (5_000_000_000_000_000, "5000.0 TB"),
    ],
)
def test_sizes(size: int | None, text: str) -> None:
    assert bytes_text(size) == text


def test_instants_are_shown_in_utc() -> None:
    instant = datetime(2026, 11, 20, 1, 0, tzinfo=timezone(timedelta(hours=-7)))

    assert instant_text(instant) == instant_text(instant.astimezone(UTC)) == "2026-11-20 08:00 UTC"
    assert instant_text(None) == NOTHING


def test_digests_are_short_but_say_their_algorithm() -> None:
    assert digest_text("sha256:" + "4bf5122f3444" + "0" * 52) == "sha256:4bf5122f3444"
    assert digest_text(None) == NOTHING
