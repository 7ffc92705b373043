"""Which night is meant, and which instant it is built from."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightly_pipeline.errors import UsageError
from nightly_pipeline.model.dates import night_start, parse_night, source_instant

TODAY = date(2026, 11, 22)
GO_LIVE = date(2026, 11, 1)
DATES = st.dates(date(2000, 1, 2), date(2100, 1, 1))


def parse(text: str, *, today: date = TODAY, go_live: date = GO_LIVE) -> date:
    return parse_night(text, today=today, go_live=go_live)


@pytest.mark.parametrize(
    ("text", "night"),
    [
        ("today", TODAY),
        ("yesterday", date(2026, 11, 21)),
        ("2026-11-20", date(2026, 11, 20)),
        ("2026-11-01", GO_LIVE),
        ("2026-11-22", TODAY),
    ],
)
def test_a_night_is_a_date_or_a_word(text, night):
    assert parse(text) == night


def test_yesterday_may_be_in_another_year():
    assert parse("yesterday", today=date(2027, 1, 1)) == date(2026, 12, 31)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tomorrow",
        "Today",
        "20-11-2026",
        "2026/11/20",
        "2026-11-31",
        "2026-13-01",
        "2026-11-20T08:00",
        "20261120",
    ],
)
def test_what_is_no_date_is_refused_with_an_example(text):
    with pytest.raises(UsageError) as refused:
        parse(text)

    assert repr(text) in refused.value.message
    assert "YYYY-MM-DD" in refused.value.next_step


def test_a_night_in_the_future_is_refused_with_the_range():
    with pytest.raises(UsageError, match="2026-11-23 lies in the future; today is 2026-11-22") as refused:
        parse("2026-11-23")

    assert refused.value.next_step == "Choose a date from 2026-11-01 to 2026-11-22."


def test_a_night_before_go_live_is_refused_with_the_range_and_the_field():
    with pytest.raises(UsageError, match="2026-10-31 lies before go-live, 2026-11-01") as refused:
        parse("2026-10-31")

    assert "from 2026-11-01 to 2026-11-22" in refused.value.next_step
    assert "`go_live`" in refused.value.next_step


def test_before_go_live_there_is_no_range_to_choose_from():
    with pytest.raises(UsageError) as refused:
        parse("today", go_live=TODAY + timedelta(days=1))

    assert refused.value.next_step == "Wait for go-live, or change `go_live` in the profile."


@given(text=st.one_of(st.text(max_size=12), DATES.map(str)), today=DATES, go_live=DATES)
def test_whatever_is_accepted_lies_between_go_live_and_today(text, today, go_live):
    try:
        night = parse(text, today=today, go_live=go_live)
    except UsageError:
        return
    assert go_live <= night <= today


@given(night=DATES, today=DATES, go_live=DATES)
def test_every_night_between_go_live_and_today_is_accepted(night, today, go_live):
    go_live, night, today = sorted((night, today, go_live))

    assert parse(night.isoformat(), today=today, go_live=go_live) == night


def test_a_night_starts_at_eight_in_utc():
    assert night_start(date(2026, 11, 20)) == datetime(2026, 11, 20, 8, 0, tzinfo=UTC)


@given(night=DATES, today=DATES)
def test_only_tonight_is_built_from_what_is_there_now(night, today):
    instant = source_instant(night, today=today)

    assert instant == (None if night == today else night_start(night))
