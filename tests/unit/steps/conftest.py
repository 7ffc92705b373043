"""What most steps are tried on: the two registries of a night, in memory."""

from __future__ import annotations

import pytest

from tests.fakes.registry_memory import MemoryRegistry


@pytest.fixture
def ecr() -> MemoryRegistry:
    return MemoryRegistry("ecr", "localhost:5000")


@pytest.fixture
def acr() -> MemoryRegistry:
    return MemoryRegistry("acr", "localhost:5001")


@pytest.fixture
def registries(ecr: MemoryRegistry, acr: MemoryRegistry) -> dict[str, MemoryRegistry]:
    return {"ecr": ecr, "acr": acr}
