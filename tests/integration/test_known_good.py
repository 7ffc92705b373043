"""Promotion, rollback and retention in the real local registries, checked by plain HTTP."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from nightly_pipeline.model.promotion import Candidate, PromotedImage
from nightly_pipeline.model.retention import Lifetime
from nightly_pipeline.steps.promote import Order, PromoteTools, plan_promotion, promote
from nightly_pipeline.steps.promotion_records import PromotionRecords
from nightly_pipeline.steps.retention import RetentionRule, RetentionTools, apply_retention
from nightly_pipeline.tools.artifacts import LocalArtifactStore
from nightly_pipeline.tools.registry import OciRegistry
from tests.registries import ACR, BUSY_S, ECR, empty_repository, read_manifest, tags_of

pytestmark = [pytest.mark.integration, pytest.mark.docker]

HOSTS = (ECR, ACR)
INDEX, MANIFEST = (f"application/vnd.oci.image.{kind}.v1+json" for kind in ("index", "manifest"))
NOW = datetime.now(UTC)


@dataclass(frozen=True)
class Place:
    """A repository of one test's own, in both registries."""

    name: str
    registries: dict[str, OciRegistry]
    records: PromotionRecords

    def promote(self, candidate: Candidate, reason: str, action: str = "promote"):
        tools = PromoteTools(self.registries, "ecr", self.records)
        order = Order(candidate, reason, "me", action=action)
        return promote(plan_promotion(order, tools), tools, print)

    def retain(self, days: int, *, delete: bool, promotions: int = 1):
        tools = RetentionTools(list(self.registries.values()), [], self.records, ["vllm"], ["amd64", "arm64"])
        rule = RetentionRule(Lifetime(days=days), promotions=promotions, cache_days=None)
        return apply_retention(tools, rule, delete=delete, log=print)

    def tags(self, host: str) -> set[str]:
        return set(tags_of(host, self.name))

    def read(self, host: str, tag_or_digest: str) -> httpx.Response:
        separator = "@" if tag_or_digest.startswith("sha256:") else ":"
        return read_manifest(f"{host}/{self.name}{separator}{tag_or_digest}")


@pytest.fixture
def place(machine: None, tmp_path: Path) -> Iterator[Place]:
    name = f"test-{uuid.uuid4().hex[:12]}"
    with (
        OciRegistry("ecr", ECR, name, insecure=True) as ecr,
        OciRegistry("acr", ACR, name, insecure=True) as acr,
    ):
        yield Place(name, {"ecr": ecr, "acr": acr}, PromotionRecords(LocalArtifactStore(tmp_path)))
    for host in HOSTS:
        empty_repository(host, name)


def push_blob(host: str, name: str, content: bytes) -> dict[str, object]:
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    base = f"http://{host}"
    begun = httpx.post(f"{base}/v2/{name}/blobs/uploads/", trust_env=False, timeout=BUSY_S).raise_for_status()
    where = httpx.URL(base).join(begun.headers["Location"]).copy_merge_params({"digest": digest})
    httpx.put(where, content=content, trust_env=False, timeout=BUSY_S).raise_for_status()
    return {"mediaType": "application/octet-stream", "digest": digest, "size": len(content)}


def push_manifest(host: str, name: str, document: dict[str, object], *tags: str) -> dict[str, object]:
    content = json.dumps(document).encode()
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    kind = str(document["mediaType"])
    for reference in tags or (digest,):
        address = f"http://{host}/v2/{name}/manifests/{reference}"
        headers = {"Content-Type": kind}
        httpx.put(
            address, content=content, headers=headers, trust_env=False, timeout=BUSY_S
        ).raise_for_status()
    return {"mediaType": kind, "digest": digest, "size": len(content)}


def night(place: Place, run: str, age: int) -> Candidate:
    """Two images and their index of a night `age` days ago, pushed to both registries as BuildKit does."""
    made = NOW - timedelta(days=age)
    labels = {
        "io.nightly.date": made.date().isoformat(),
        "org.opencontainers.image.created": made.isoformat(),
    }
    images = []
    for arch in ("amd64", "arm64"):
        config = json.dumps({"os": "linux", "architecture": arch, "config": {"Labels": labels}}).encode()
        for host in HOSTS:
            pushed = _push_image(host, place.name, arch, config, run)
        images.append(PromotedImage(arch=arch, platform=f"linux/{arch}", digest=str(pushed["digest"])))
    for host in HOSTS:
        children = [child for one in images for child in place.read(host, one.digest).json()["manifests"]]
        said = {"io.nightly.date": labels["io.nightly.date"]}
        joined = {"schemaVersion": 2, "mediaType": INDEX, "manifests": children, "annotations": said}
        push_manifest(host, place.name, joined, f"nightly-vllm-run-{run}")
    return Candidate(
        framework="vllm", date=labels["io.nightly.date"], run_id=f"{run}-0000", images=tuple(images)
    )


def _push_image(host: str, name: str, arch: str, config: bytes, run: str) -> dict[str, object]:
    parts = {"schemaVersion": 2, "mediaType": MANIFEST}
    layer = push_blob(host, name, f"{arch} {run}".encode())
    image = push_manifest(host, name, {**parts, "config": push_blob(host, name, config), "layers": [layer]})
    proof = push_blob(host, name, f"provenance of {image['digest']}".encode())
    empty = push_blob(host, name, b"{}")
    attestation = push_manifest(host, name, {**parts, "config": empty, "layers": [proof]})
    marks = {
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": image["digest"],
    }
    children = [
        {**image, "platform": {"os": "linux", "architecture": arch}},
        {**attestation, "platform": {"os": "unknown", "architecture": "unknown"}, "annotations": marks},
    ]
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": children}
    return push_manifest(host, name, index, f"nightly-vllm-{arch}-run-{run}")


def test_known_good_names_the_tested_digests_in_both_registries(place) -> None:
    candidate = night(place, "aaaaaaaa", 1)
    record = place.promote(candidate, "every stage passed")

    bodies = set()
    for host in HOSTS:
        for image in candidate.images:
            answer = place.read(host, f"known-good-vllm-{image.arch}")
            assert answer.headers["Docker-Content-Digest"] == image.digest
        index = place.read(host, "known-good-vllm")
        assert index.headers["Docker-Content-Digest"] == record.index_digest
        bodies.add(index.content)
        assert index.json()["annotations"] == {
            "io.nightly.date": candidate.date,
            "io.nightly.framework": "vllm",
            "io.nightly.reason": "every stage passed",
            "io.nightly.run-id": candidate.run_id,
        }
        tested = [c for image in candidate.images for c in place.read(host, image.digest).json()["manifests"]]
        assert index.json()["manifests"] == tested
    assert len(bodies) == 1


def test_rolling_back_brings_the_same_bytes_back(place) -> None:
    old, new = night(place, "aaaaaaaa", 2), night(place, "bbbbbbbb", 1)
    place.promote(old, "first")
    before = {host: place.read(host, "known-good-vllm").content for host in HOSTS}
    place.promote(new, "second")
    assert all(place.read(host, "known-good-vllm").content != before[host] for host in HOSTS)
    place.promote(old, "the second leaks", "rollback")

    assert {host: place.read(host, "known-good-vllm").content for host in HOSTS} == before
    assert [record.reason for record in place.records.of("vllm")] == ["first", "second", "the second leaks"]


def test_old_nights_go_and_what_is_known_good_stays_whole(place) -> None:
    good = night(place, "aaaaaaaa", 60)
    promoted = place.promote(good, "it is old, and good")
    old, fresh = night(place, "bbbbbbbb", 40), night(place, "cccccccc", 3)
    gone = _everything_of(place, old)
    before = {host: place.tags(host) for host in HOSTS}
    shown = place.retain(30, delete=False)
    assert {host: place.tags(host) for host in HOSTS} == before, "a dry run deletes nothing"
    done = place.retain(30, delete=True)

    assert all(outcome.is_good for outcome in (*shown, *done))
    for host in HOSTS:
        assert {tag.rpartition("-")[2] for tag in place.tags(host)} == {
            "amd64",
            "arm64",
            "vllm",
            "aaaaaaaa",
            "cccccccc",
        }
        assert f"nightly-vllm-run-{'aaaaaaaa'}" not in place.tags(host), (
            "the night's own index is not the promoted one"
        )
        for digest in gone:
            assert place.read(host, digest).status_code == 404
        for candidate in (good, fresh):
            for digest in _everything_of(place, candidate, host):
                assert place.read(host, digest).status_code == 200
        assert place.read(host, "known-good-vllm").headers["Docker-Content-Digest"] == promoted.index_digest


def test_a_second_pruning_finds_nothing(place) -> None:
    night(place, "aaaaaaaa", 40)
    place.retain(30, delete=True)

    assert [len(outcome.plan.decisions) for outcome in place.retain(30, delete=True)] == [0, 0]
    assert all(place.tags(host) == set() for host in HOSTS)


def _everything_of(place: Place, candidate: Candidate, host: str = ECR) -> set[str]:
    """The digests of a night's images with all they refer to."""
    found = set()
    for image in candidate.images:
        found |= {image.digest, *(c["digest"] for c in place.read(host, image.digest).json()["manifests"])}
    return found
