"""What tests of git ask for: a checkout with one commit, and the reader of it."""

from __future__ import annotations

import pytest

from nightly_pipeline.tools.git import GitRepository
from tests.unit.tools.checkouts import Checkout


@pytest.fixture
def checkout(tmp_path):
    checkout = Checkout(tmp_path / "checkout")
    checkout.write("a.txt", "one")
    checkout.first = checkout.commit("First commit")
    return checkout


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def repository(checkout, cache):
    return GitRepository(str(checkout.path), cache=cache)
