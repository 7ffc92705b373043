"""When nights are late: the rule over every combination of times."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightly_pipeline.model.dates import night_start
from nightly_pipeline.model.freshness import (
    FinishedNight,
    FreshnessState,
    UnfinishedNight,
    freshness_sentence,
    judge_freshness,
)

GO_LIVE = date(2026, 11, 1)
MAX_AGE = timedelta(hours=26)


def at(day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


def ended(day: int, when: datetime | None = None) -> FinishedNight:
    return FinishedNight(date=f"2026-11-{day:02}", run_id=f"run-{day:04}", ended_at=when or at(day, 11, 40))


def judge(*finished: FinishedNight, now: datetime, unfinished=(), go_live: date = GO_LIVE):
    return judge_freshness(finished, unfinished, now=now, go_live=go_live, max_age=MAX_AGE)


def test_a_night_is_late_twenty_six_hours_after_the_last_one_ended() -> None:
    assert judge(ended(20), now=at(21, 13, 40)).state is FreshnessState.FRESH
    late = judge(ended(20), now=at(21, 13, 41))
    assert late.late
    assert late.deadline == at(21, 13, 40)


def test_before_the_first_night_is_due_nothing_is_late() -> None:
    assert judge(now=at(1, 7)).state is FreshnessState.NOT_DUE
    assert judge(now=at(2, 10)).state is FreshnessState.NOT_DUE
    assert judge(now=at(2, 10, 1)).late
    assert judge(now=datetime(2026, 10, 1, tzinfo=UTC)).state is FreshnessState.NOT_DUE


def test_trials_before_go_live_make_nothing_late_at_go_live() -> None:
    trial = FinishedNight(date="2026-10-02", run_id="x", ended_at=datetime(2026, 10, 2, 11, tzinfo=UTC))
    assert not judge(trial, now=at(1, 9)).late
    assert judge(trial, now=at(2, 11)).late


def test_a_night_of_the_past_run_today_does_not_make_today_fresh() -> None:
    backfilled = ended(10, at(21, 14))
    assert judge(ended(19), backfilled, now=at(21, 14, 30)).late
    made_up_for = ended(21, at(21, 16))
    assert not judge(ended(19), backfilled, made_up_for, now=at(21, 17)).late


def test_only_a_night_of_the_past_is_not_told_as_one_that_ended_an_hour_ago() -> None:
    sentence = freshness_sentence(judge(ended(10, at(21, 14)), now=at(21, 15)))

    assert sentence.startswith(
        "Late: no night of these days has finished, only one of the past: the night of 2026-11-10 "
    )
    assert "finished for" not in sentence


def test_last_night_made_up_for_at_noon_counts_until_tonight_is_due_too_long() -> None:
    caught_up = judge(ended(20, at(21, 12, 30)), now=at(21, 13))
    assert not caught_up.late
    assert caught_up.deadline == at(21, 8) + MAX_AGE


def test_a_clock_that_is_ahead_buys_no_time() -> None:
    assert judge(ended(20, at(29)), now=at(20, 12)).deadline == at(20, 12) + MAX_AGE


def test_a_running_night_is_named_and_does_not_stop_the_alarm() -> None:
    hangs = UnfinishedNight(date="2026-11-21", run_id="abcdefgh-1", state="running", since=at(21, 8))
    found = judge(ended(20), now=at(21, 15), unfinished=[hangs])
    assert found.late
    assert found.running == (hangs,)
    assert freshness_sentence(found) == (
        "Late: no night has finished for 27 h 20 min, since the night of 2026-11-20 (run run-0020) ended at "
        "2026-11-20 11:40 UTC; one had to finish by 2026-11-21 13:40 UTC. The night of 2026-11-21 (run abcdefgh) "
        "is running since 2026-11-21 08:00 UTC."
    )


def test_a_cancelled_night_did_not_finish_and_is_named_until_one_has() -> None:
    cancelled = UnfinishedNight(date="2026-11-21", run_id="abcdefgh-1", state="cancelled", since=at(21, 8))
    found = judge(ended(20), now=at(21, 15), unfinished=[cancelled])
    assert found.late
    assert "did not finish (cancelled)" in freshness_sentence(found)
    assert freshness_sentence(found).endswith("Nothing is running.")
    again = judge(ended(20), ended(21, at(21, 18)), now=at(21, 19), unfinished=[cancelled])
    assert "cancelled" not in freshness_sentence(again)


@pytest.mark.parametrize(
    ("now", "begins"),
    [
        (at(1, 7), "No night has finished yet; the first has to by 2026-11-02 10:00 UTC."),
        (at(5), "Late: no night"),
    ],
)
def test_without_any_night_the_sentence_names_the_first(now: datetime, begins: str) -> None:
    assert freshness_sentence(judge(now=now)).startswith(begins)


days = st.integers(0, 400).map(lambda days: GO_LIVE + timedelta(days=days))
spans = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=30))
nights = st.builds(
    lambda day, span: FinishedNight(date=day.isoformat(), run_id="r", ended_at=night_start(day) + span),
    days,
    spans,
)
instants = st.timedeltas(timedelta(days=-31), timedelta(days=500)).map(lambda span: at(1) + span)
ages = st.timedeltas(min_value=timedelta(minutes=1), max_value=timedelta(days=10))


@given(st.lists(nights, max_size=6), instants, ages)
def test_the_verdict_is_what_the_deadline_says(found, now: datetime, max_age: timedelta) -> None:
    result = judge_freshness(found, now=now, go_live=GO_LIVE, max_age=max_age)
    assert result.late == (now > result.deadline)
    assert result.deadline >= night_start(GO_LIVE) + max_age
    assert result.deadline <= max(now, night_start(GO_LIVE)) + max_age
    assert (result.last is None) == (not found)
    assert freshness_sentence(result)


@given(st.lists(nights, max_size=6), nights, instants, ages)
def test_one_more_night_never_makes_it_later(found, another, now: datetime, max_age: timedelta) -> None:
    before = judge_freshness(found, now=now, go_live=GO_LIVE, max_age=max_age)
    after = judge_freshness([*found, another], now=now, go_live=GO_LIVE, max_age=max_age)
    assert after.deadline >= before.deadline


@given(st.lists(nights, max_size=6), instants, st.timedeltas(timedelta(0), timedelta(days=60)), ages)
def test_once_late_it_stays_late_and_the_deadline_stands(
    found, now: datetime, later: timedelta, max_age: timedelta
) -> None:
    known = [night for night in found if night.ended_at <= now]
    before = judge_freshness(known, now=now, go_live=GO_LIVE, max_age=max_age)
    after = judge_freshness(known, now=now + later, go_live=GO_LIVE, max_age=max_age)
    assert after.deadline == before.deadline
    assert after.late or not before.late


@given(st.lists(nights, min_size=1, max_size=6), ages)
def test_nights_on_time_are_never_late(found, max_age: timedelta) -> None:
    last = max(night.ended_at for night in found)
    on_time = FinishedNight(date=last.date().isoformat(), run_id="t", ended_at=last)
    if last < night_start(last.date()):
        return
    result = judge_freshness([*found, on_time], now=last + max_age, go_live=GO_LIVE, max_age=max_age)
    assert not result.late
