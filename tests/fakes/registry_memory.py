"""A repository of a registry in memory, behind `steps.ports.Registry`. Digests are real, outages are told."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nightly_pipeline.errors import RegistryError
from nightly_pipeline.model.oci import (
    INDEX_TYPE,
    MANIFEST_TYPE,
    digest_of_bytes,
    is_index,
    platform_children,
)
from nightly_pipeline.steps.ports import Registry
from nightly_pipeline.tools.registry_tags import delete_each

LAYER = b"a layer"


@dataclass
class MemoryRegistry:
    """One repository.

    Attributes:
        failures: verb -> the error it raises (`digest_of`, `put_tag`, `copy_from`, ...); `*` is every verb.
        answers: tag or digest -> what `digest_of` answers instead of the truth.
        verbs: every verb that was called, with its argument, in order.
    """

    role: str = "ecr"
    host: str = "localhost:5000"
    repository: str = "nightly"
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    failures: dict[str, BaseException] = field(default_factory=dict)
    answers: dict[str, str | None] = field(default_factory=dict)
    verbs: list[tuple[str, str]] = field(default_factory=list)

    def reference(self, tag_or_digest: str) -> str:
        separator = "@" if tag_or_digest.startswith("sha256:") else ":"
        return f"{self.host}/{self.repository}{separator}{tag_or_digest}"

    def digest_of(self, tag_or_digest: str) -> str | None:
        self._called("digest_of", tag_or_digest)
        if tag_or_digest in self.answers:
            return self.answers[tag_or_digest]
        digest = self.tags.get(tag_or_digest, tag_or_digest)
        return digest if digest in self.manifests else None

    def manifest(self, tag_or_digest: str) -> tuple[bytes, str] | None:
        self._called("manifest", tag_or_digest)
        return self.manifests.get(self.tags.get(tag_or_digest, tag_or_digest))

    def config_of(self, digest: str) -> dict[str, Any]:
        self._called("config_of", digest)
        if digest not in self.manifests:
            raise RegistryError(f"{self.reference(digest)} is not there")
        document = json.loads(self.manifests[digest][0])
        if is_index(document):
            [child] = platform_children(document)
            document = json.loads(self.manifests[child["digest"]][0])
        config: dict[str, Any] = json.loads(self.blobs[document["config"]["digest"]])
        return config

    def put_tag(self, tag: str, digest: str) -> None:
        self._called("put_tag", tag)
        if digest not in self.manifests:
            raise RegistryError(f"{self.reference(digest)} is not there")
        self.tags[tag] = digest

    def put_index(self, tags: Iterable[str], manifest: bytes, media_type: str) -> str:
        self._called("put_index", media_type)
        missing = [
            child["digest"]
            for child in json.loads(manifest)["manifests"]
            if child["digest"] not in self.manifests
        ]
        if missing:
            raise RegistryError(f"{self.host} lacks {', '.join(missing)}")
        digest = self._keep(manifest, media_type)
        self.tags |= dict.fromkeys(tags, digest)
        return digest

    def copy_from(self, source: Registry, digest: str) -> int:
        self._called("copy_from", digest)
        return self._copy(source, digest)

    def _copy(self, source: Registry, digest: str) -> int:
        answer = source.manifest(digest)
        if answer is None:
            raise RegistryError(f"{source.reference(digest)} is not there")
        document = json.loads(answer[0])
        uploaded = sum(self._copy(source, child["digest"]) for child in document.get("manifests", ()))
        blobs = [document["config"], *document["layers"]] if "config" in document else []
        for blob in (blob["digest"] for blob in blobs if blob["digest"] not in self.blobs):
            self.blobs[blob] = b"".join(source.open_blob(blob))
            uploaded += len(self.blobs[blob])
        if digest not in self.manifests:
            self._keep(*answer)
            uploaded += len(answer[0])
        return uploaded

    def open_blob(self, digest: str) -> Iterable[bytes]:
        self._called("open_blob", digest)
        return [self.blobs[digest]]

    def delete(self, digest: str) -> None:
        self._called("delete", digest)
        self.manifests.pop(digest, None)
        self.tags = {tag: named for tag, named in self.tags.items() if named != digest}

    def list_tags(self) -> list[str]:
        self._called("list_tags", "")
        return sorted(self.tags)

    def delete_many(self, digests: Sequence[str]) -> dict[str, str]:
        return delete_each(self._delete_unreferenced, digests)

    def _delete_unreferenced(self, digest: str) -> None:
        """As ECR does it: what an index refers to cannot go before it."""
        parents = [
            name
            for name, (content, _) in self.manifests.items()
            if any(child["digest"] == digest for child in json.loads(content).get("manifests", ()))
        ]
        if parents:
            raise RegistryError(f"ImageReferencedByManifestList: {', '.join(parents)}")
        self.delete(digest)

    # for tests

    def add_image(  # noqa: PLR0913 - what an image may have
        self,
        platform: str = "linux/amd64",
        *,
        labels: Mapping[str, str] | None = None,
        environment: Iterable[str] = (),
        attested: bool = True,
        layer: bytes = LAYER,
        statements: Iterable[Mapping[str, Any]] = (),
    ) -> str:
        """Push an image as BuildKit does: an index of it and its attestation, or its manifest alone.

        `statements` are what the attestation holds, made to be about the image unless they say otherwise.
        """
        settings = {"Labels": dict(labels or {}), "Env": list(environment)}
        system, architecture, *variant = platform.split("/")
        entry = {"os": system, "architecture": architecture, **({"variant": variant[0]} if variant else {})}
        config = json.dumps({**entry, "config": settings}).encode()
        image = self._manifest(config, layer)
        if not attested:
            return image["digest"]
        attestation = self._manifest(b"{}", b"provenance of " + image["digest"].encode())
        if statements:
            attestation = self._attestation(image["digest"], statements)
        reference = {
            "vnd.docker.reference.digest": image["digest"],
            "vnd.docker.reference.type": "attestation-manifest",
        }
        unknown = {"platform": {"os": "unknown", "architecture": "unknown"}, "annotations": reference}
        children = [{**image, "platform": entry}, {**attestation, **unknown}]
        index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": children}
        return self._keep(json.dumps(index).encode(), INDEX_TYPE)

    def document(self, tag_or_digest: str) -> dict[str, Any]:
        """A manifest or index, parsed."""
        content, _ = self.manifests[self.tags.get(tag_or_digest, tag_or_digest)]
        document: dict[str, Any] = json.loads(content)
        return document

    def moved(self) -> list[str]:
        """The tags that were put, in order."""
        return [argument for verb, argument in self.verbs if verb == "put_tag"]

    def _manifest(self, config: bytes, layer: bytes) -> dict[str, Any]:
        content = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST_TYPE,
                "config": {"digest": self._blob(config), "size": len(config)},
                "layers": [{"digest": self._blob(layer), "size": len(layer)}],
            }
        ).encode()
        digest = self._keep(content, MANIFEST_TYPE)
        return {"mediaType": MANIFEST_TYPE, "digest": digest, "size": len(content)}

    def _attestation(self, image: str, statements: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        subject = [{"name": "image", "digest": {"sha256": image.removeprefix("sha256:")}}]
        contents = [
            (json.dumps({"subject": subject, **statement}).encode(), statement["predicateType"])
            for statement in statements
        ]
        layers = [
            {
                "digest": self._blob(content),
                "size": len(content),
                "annotations": {"in-toto.io/predicate-type": kind},
            }
            for content, kind in contents
        ]
        config = {"digest": self._blob(b"{}"), "size": 2}
        document = {"schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": config, "layers": layers}
        content = json.dumps(document).encode()
        digest = self._keep(content, MANIFEST_TYPE)
        return {"mediaType": MANIFEST_TYPE, "digest": digest, "size": len(content)}

    def _blob(self, content: bytes) -> str:
        self.blobs[digest_of_bytes(content)] = content
        return digest_of_bytes(content)

    def _keep(self, content: bytes, media_type: str) -> str:
        self.manifests[digest_of_bytes(content)] = (content, media_type)
        return digest_of_bytes(content)

    def _called(self, verb: str, argument: str) -> None:
        self.verbs.append((verb, argument))
        error = self.failures.get(verb) or self.failures.get("*")
        if error is not None:
            raise error
