"""Reading an image's attestations from a registry: which are its own, and what cannot be believed."""

from __future__ import annotations

import pytest

from nightly_pipeline.errors import RegistryConflict, RegistryError, RegistryUnavailable
from nightly_pipeline.model.oci import INDEX_TYPE, join_indexes
from nightly_pipeline.steps import supply_chain
from nightly_pipeline.steps.supply_chain import packages_of, provenance_of
from tests.fakes.registry_memory import MemoryRegistry

PLATFORMS = ("linux/amd64", "linux/arm64")
PROVENANCE = {
    "predicateType": "https://slsa.dev/provenance/v0.2",
    "predicate": {"builder": {"id": "https://dagster.example.org"}},
}


def spdx(*names):
    packages = [{"SPDXID": f"SPDXRef-{name}", "name": name} for name in names]
    return {
        "predicateType": "https://spdx.dev/Document",
        "predicate": {"spdxVersion": "SPDX-2.3", "packages": packages},
    }


def names(packages):
    return None if packages is None else [package.name for package in packages]


@pytest.fixture
def registry():
    return MemoryRegistry()


@pytest.fixture
def joined(registry):
    """An index of both platforms, each with attestations of its own."""
    digests = [
        registry.add_image(platform, statements=[spdx(platform[6:]), PROVENANCE]) for platform in PLATFORMS
    ]
    content = join_indexes(
        [registry.document(digest) for digest in digests], platforms=PLATFORMS, annotations={}
    )
    return registry.put_index([], content, INDEX_TYPE)


def test_an_image_has_its_list_and_its_provenance(registry):
    digest = registry.add_image(statements=[PROVENANCE, spdx("a", "b")])

    assert names(packages_of(registry, digest)) == ["a", "b"]
    assert provenance_of(registry, digest, "linux/amd64").builder == "https://dagster.example.org"


@pytest.mark.parametrize("platform", PLATFORMS)
def test_each_platform_of_an_index_has_its_own(registry, joined, platform):
    assert names(packages_of(registry, joined, platform)) == [platform[6:]]
    assert provenance_of(registry, joined, platform) is not None


def test_a_platform_has_to_be_named_where_there_are_several(registry, joined):
    with pytest.raises(RegistryConflict, match="has no one platform, but linux/amd64, linux/arm64"):
        packages_of(registry, joined)


def test_a_platform_that_is_not_there_is_said(registry):
    with pytest.raises(RegistryConflict, match="has no linux/arm64, but linux/amd64"):
        packages_of(registry, registry.add_image(statements=[spdx("a")]), "linux/arm64")


@pytest.mark.parametrize("made", [{"attested": False}, {}, {"statements": [PROVENANCE]}])
def test_no_list_is_an_answer(registry, made):
    assert packages_of(registry, registry.add_image(**made)) is None


def test_an_empty_list_is_not_the_same_as_none(registry):
    assert packages_of(registry, registry.add_image(statements=[spdx()])) == ()


def test_an_image_that_is_gone_is_no_image_without_a_list(registry):
    with pytest.raises(RegistryConflict, match="is not there"):
        packages_of(registry, f"sha256:{'0' * 64}")


def test_a_registry_that_cannot_be_asked_is_no_registry_without_a_list(registry):
    digest = registry.add_image(statements=[spdx("a")])
    registry.failures["open_blob"] = RegistryUnavailable("503")

    with pytest.raises(RegistryUnavailable):
        packages_of(registry, digest)


def test_a_list_about_another_image_is_not_believed(registry):
    other = [{"name": "image", "digest": {"sha256": "0" * 64}}]
    digest = registry.add_image(statements=[{**spdx("a"), "subject": other}])

    with pytest.raises(RegistryConflict, match="is not about sha256:"):
        packages_of(registry, digest)


def test_a_list_that_is_too_large_is_not_read_to_its_end(registry, monkeypatch):
    monkeypatch.setattr(supply_chain, "MOST_STATEMENT_BYTES", 100)

    with pytest.raises(RegistryError, match="it has more than"):
        packages_of(registry, registry.add_image(statements=[spdx("a" * 200)]))


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[" * 100_000, b"\xff\xfe"], ids=["empty", "cut", "deep", "binary"]
)
def test_what_is_not_json_is_said(registry, content):
    digest = registry.add_image(statements=[spdx("a")])
    [blob] = [name for name, held in registry.blobs.items() if b"spdx.dev" in held]
    registry.blobs[blob] = content

    with pytest.raises(RegistryError, match=r"an attestation of localhost:5000/nightly@.* cannot be read"):
        packages_of(registry, digest)


def test_what_is_no_spdx_document_is_said(registry):
    statement = {"predicateType": "https://spdx.dev/Document", "predicate": {"bomFormat": "CycloneDX"}}

    with pytest.raises(RegistryError, match="cannot be read: not an SPDX 2 document"):
        packages_of(registry, registry.add_image(statements=[statement]))


@pytest.mark.parametrize("content", [b"[1]", b"<html>", b"", b"[" * 100_000], ids=lambda content: content[:8])
def test_a_manifest_that_is_none_is_said(registry, content):
    digest = registry.add_image(statements=[spdx("a")])
    registry.manifests[digest] = (content, INDEX_TYPE)

    with pytest.raises(RegistryError, match=r"ecr: localhost:5000/nightly@.* is not a manifest"):
        packages_of(registry, digest)
