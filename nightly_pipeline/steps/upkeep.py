"""What time makes superfluous: artifacts past their days go. The history stays, always; its old months are packed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from nightly_pipeline.steps.ports import ArtifactStore


def prune_store(store: ArtifactStore, *, days: int, today: date, delete: bool) -> Iterator[str]:
    """Delete (or, without `delete`, name) the nights whose artifacts are older than `days`; a line each, then a sum.

    Raises:
        NightlyError: the store could not be asked, or did not delete; nights before that one are gone.
    """
    oldest = today - timedelta(days=days)
    gone = [night for night in store.dates() if night < oldest]
    for night in gone:
        count = store.delete(night.isoformat()) if delete else len(store.keys(night.isoformat()))
        yield f"{night}: {count} artifacts {'deleted' if delete else 'would go'}"
    yield f"{len(gone)} nights older than {days} days" + (
        "" if delete or not gone else "; delete them with --yes"
    )
