"""Package lists, provenance and signatures of real builds, in both registries; read there by plain HTTP."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import uuid
from pathlib import Path

import httpx
import pytest

from nightly_pipeline.model.oci import INDEX_TYPE, join_indexes
from nightly_pipeline.model.requests import BuildRequest
from nightly_pipeline.settings_sections import SigningSettings
from nightly_pipeline.steps.supply_chain import packages_of, provenance_of
from nightly_pipeline.tools.buildx import BuildxBuilder
from nightly_pipeline.tools.buildx_command import BuildOptions
from nightly_pipeline.tools.cosign import CosignSigner
from nightly_pipeline.tools.logins import RegistryLogins
from tests.registries import ACR, ECR, read_manifest

pytestmark = [pytest.mark.integration, pytest.mark.docker]

SCANNER = f"{ECR}/nightly-sbom-scanner:1"
BUILDER = "https://dagster.example.org"
COMMIT = "c" * 40
PLATFORMS = ("linux/amd64", "linux/arm64")
DOCKERFILE = """
ARG BASE
FROM ${BASE} AS runtime
COPY metadata /usr/lib/python3/dist-packages/example_package-1.2.3.dist-info/METADATA
"""


@pytest.fixture(scope="module")
def images(tmp_path_factory, base_image, repository):
    """One built image for each platform, pushed to the first registry: platform -> digest."""
    folder = tmp_path_factory.mktemp("build")
    salt = uuid.uuid4().hex[:8]
    (folder / "Dockerfile").write_text(DOCKERFILE)
    (folder / "metadata").write_text(
        f"Name: Example_Package\nVersion: 1.2.3+{salt}\nLicense-Expression: MIT\n\nText."
    )
    builder = BuildxBuilder(BuildOptions(builder_id=BUILDER))
    return {
        platform: builder.build(_request(folder, base_image, repository, platform, salt), print).digest
        for platform in PLATFORMS
    }


def _request(folder: Path, base_image: str, repository: str, platform: str, salt: str) -> BuildRequest:
    return BuildRequest(
        dockerfile=folder / "Dockerfile",
        context=folder,
        target="runtime",
        platform=platform,
        build_args={"BASE": pinned(base_image)},
        labels={
            "org.opencontainers.image.revision": COMMIT,
            "org.opencontainers.image.source": "https://example.org/x",
        },
        push_reference=f"{ECR}/{repository}:sbom-{platform[6:]}-{salt}",
        deadline_s=280,
        sbom_generator=pinned(SCANNER),
    )


def pinned(reference):
    return f"{reference}@{read_manifest(reference).headers['Docker-Content-Digest']}"


def blob(host, repository, digest):
    return (
        httpx.get(f"http://{host}/v2/{repository}/blobs/{digest}", trust_env=False, timeout=120)
        .raise_for_status()
        .json()
    )


def statements(host, repository, digest, image):
    """The in-toto statements about an image of an index, past all code of ours: predicate type -> statement."""
    children = read_manifest(f"{host}/{repository}@{digest}").json()["manifests"]
    [attestation] = [
        child["digest"]
        for child in children
        if child.get("annotations", {}).get("vnd.docker.reference.digest") == image
        and child["annotations"]["vnd.docker.reference.type"] == "attestation-manifest"
    ]
    layers = read_manifest(f"{host}/{repository}@{attestation}").json()["layers"]
    found = [blob(host, repository, layer["digest"]) for layer in layers]
    return {statement["predicateType"]: statement for statement in found}


def image_in(host, repository, digest, architecture):
    children = read_manifest(f"{host}/{repository}@{digest}").json()["manifests"]
    [child] = [child for child in children if child["platform"]["architecture"] == architecture]
    return child["digest"]


@pytest.mark.parametrize("platform", PLATFORMS)
def test_an_image_carries_its_packages_as_a_valid_spdx_document(images, repository, platform):
    image = image_in(ECR, repository, images[platform], platform[6:])
    statement = statements(ECR, repository, images[platform], image)["https://spdx.dev/Document"]

    assert {subject["digest"]["sha256"] for subject in statement["subject"]} == {
        image.removeprefix("sha256:")
    }
    require_valid_spdx(statement["predicate"])
    names = {package["name"] for package in statement["predicate"]["packages"]}
    assert {"Example_Package", "base-files", "python3"} <= names
    debian = [url for url in urls(statement["predicate"]) if url.startswith("pkg:deb/debian/")]
    assert any(f"arch={platform[6:]}" in url for url in debian)


def urls(document):
    return [
        ref["referenceLocator"] for package in document["packages"] for ref in package.get("externalRefs", [])
    ]


def require_valid_spdx(document):
    """The rules of SPDX 2.3 for JSON that a document can break: fields, ids, references, values."""
    assert document["spdxVersion"] == "SPDX-2.3"
    assert document["dataLicense"] == "CC0-1.0"
    assert document["SPDXID"] == "SPDXRef-DOCUMENT"
    assert document["name"]
    assert "#" not in document["documentNamespace"]
    assert httpx.URL(document["documentNamespace"]).scheme
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", document["creationInfo"]["created"])
    creators = document["creationInfo"]["creators"]
    assert creators
    assert all(re.match(r"(Tool|Organization|Person): .", creator) for creator in creators)
    assert any(creator.startswith("Tool: nightly-sbom-scanner-") for creator in creators)
    ids = [package["SPDXID"] for package in document["packages"]]
    assert len(set(ids)) == len(ids) > 50
    assert all(re.fullmatch(r"SPDXRef-[A-Za-z0-9.-]+", one) for one in ids)
    for package in document["packages"]:
        assert package["name"]
        assert package["downloadLocation"]
        assert package.get("filesAnalyzed") is False  # else a verification code would be required
        for reference in package.get("externalRefs", []):
            assert (reference["referenceCategory"], reference["referenceType"]) == ("PACKAGE-MANAGER", "purl")
            assert re.fullmatch(r"pkg:[a-z]+/\S+@\S+", reference["referenceLocator"])
    known = {*ids, document["SPDXID"]}
    for relationship in document["relationships"]:
        assert {relationship["spdxElementId"], relationship["relatedSpdxElement"]} <= known
    described = [one for one in document["relationships"] if one["relationshipType"] == "DESCRIBES"]
    assert [one["spdxElementId"] for one in described] == ["SPDXRef-DOCUMENT"]


def test_attestations_are_the_same_bytes_after_the_copy(images, repository, ecr, acr):
    digest = images["linux/arm64"]
    acr.copy_from(ecr, digest)

    image = image_in(ACR, repository, digest, "arm64")
    copied = statements(ACR, repository, digest, image)
    assert copied == statements(ECR, repository, digest, image)
    assert {"https://spdx.dev/Document", "https://slsa.dev/provenance/v0.2"} == set(copied)


def test_an_index_of_both_platforms_keeps_the_attestations_of_each(images, repository, ecr, acr):
    indexes = [read_manifest(f"{ECR}/{repository}@{digest}").json() for digest in images.values()]
    content = join_indexes(indexes, platforms=PLATFORMS, annotations={"made-for": uuid.uuid4().hex})
    joined = ecr.put_index([], content, INDEX_TYPE)
    acr.copy_from(ecr, joined)

    for host in (ECR, ACR):
        for platform in PLATFORMS:
            image = image_in(host, repository, joined, platform[6:])
            assert len(statements(host, repository, joined, image)) == 2
    by_platform = {platform: packages_of(acr, joined, platform) for platform in PLATFORMS}
    assert all("arch=arm64" not in (package.url or "") for package in by_platform["linux/amd64"])
    assert any("arch=arm64" in (package.url or "") for package in by_platform["linux/arm64"])


def test_what_is_read_back_is_what_was_built(images, ecr, base_image):
    packages = packages_of(ecr, images["linux/amd64"], "linux/amd64")
    provenance = provenance_of(ecr, images["linux/amd64"], "linux/amd64")

    [example] = [package for package in packages if package.name == "Example_Package"]
    assert (example.type, example.licence) == ("pypi", "MIT")
    assert example.url.startswith("pkg:pypi/example-package@1.2.3%2B")
    assert (provenance.builder, provenance.commit) == (BUILDER, COMMIT)
    materials = {
        f"{material.name}@{material.digest}" for material in provenance.materials if material.is_image
    }
    assert materials == {pinned(base_image), pinned(SCANNER)}


def test_an_image_without_attestations_has_no_list(ecr, repository, base_image):
    with_none = read_manifest(base_image).headers["Docker-Content-Digest"]
    child = read_manifest(base_image).json()["manifests"][0]["digest"]
    source = type(ecr)("base", ECR, "nightly-base", insecure=True)

    assert packages_of(source, with_none, "linux/amd64") is None
    assert provenance_of(source, child) is None


# --- signatures


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    """A folder with a new key pair. Where no cosign can be had the tests are skipped, but never in CI."""
    if shutil.which("cosign") is None:
        say = pytest.fail if os.environ.get("CI") else pytest.skip
        say("cosign is not installed")
    folder = tmp_path_factory.mktemp("key")
    environment = {**os.environ, "COSIGN_PASSWORD": "correct horse"}
    subprocess.run(
        ["cosign", "generate-key-pair"], cwd=folder, env=environment, check=True, capture_output=True
    )
    return folder


def verify(reference, key, *, check=True):
    argv = ["cosign", "verify", f"--key={key}", "--insecure-ignore-tlog", "--allow-http-registry", reference]
    return subprocess.run(argv, check=check, capture_output=True, text=True)


def signer(key):
    return CosignSigner(
        SigningSettings(key="cosign.key"), root=key, logins=RegistryLogins({}), insecure=[ECR, ACR]
    )


@pytest.fixture
def in_both(images, ecr, acr):
    """An image that is in both registries."""
    acr.copy_from(ecr, images["linux/amd64"])
    return images["linux/amd64"]


def test_an_image_is_signed_in_both_registries_and_signing_again_changes_nothing(
    in_both, ecr, acr, key, monkeypatch
):
    monkeypatch.setenv("COSIGN_PASSWORD", "correct horse")
    digest, repository = in_both, ecr.repository
    tag = f"{digest.replace(':', '-')}.sig"
    for registry in (ecr, acr):
        signer(key).sign(registry.reference(digest))
    first = [read_manifest(f"{host}/{repository}:{tag}").content for host in (ECR, ACR)]
    for registry in (ecr, acr):
        signer(key).sign(registry.reference(digest))

    assert [read_manifest(f"{host}/{repository}:{tag}").content for host in (ECR, ACR)] == first
    for host in (ECR, ACR):
        [claim] = json.loads(verify(f"{host}/{repository}@{digest}", key / "cosign.pub").stdout)
        assert claim["critical"]["image"]["docker-manifest-digest"] == digest
        assert claim["critical"]["identity"]["docker-reference"] == f"{host}/{repository}"
    assert read_manifest(f"{ECR}/{repository}@{digest}").headers["Docker-Content-Digest"] == digest


def test_what_nobody_signed_does_not_verify(images, repository, key):
    refused = verify(f"{ECR}/{repository}@{images['linux/arm64']}", key / "cosign.pub", check=False)

    assert refused.returncode != 0
    assert "no signatures found" in refused.stderr
