"""Manifests and indexes as values."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightly_pipeline.errors import RegistryConflict
from nightly_pipeline.model.oci import (
    INDEX_TYPE,
    MANIFEST_TYPE,
    compressed_size,
    digest_of_bytes,
    is_index,
    join_indexes,
    platform_children,
    platform_of,
)

PLATFORMS = ["linux/amd64", "linux/arm64", "linux/riscv64", "linux/arm/v7"]


def child(platform: str, name: str = "image") -> dict[str, object]:
    system, architecture, *variant = platform.split("/")
    return {
        "mediaType": MANIFEST_TYPE,
        "digest": digest_of_bytes(f"{name} {platform}".encode()),
        "size": 7,
        "platform": {
            "os": system,
            "architecture": architecture,
            **({"variant": variant[0]} if variant else {}),
        },
    }


def attestation(platform: str) -> dict[str, object]:
    return {
        **child("unknown/unknown", f"attestation of {platform}"),
        "annotations": {"vnd.docker.reference.digest": child(platform)["digest"]},
    }


def index(platform: str, *, attested: bool = True) -> dict[str, object]:
    manifests = [child(platform), *([attestation(platform)] if attested else [])]
    return {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": manifests}


def joined(indexes, platforms, annotations=None):
    return json.loads(join_indexes(indexes, platforms=platforms, annotations=annotations or {}))


@given(st.binary())
def test_a_digest_is_the_hash_of_the_bytes(content):
    assert digest_of_bytes(content) == "sha256:" + hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    ("platform", "name"),
    [
        ({"os": "linux", "architecture": "amd64"}, "linux/amd64"),
        ({"os": "linux", "architecture": "arm64"}, "linux/arm64"),
        ({"os": "linux", "architecture": "arm64", "variant": "v8"}, "linux/arm64"),
        ({"os": "linux", "architecture": "arm", "variant": "v8"}, "linux/arm/v8"),
        ({"os": "linux", "architecture": "arm", "variant": "v7"}, "linux/arm/v7"),
        ({"os": "linux", "architecture": "amd64", "variant": "v3"}, "linux/amd64/v3"),
        ({"os": "unknown", "architecture": "unknown"}, None),
        ({"os": "linux", "architecture": "unknown"}, None),
        ({"os": "linux"}, None),
        ({}, None),
        (None, None),
    ],
)
def test_the_name_of_a_platform(platform, name):
    assert platform_of({"platform": platform}) == name


def test_a_descriptor_without_a_platform_has_none():
    assert platform_of({"digest": "sha256:aa"}) is None


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"mediaType": INDEX_TYPE}, True),
        ({"mediaType": "application/vnd.docker.distribution.manifest.list.v2+json"}, True),
        ({"manifests": []}, True),
        ({"mediaType": MANIFEST_TYPE, "config": {}, "layers": []}, False),
        ({}, False),
    ],
)
def test_what_an_index_is(document, expected):
    assert is_index(document) is expected


def test_the_size_of_an_image_is_its_config_and_its_layers():
    assert compressed_size({"config": {"size": 3}, "layers": [{"size": 10}, {"size": 200}]}) == 213
    assert compressed_size({"layers": []}) == 0
    assert compressed_size({"config": None}) == 0


def test_children_of_an_index_are_its_images_without_the_attestations():
    assert platform_children(index("linux/arm64")) == [child("linux/arm64")]


@given(
    platforms=st.lists(st.sampled_from(PLATFORMS), min_size=1, unique=True),
    attested=st.booleans(),
    data=st.data(),
)
def test_an_index_of_all_has_every_image_and_every_attestation(platforms, attested, data):
    indexes = [index(platform, attested=attested) for platform in data.draw(st.permutations(platforms))]

    document = joined(indexes, platforms)

    assert document["manifests"] == [child for index in indexes for child in index["manifests"]]
    assert sorted(map(platform_of, platform_children(document))) == sorted(platforms)


@given(
    present=st.lists(st.sampled_from(PLATFORMS), max_size=5),
    planned=st.lists(st.sampled_from(PLATFORMS), min_size=1, unique=True),
)
def test_an_index_holds_exactly_what_was_planned_or_is_refused(present, planned):
    indexes = [index(platform) for platform in present]

    if sorted(present) == sorted(planned):
        assert joined(indexes, planned)
    else:
        with pytest.raises(RegistryConflict):
            joined(indexes, planned)


def test_a_missing_platform_is_named():
    with pytest.raises(
        RegistryConflict, match=r"linux/amd64, linux/arm64: linux/arm64 is missing"
    ) as refused:
        joined([index("linux/amd64")], ["linux/amd64", "linux/arm64"])

    assert "nightly rerun" in refused.value.next_step


def test_an_attestation_alone_is_no_platform():
    only = {"manifests": [attestation("linux/arm64")]}

    with pytest.raises(RegistryConflict, match="linux/arm64 is missing"):
        joined([index("linux/amd64"), only], ["linux/amd64", "linux/arm64"])


def test_a_platform_that_is_there_twice_is_refused():
    with pytest.raises(RegistryConflict, match="would hold linux/amd64, linux/amd64"):
        joined([index("linux/amd64"), index("linux/amd64")], ["linux/amd64"])


def test_the_bytes_are_the_same_whenever_they_are_made():
    indexes = [index("linux/amd64"), index("linux/arm64")]
    platforms = ["linux/amd64", "linux/arm64"]

    one = join_indexes(indexes, platforms=platforms, annotations={"b": "2", "a": "1"})
    other = join_indexes(indexes, platforms=reversed(platforms), annotations={"a": "1", "b": "2"})

    assert one == other
    assert json.loads(one)["annotations"] == {"a": "1", "b": "2"}
    assert json.loads(one)["mediaType"] == INDEX_TYPE
