"""What a registry stores, as plain values: references, and what a manifest refers to. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from nightly_pipeline.errors import RegistryError, UsageError
from nightly_pipeline.model.oci import (
    DOCKER_INDEX_TYPE,
    DOCKER_MANIFEST_TYPE,
    INDEX_TYPE,
    INDEX_TYPES,
    MANIFEST_TYPE,
    digest_of_bytes,
    platform_of,
)

ACCEPTED = f"{INDEX_TYPE}, {MANIFEST_TYPE}, {DOCKER_INDEX_TYPE}, {DOCKER_MANIFEST_TYPE}"
"""All of them, always: a registry converts, and so changes the digest, when one is missing."""

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
_REFERENCE = re.compile(
    r"(?:(?P<host>localhost(?::\d+)?|[\w.-]+\.[\w.-]+(?::\d+)?|[\w.-]+:\d+|\[[0-9a-fA-F:]+\](?::\d+)?)/)?"
    r"(?P<repository>[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)


@dataclass(frozen=True)
class Reference:
    """host/repository[:tag][@digest], taken apart."""

    host: str
    repository: str
    tag: str | None = None
    digest: str | None = None

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.host}/{self.repository}{tag}{digest}"


def parse_reference(text: str) -> Reference:
    """Take an image reference apart; without a host it is Docker Hub's. Raises UsageError."""
    match = _REFERENCE.fullmatch(text)
    if match is None:
        raise UsageError(
            f"`{text}` is not an image reference.", next_step="Write host/repository:tag, in lower case."
        )
    host, repository = match["host"] or "docker.io", match["repository"]
    if host == "docker.io" and "/" not in repository:
        repository = f"library/{repository}"
    return Reference(host, repository, match["tag"], match["digest"])


def is_digest(text: str) -> bool:
    """Whether this is a digest rather than a tag."""
    return _DIGEST.fullmatch(text) is not None


def is_tag(text: str) -> bool:
    """Whether a registry takes this as a tag."""
    return _TAG.fullmatch(text) is not None


@dataclass(frozen=True)
class Descriptor:
    """A pointer in a manifest to something else in the same repository. `size` in bytes."""

    digest: str
    size: int
    media_type: str
    platform: str | None = None
    is_attestation: bool = False


@dataclass(frozen=True)
class Manifest:
    """A manifest or index, read.

    Attributes:
        digest: of `content`.
        content: the exact bytes.
        media_type: as the registry or the manifest itself says.
        children: the manifests an index points at.
        blobs: config and layers of a manifest, without layers that live elsewhere.
    """

    digest: str
    content: bytes
    media_type: str
    children: tuple[Descriptor, ...]
    blobs: tuple[Descriptor, ...]

    @property
    def is_index(self) -> bool:
        """Whether it points at manifests rather than at layers."""
        return self.media_type in INDEX_TYPES

    @property
    def platforms(self) -> tuple[Descriptor, ...]:
        """The children that are images; attestations and other `unknown/unknown` children are none."""
        return tuple(child for child in self.children if not child.is_attestation)


def read_manifest(content: bytes, media_type: str) -> Manifest:
    """Read a manifest. Raises RegistryError when it is none, or points at something that is not a sha256."""
    digest = digest_of_bytes(content)
    try:
        document = json.loads(content)
        children = tuple(_descriptors(document.get("manifests") or ()))
        config = [document["config"]] if "config" in document else []
        blobs = tuple(_descriptors([*config, *(document.get("layers") or ())]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RegistryError(f"{digest} is not a manifest: {content[:100]!r}") from error
    media_type = media_type.partition(";")[0].strip()
    if not children and not blobs and media_type not in INDEX_TYPES:
        raise RegistryError(f"{digest} ({media_type}) is a manifest that refers to nothing.")
    return Manifest(digest, content, media_type, children, blobs)


def _descriptors(documents: Iterable[Any]) -> Iterator[Descriptor]:
    for document in documents:
        if document.get("urls"):
            continue  # a layer that is kept elsewhere and that registries do not take
        digest = str(document["digest"])
        if not is_digest(digest):
            raise ValueError(digest)
        yield Descriptor(
            digest=digest,
            size=int(document["size"]),
            media_type=str(document.get("mediaType", "")),
            platform=platform_of(document),
            is_attestation=_is_attestation(document),
        )


def _is_attestation(document: dict[str, Any]) -> bool:
    of_no_platform = (document.get("platform") or {}).get("os") == "unknown"
    return of_no_platform or "vnd.docker.reference.type" in (document.get("annotations") or {})
