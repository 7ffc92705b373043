from __future__ import annotations

import json

import pytest

from nightly_pipeline.errors import RegistryError, UsageError
from nightly_pipeline.model.oci import DOCKER_INDEX_TYPE, INDEX_TYPE, MANIFEST_TYPE
from nightly_pipeline.tools.registry_manifests import (
    Reference,
    is_tag,
    parse_reference,
    read_manifest,
)
from tests.fakes.registry import digest_of

A, B, C = digest_of(b"a"), digest_of(b"b"), digest_of(b"c")


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("localhost:5000/nightly:x", Reference("localhost:5000", "nightly", "x")),
        (f"localhost:5000/nightly@{A}", Reference("localhost:5000", "nightly", None, A)),
        (f"registry.example/team/a-b__c:x@{A}", Reference("registry.example", "team/a-b__c", "x", A)),
        ("127.0.0.1/x", Reference("127.0.0.1", "x")),
        ("[::1]:5000/x", Reference("[::1]:5000", "x")),
        ("myhost:80/x/y", Reference("myhost:80", "x/y")),
        ("python:3.11", Reference("docker.io", "library/python", "3.11")),
        ("vllm/vllm-openai", Reference("docker.io", "vllm/vllm-openai")),
        ("nvcr.io/nvidia/cuda:12.9.0", Reference("nvcr.io", "nvidia/cuda", "12.9.0")),
    ],
)
def test_references(text, reference):
    assert parse_reference(text) == reference


@pytest.mark.parametrize(
    "text", ["", "UPPER/case", "x:", "x@sha256:short", "a b", "host:5000/", "x:tag:tag", "-x"]
)
def test_what_is_no_reference(text):
    with pytest.raises(UsageError, match="not an image reference"):
        parse_reference(text)


def test_a_reference_is_written_as_it_was_read():
    text = f"localhost:5000/a/b:t@{A}"
    assert str(parse_reference(text)) == text


@pytest.mark.parametrize(
    ("tag", "good"), [("a.b-c_d", True), ("", False), ("a/b", False), ("x" * 129, False)]
)
def test_tags(tag, good):
    assert is_tag(tag) is good


def test_an_index_knows_its_platforms_and_its_attestations():
    children = [
        {"digest": A, "size": 1, "platform": {"os": "linux", "architecture": "arm", "variant": "v7"}},
        {"digest": B, "size": 1, "platform": {"os": "unknown", "architecture": "unknown"}},
        {"digest": C, "size": 1, "annotations": {"vnd.docker.reference.type": "attestation-manifest"}},
    ]
    index = read_manifest(json.dumps({"manifests": children}).encode(), f"{INDEX_TYPE}; charset=utf-8")
    assert index.is_index
    assert [child.digest for child in index.children] == [A, B, C]
    assert [child.platform for child in index.platforms] == ["linux/arm/v7"]


def test_arm64_is_one_platform_whether_or_not_its_variant_is_said():
    child = {"digest": A, "size": 1, "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}}
    index = read_manifest(json.dumps({"manifests": [child]}).encode(), INDEX_TYPE)
    assert [child.platform for child in index.platforms] == ["linux/arm64"]


def test_layers_that_live_elsewhere_are_not_ours_to_copy():
    layers = [{"digest": B, "size": 2}, {"digest": C, "size": 3, "urls": ["https://elsewhere.example/layer"]}]
    manifest = read_manifest(
        json.dumps({"config": {"digest": A, "size": 1}, "layers": layers}).encode(), MANIFEST_TYPE
    )
    assert [(blob.digest, blob.size) for blob in manifest.blobs] == [(A, 1), (B, 2)]
    assert not manifest.is_index


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not json",
        b"[]",
        b"{}",
        b'{"layers": [{"size": 1}]}',
        b'{"layers": [{"digest": "sha512:x", "size": 1}]}',
        b'{"layers": [{"digest": "../../etc/passwd", "size": 1}]}',
        b'{"layers": 7}',
    ],
)
def test_what_is_no_manifest(content):
    with pytest.raises(RegistryError):
        read_manifest(content, MANIFEST_TYPE)


def test_an_index_may_be_empty():
    assert read_manifest(b'{"manifests": []}', DOCKER_INDEX_TYPE).platforms == ()
