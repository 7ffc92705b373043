"""The registry client against the real local registries, checked by plain HTTP."""

from __future__ import annotations

import hashlib
import json
import uuid

import pytest

from nightly_pipeline.errors import RegistryConflict
from nightly_pipeline.tools.registry import OciRegistry
from tests.integration.conftest import BASE_IMAGE
from tests.registries import ACR, ECR, empty_repository, read_manifest

pytestmark = [pytest.mark.integration, pytest.mark.docker]

INDEX = "application/vnd.oci.image.index.v1+json"


@pytest.fixture
def base():
    with OciRegistry("ecr", ECR, "nightly-base", insecure=True) as registry:
        yield registry


@pytest.fixture
def base_digest(base):
    return base.digest_of(BASE_IMAGE.rpartition(":")[2])


@pytest.fixture
def tag():
    return f"tag-{uuid.uuid4().hex[:8]}"


def test_a_digest_is_that_of_the_bytes(base_digest):
    assert base_digest == f"sha256:{hashlib.sha256(read_manifest(BASE_IMAGE).content).hexdigest()}"


def test_absent_is_an_answer(ecr):
    assert ecr.digest_of("absent") is None
    assert ecr.manifest("absent") is None


@pytest.fixture
def empty(repository):
    """A repository in the registry with the role of ACR that nothing was copied to yet, by no other test either."""
    name = f"{repository}-{uuid.uuid4().hex[:8]}"
    with OciRegistry("acr", ACR, name, insecure=True) as registry:
        yield registry
    empty_repository(ACR, name)


def test_within_a_registry_layers_are_mounted_and_across_registries_copied_once(
    ecr, empty, base, base_digest, tag
):
    mounted = ecr.copy_from(base, base_digest)
    assert mounted < 20_000  # manifests alone
    assert empty.copy_from(ecr, base_digest) > 20_000_000
    assert empty.copy_from(ecr, base_digest) == 0
    empty.put_tag(tag, base_digest)
    answer = read_manifest(f"{ACR}/{empty.repository}:{tag}")
    assert answer.content == read_manifest(BASE_IMAGE).content
    assert answer.headers["Docker-Content-Digest"] == base_digest


def test_every_layer_of_a_copy_can_be_read(ecr, acr, base, base_digest):
    ecr.copy_from(base, base_digest)
    acr.copy_from(ecr, base_digest)
    child = json.loads(acr.manifest(base_digest)[0])["manifests"][0]
    for layer in json.loads(acr.manifest(child["digest"])[0])["layers"]:
        hashed = hashlib.sha256()
        for chunk in acr.open_blob(layer["digest"]):
            hashed.update(chunk)
        assert f"sha256:{hashed.hexdigest()}" == layer["digest"]


def test_an_index_of_two_platforms_is_made_of_what_is_there(ecr, base, base_digest, tag):
    ecr.copy_from(base, base_digest)
    children = json.loads(base.manifest(base_digest)[0])["manifests"]
    document = {
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": children,
        "annotations": {"made-for": tag},
    }
    digest = ecr.put_index([tag, f"{tag}-too"], json.dumps(document).encode(), INDEX)
    assert read_manifest(f"{ECR}/{ecr.repository}:{tag}-too").headers["Docker-Content-Digest"] == digest
    with pytest.raises(RegistryConflict, match="several platforms: linux/amd64, linux/arm64"):
        ecr.config_of(digest)
    assert ecr.config_of(children[1]["digest"])["architecture"] == "arm64"


def test_an_index_of_what_is_absent_is_refused(ecr, tag):
    child = {"mediaType": INDEX, "digest": f"sha256:{'0' * 64}", "size": 2}
    document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [child]}
    with pytest.raises(RegistryConflict):
        ecr.put_index([tag], json.dumps(document).encode(), INDEX)
    assert ecr.digest_of(tag) is None


def test_what_is_deleted_is_absent(ecr, tag):
    document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [], "annotations": {"made-for": tag}}
    digest = ecr.put_index([tag], json.dumps(document).encode(), INDEX)
    ecr.delete(digest)
    ecr.delete(digest)
    assert ecr.digest_of(tag) is None
    assert read_manifest(f"{ECR}/{ecr.repository}:{tag}").status_code == 404
