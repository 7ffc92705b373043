"""How long a night takes as a rule."""

from __future__ import annotations

from datetime import timedelta

from nightly_pipeline.model.history import NightRow
from nightly_pipeline.model.usual import usual_duration_s
from tests.factories import STARTED, whole_night


def row(day: int, minutes: float = 180, **fields) -> NightRow:
    started = STARTED - timedelta(days=20 - day)
    defaults = {
        "date": f"2026-11-{day:02}",
        "run_id": f"{day}",
        "status": "green",
        "engine_kind": "mock",
        "profile": "local",
        "partial": False,
        "started_at": started,
        "ended_at": started + timedelta(minutes=minutes),
    }
    return NightRow(**(defaults | fields))


def test_it_is_the_median_of_the_last_fourteen() -> None:
    nights = [row(day, minutes=1_000 if day < 6 else 100 + day) for day in range(1, 20)]
    assert usual_duration_s(whole_night(), nights) == 60 * (112 + 113) / 2


def test_one_night_that_hung_does_not_change_it() -> None:
    assert usual_duration_s(whole_night(), [row(1), row(2), row(3), row(4, 720)]) == 180 * 60


def test_fewer_than_three_are_no_rule() -> None:
    assert usual_duration_s(whole_night(), [row(18), row(19)]) is None
    assert usual_duration_s(whole_night(), []) is None


def test_only_nights_that_compare_count() -> None:
    good = [row(1), row(2), row(3)]
    others = [
        row(20, 1),
        row(21, 1),
        row(4, 1, partial=True),
        row(5, 1, status="incomplete"),
        row(6, 1, engine_kind="real"),
        row(7, 1, profile="production"),
        row(8, 1, ended_at=None),
        row(9, -5),
        row(10, 1, partial=True),
    ]
    assert usual_duration_s(whole_night(), [*good, *others]) == 180 * 60
    assert usual_duration_s(whole_night(), [*good[1:], *others]) is None


def test_a_night_counts_by_its_first_whole_run() -> None:
    repeated = [row(1, 5, partial=True), row(1, 200), row(1, 10), row(2, 200), row(3, 200)]
    assert usual_duration_s(whole_night(), repeated) == 200 * 60
