"""How long layer caches stay. A cache that goes costs one slower build, which writes a new one. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from nightly_pipeline.model.retention import BATCH, Decision, RetentionPlan

_CREATED = "buildkit/createdat"


@dataclass(frozen=True)
class StoredCache:
    """One cache: its digest, its tags, and when its newest layer was made (None: it does not say)."""

    digest: str
    tags: tuple[str, ...]
    newest_layer: datetime | None


def newest_layer(manifest: Mapping[str, Any]) -> datetime | None:
    """When the newest layer of a cache's manifest (or index) was made, as BuildKit's annotations say."""
    layers = [*(manifest.get("layers") or ()), *(manifest.get("manifests") or ())]
    said = [str((layer.get("annotations") or {}).get(_CREATED, "")) for layer in layers]
    return max((instant for text in said if (instant := _instant(text)) is not None), default=None)


def plan_caches(
    caches: Iterable[StoredCache], days: int | None, *, now: datetime, ours: Iterable[str]
) -> RetentionPlan:
    """Decide for a repository of caches.

    Args:
        caches: every tagged one.
        days: how old the newest layer may be; None is no limit.
        now: what ages are counted from.
        ours: tags of the table's caches; others are left alone.
    """
    known = set(ours)
    decisions = tuple(_decision(cache, days, now, known) for cache in caches)
    going = sorted(decision.digest for decision in decisions if decision.delete)
    batches = tuple(tuple(going[start : start + BATCH]) for start in range(0, len(going), BATCH))
    return RetentionPlan(decisions, batches)


def _decision(cache: StoredCache, days: int | None, now: datetime, ours: set[str]) -> Decision:
    delete, reason = _why(cache, days, now, ours)
    night = cache.newest_layer.date() if cache.newest_layer else None
    return Decision(cache.digest, cache.tags, night, delete=delete, reason=reason)


def _why(cache: StoredCache, days: int | None, now: datetime, ours: set[str]) -> tuple[bool, str]:
    others = sorted(set(cache.tags) - ours)
    if others or not cache.tags:
        return False, f"named by {', '.join(others)}" if others else "nothing is known of it"
    if cache.newest_layer is None:
        return False, "it does not say how old it is"
    age = (now - cache.newest_layer).days
    if days is not None and age > days:
        return True, f"its newest layer is {age} days old; {days} are kept"
    return False, f"its newest layer is {age} days old"


def _instant(text: str) -> datetime | None:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    return instant if instant.tzinfo else None
