"""What most steps are tried on: records, the two registries of a night and a repository of caches, in memory."""

from __future__ import annotations

import pytest

from nightly_pipeline.steps.records import NightRecords
from tests.fakes.registry_memory import MemoryRegistry
from tests.fakes.store import MemoryStore


@pytest.fixture
def records() -> NightRecords:
    return NightRecords(MemoryStore())


@pytest.fixture
def ecr() -> MemoryRegistry:
    return MemoryRegistry("ecr", "localhost:5000")


@pytest.fixture
def acr() -> MemoryRegistry:
    return MemoryRegistry("acr", "localhost:5001")


@pytest.fixture
def caches() -> MemoryRegistry:
    return MemoryRegistry("ecr", "localhost:5000", "nightly-cache")


@pytest.fixture
def registries(ecr: MemoryRegistry, acr: MemoryRegistry) -> dict[str, MemoryRegistry]:
    return {"ecr": ecr, "acr": acr}
