"""How large an image is, and how much of it was new to its registry."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightly_pipeline.steps.sizes import blobs_of, image_bytes, new_bytes
from tests.fakes.registry_memory import MemoryRegistry

BLOBS = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 9))


@pytest.fixture
def registry():
    return MemoryRegistry()


def test_the_size_is_that_of_the_image_without_its_attestation(registry):
    alone, attested = (registry.add_image(attested=attested, layer=b"12345") for attested in (False, True))
    config = registry.document(alone)["config"]["size"]

    assert image_bytes(registry, alone) == image_bytes(registry, attested) == config + 5


def test_a_size_that_is_not_known_whole_is_not_known(registry):
    digest = registry.add_image()
    del registry.manifests[registry.document(digest)["manifests"][0]["digest"]]

    assert image_bytes(registry, digest) is None
    assert image_bytes(registry, "sha256:absent") is None


def test_what_was_pushed_counts_attestations_and_shared_layers_once(registry):
    first = registry.add_image("linux/amd64", layer=b"shared")
    registry.tags["nightly"] = first
    before = blobs_of(registry, ["nightly", "absent"])

    after = blobs_of(registry, [registry.add_image("linux/arm64", layer=b"shared")])

    assert sum(before.values()) == sum(map(len, registry.blobs.values())) - new_bytes(before, after)
    assert new_bytes(after, after) == 0


@given(before=BLOBS, after=BLOBS)
def test_new_is_what_was_not_there_before(before, after):
    assert new_bytes(before, after) == sum(after[digest] for digest in after.keys() - before.keys())
