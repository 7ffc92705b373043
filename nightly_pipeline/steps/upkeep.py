"""What time makes superfluous: artifacts past their days go. The history stays, always; its old months are packed."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from datetime import date, timedelta

from nightly_pipeline.steps.ports import ArtifactStore

RunSince = Callable[[date], Container[date]]
"""The nights of which something has run since a day, or is running, whatever their own date is."""


def prune_store(
    store: ArtifactStore, *, days: int, today: date, delete: bool, run_since: RunSince
) -> Iterator[str]:
    """Delete (or, without `delete`, name) the nights whose artifacts are older than `days`; a line each, then a sum.

    A past night that was run lately, or is being run at this moment, is kept as long as any other.

    Raises:
        NightlyError: the store could not be asked, or did not delete; nights before that one are gone.
    """
    oldest = today - timedelta(days=days)
    old = [night for night in store.dates() if night < oldest]
    lately = run_since(oldest) if old else ()
    yield from (f"{night}: stays, it was run since {oldest}" for night in old if night in lately)
    gone = [night for night in old if night not in lately]
    for night in gone:
        count = store.delete(night.isoformat()) if delete else len(store.keys(night.isoformat()))
        yield f"{night}: {count} artifacts {'deleted' if delete else 'would go'}"
    yield f"{len(gone)} nights older than {days} days" + (
        "" if delete or not gone else "; delete them with --yes"
    )
