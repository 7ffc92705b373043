from __future__ import annotations

from datetime import date

import pytest

from nightly_pipeline.steps.upkeep import prune_store
from tests.fakes.store import MemoryStore

TODAY = date(2026, 11, 20)


def nothing_ran(_since: date) -> frozenset[date]:
    return frozenset()


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    for day in ("2026-11-12", "2026-11-13", "2026-11-20"):
        store.write(f"{day}/run/a", b"")
        store.write(f"{day}/run/b", b"")
    return store


def test_what_is_older_than_it_is_kept_goes(store):
    said = list(prune_store(store, days=7, today=TODAY, delete=True, run_since=nothing_ran))
    assert said == ["2026-11-12: 2 artifacts deleted", "1 nights older than 7 days"]
    assert store.dates() == [date(2026, 11, 13), TODAY]


def test_without_delete_it_is_only_named(store):
    said = list(prune_store(store, days=1, today=TODAY, delete=False, run_since=nothing_ran))
    assert said[:2] == ["2026-11-12: 2 artifacts would go", "2026-11-13: 2 artifacts would go"]
    assert "--yes" in said[-1]
    assert len(store.dates()) == 3


def test_a_past_night_that_was_run_lately_stays(store):
    asked = []

    def ran(since: date) -> list[date]:
        asked.append(since)
        return [date(2026, 11, 12)]

    said = list(prune_store(store, days=6, today=TODAY, delete=True, run_since=ran))
    assert said == [
        "2026-11-12: stays, it was run since 2026-11-14",
        "2026-11-13: 2 artifacts deleted",
        "1 nights older than 6 days",
    ]
    assert asked == [date(2026, 11, 14)]
    assert len(store.keys("2026-11-12")) == 2


def test_nothing_old_is_said_too_and_nobody_is_asked(store):
    said = list(prune_store(store, days=30, today=TODAY, delete=True, run_since=pytest.fail))
    assert said == ["0 nights older than 30 days"]
