"""Retention of build caches: by their newest layer, and only in their own repository."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from nightly_pipeline.model.oci import MANIFEST_TYPE
from nightly_pipeline.model.retention import Lifetime
from nightly_pipeline.steps.retention import RetentionRule
from tests.fakes.registry_memory import MemoryRegistry
from tests.unit.steps.retaining import NOW, apply, retention_tools


@pytest.fixture
def tools(ecr, acr, caches):
    return retention_tools([ecr, acr], caches)


def cache(registry: MemoryRegistry, tag: str, *ages: int | None) -> str:
    layers = [
        {"digest": f"sha256:{number}", "size": 1}
        | ({"annotations": {"buildkit/createdat": _instant(age)}} if age is not None else {})
        for number, age in enumerate(ages)
    ]
    content = json.dumps({"mediaType": MANIFEST_TYPE, "config": {}, "layers": layers, "tag": tag}).encode()
    registry.tags[tag] = registry._keep(content, MANIFEST_TYPE)
    return registry.tags[tag]


def _instant(age: int) -> str:
    return (NOW - timedelta(days=age)).strftime("%Y-%m-%dT%H:%M:%S.000000000Z")


def test_a_cache_whose_newest_layer_is_too_old_goes(tools, caches):
    cache(caches, "vllm-framework-amd64", 50, 31)
    cache(caches, "vllm-runtime-amd64", 50, 2)
    cache(caches, "vllm-runtime-arm64", None)
    cache(caches, "another-project", 90)
    *_, outcome = apply(tools)

    assert set(caches.tags) == {"vllm-runtime-amd64", "vllm-runtime-arm64", "another-project"}
    reasons = {decision.tags[0]: decision.reason for decision in outcome.plan.decisions}
    assert reasons["vllm-framework-amd64"] == "its newest layer is 31 days old; 30 are kept"
    assert reasons["vllm-runtime-arm64"] == "it does not say how old it is"
    assert reasons["another-project"] == "named by another-project"


def test_images_are_never_deleted_by_the_rule_of_caches(tools, ecr, caches):
    cache(ecr, "vllm-framework-amd64", 90)
    cache(caches, "vllm-framework-amd64", 90)
    apply(tools)

    assert set(ecr.tags) == {"vllm-framework-amd64"}
    assert caches.tags == {}


def test_without_a_limit_caches_stay(tools, caches):
    cache(caches, "vllm-framework-amd64", 900)
    apply(tools, RetentionRule(Lifetime(), promotions=1, cache_days=None))

    assert set(caches.tags) == {"vllm-framework-amd64"}
