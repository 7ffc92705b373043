"""What tests of retention share: nights of some age in a registry, and the rule over them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from nightly_pipeline.model.oci import INDEX_TYPE
from nightly_pipeline.model.retention import Lifetime
from nightly_pipeline.steps.promotion_records import PromotionRecords
from nightly_pipeline.steps.retention import RetentionRule, RetentionTools, apply_retention
from tests.fakes.registry_memory import MemoryRegistry
from tests.fakes.store import MemoryStore

NOW = datetime(2026, 11, 22, 5, 0, tzinfo=UTC)
RULE = RetentionRule(Lifetime(days=30), promotions=2, cache_days=30)


def retention_tools(images: list[MemoryRegistry], caches: MemoryRegistry) -> RetentionTools:
    return RetentionTools(images, [caches], PromotionRecords(MemoryStore()), ["vllm"], ["amd64", "arm64"])


def night(registry: MemoryRegistry, run: str, age: int, **labels: str) -> tuple[str, str, str]:
    """Two images and the index of both, of a night `age` days ago; their digests, the index last."""
    date = (NOW.date() - timedelta(days=age)).isoformat()
    created = (NOW - timedelta(days=age)).isoformat()
    said = {"io.nightly.date": date, "org.opencontainers.image.created": created, **labels}
    images = [
        registry.add_image(f"linux/{arch}", labels=said, layer=f"{run}{arch}".encode())
        for arch in ("amd64", "arm64")
    ]
    for arch, image in zip(("amd64", "arm64"), images, strict=True):
        registry.tags[f"nightly-vllm-{arch}-run-{run}"] = image
    children = [child for image in images for child in registry.document(image)["manifests"]]
    index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": children}
    content = json.dumps(index | {"annotations": {"io.nightly.date": date}}).encode()
    return (*images, registry.put_index([f"nightly-vllm-run-{run}"], content, INDEX_TYPE))


def apply(tools, rule=RULE, *, delete: bool = True, log=print):
    return apply_retention(tools, rule, delete=delete, log=log, now=NOW)


def runs_in(registry: MemoryRegistry) -> set[str]:
    return {tag.rpartition("-")[2] for tag in registry.tags if "-run-" in tag}
