"""The alarm when no night finishes any more: once for each time."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import pytest

from nightly_pipeline.errors import NotificationError
from nightly_pipeline.model.freshness import FinishedNight, Freshness, judge_freshness
from nightly_pipeline.steps.alarm import Alarm
from tests.fakes.store import MemoryStore
from tests.fakes.team import FakeNotifier, FakeTurns

ENDED = datetime(2026, 11, 20, 12, tzinfo=UTC)


def judged(hours: float, ended: datetime = ENDED) -> Freshness:
    """So many hours after the last night."""
    night = FinishedNight(date=ended.date().isoformat(), run_id="1f3a9c02", ended_at=ended)
    return judge_freshness(
        [night],
        now=ended + timedelta(hours=hours),
        go_live=date(2026, 11, 1),
        max_age=timedelta(hours=26),
    )


@dataclass
class Watch:
    notifier: FakeNotifier = field(default_factory=FakeNotifier)
    store: MemoryStore = field(default_factory=MemoryStore)
    turns: FakeTurns = field(default_factory=FakeTurns)

    def consider(self, freshness: Freshness) -> str:
        return Alarm(self.notifier, self.store, self.turns, "http://dagster.example").consider(freshness)


@pytest.fixture
def watch() -> Watch:
    return Watch()


def test_nothing_is_said_while_nights_come(watch) -> None:
    assert watch.consider(judged(1)) == "no alarm"
    assert watch.notifier.posts == []


def test_it_is_raised_once_however_long_it_lasts(watch) -> None:
    assert watch.consider(judged(27)) == "the team was told"
    for hours in range(28, 200, 6):
        assert watch.consider(judged(hours)) == "the team was told before"
    assert len(watch.notifier.posts) == 1


def test_its_end_is_told_in_its_place_once(watch) -> None:
    watch.consider(judged(27))
    back = judged(1, ENDED + timedelta(days=2))
    assert watch.consider(back) == "the alarm is over"
    assert watch.consider(back) == "no alarm"
    keys = watch.notifier.keys()
    assert len(keys) == 2
    assert len(set(keys)) == 1
    assert watch.notifier.posts[-1][2].startswith("Nights finish again.")


def test_the_next_time_is_an_alarm_of_its_own(watch) -> None:
    watch.consider(judged(27))
    later = ENDED + timedelta(days=3)
    watch.consider(judged(1, later))
    watch.consider(judged(27, later))
    assert len(set(watch.notifier.keys())) == 2


def test_late_again_before_the_end_was_told_is_an_alarm_of_its_own(watch) -> None:
    watch.consider(judged(27))
    watch.consider(judged(27, ENDED + timedelta(days=3)))
    assert len(set(watch.notifier.keys())) == 2


def test_what_could_not_be_told_is_told_next_time(watch) -> None:
    watch.notifier.down = True
    with pytest.raises(NotificationError):
        watch.consider(judged(27))
    watch.notifier.down = False
    assert watch.consider(judged(28)) == "the team was told"


def test_a_webhook_gets_the_alarm_and_no_second_message_for_its_end(watch) -> None:
    watch.notifier.can_update = False
    watch.consider(judged(27))
    assert watch.consider(judged(1, ENDED + timedelta(days=2))) == "the alarm is over"
    assert len(watch.notifier.posts) == 1


def test_somebody_else_may_be_at_it(watch) -> None:
    watch.turns.taken = True
    assert watch.consider(judged(27)) == "somebody else is telling the team"
    assert watch.notifier.posts == []


def test_a_record_that_cannot_be_read_counts_as_none(watch) -> None:
    watch.consider(judged(27))
    watch.store.kept = dict.fromkeys(watch.store.kept, b"{")
    assert watch.consider(judged(28)) == "the team was told"
