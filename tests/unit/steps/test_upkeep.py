from __future__ import annotations

from datetime import date

import pytest

from nightly_pipeline.steps.upkeep import prune_store
from tests.fakes.store import MemoryStore

TODAY = date(2026, 11, 20)


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    for day in ("2026-11-12", "2026-11-13", "2026-11-20"):
        store.write(f"{day}/run/a", b"")
        store.write(f"{day}/run/b", b"")
    return store


def test_what_is_older_than_it_is_kept_goes(store):
    said = list(prune_store(store, days=7, today=TODAY, delete=True))
    assert said == ["2026-11-12: 2 artifacts deleted", "1 nights older than 7 days"]
    assert store.dates() == [date(2026, 11, 13), TODAY]


def test_without_delete_it_is_only_named(store):
    said = list(prune_store(store, days=1, today=TODAY, delete=False))
    assert said[:2] == ["2026-11-12: 2 artifacts would go", "2026-11-13: 2 artifacts would go"]
    assert "--yes" in said[-1]
    assert len(store.dates()) == 3


def test_nothing_old_is_said_too(store):
    assert list(prune_store(store, days=30, today=TODAY, delete=True)) == ["0 nights older than 30 days"]
