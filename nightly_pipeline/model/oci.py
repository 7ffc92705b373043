"""OCI manifests as values: which platforms an index has, how large an image is, how indexes are joined.

Source of the formats: the OCI image specification (image-spec 1.1, manifest.md and image-index.md).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nightly_pipeline.errors import RegistryConflict

INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
DOCKER_INDEX_TYPE = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
INDEX_TYPES = frozenset({INDEX_TYPE, DOCKER_INDEX_TYPE})

Document = Mapping[str, Any]


def digest_of_bytes(content: bytes) -> str:
    """The digest a registry gives these bytes."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def is_index(document: Document) -> bool:
    """Whether a manifest is an index of manifests (an image index, or a Docker manifest list)."""
    return document.get("mediaType") in INDEX_TYPES or "manifests" in document


def platform_of(descriptor: Document) -> str | None:
    """`linux/arm64` or `linux/arm/v7`; None for an attestation, which BuildKit marks `unknown/unknown`."""
    platform = descriptor.get("platform") or {}
    parts = (platform.get("os"), platform.get("architecture"), platform.get("variant"))
    if parts[0] in {None, "unknown"} or parts[1] in {None, "unknown"}:
        return None
    # arm64's only variant is v8, which most writers leave out.
    return "/".join(part for part in parts if part and (part, parts[1]) != ("v8", "arm64"))


def platform_children(index: Document) -> list[Document]:
    """Descriptors of the images of an index, its attestations left out."""
    return [child for child in index.get("manifests", ()) if platform_of(child) is not None]


def compressed_size(manifest: Document) -> int:
    """Bytes of an image as a registry keeps it: its config and its layers."""
    layers = sum(int(layer["size"]) for layer in manifest.get("layers", ()))
    return layers + int((manifest.get("config") or {}).get("size", 0))


def join_indexes(
    indexes: Iterable[Document], *, platforms: Sequence[str], annotations: Mapping[str, str]
) -> bytes:
    """One index with every image and attestation of several, as the exact bytes to store.

    Args:
        indexes: one per architecture, each with its platform's image and the attestation of it.
        platforms: what the result must have, no more and no less.
        annotations: of the index itself.

    Raises:
        RegistryConflict: a platform is missing, is there twice, or was not asked for.
    """
    children = [child for index in indexes for child in index.get("manifests", ())]
    found = sorted(platform for child in children if (platform := platform_of(child)) is not None)
    if found != sorted(platforms):
        missing = sorted(set(platforms) - set(found))
        reason = f"{', '.join(missing)} is missing" if missing else f"it would hold {', '.join(found)}"
        raise RegistryConflict(
            f"refused to publish an index for {', '.join(platforms)}: {reason}",
            next_step="Repeat the cell that is missing with `nightly rerun RUN_ID --failed`.",
        )
    document = {
        "schemaVersion": 2,
        "mediaType": INDEX_TYPE,
        "manifests": children,
        "annotations": dict(sorted(annotations.items())),
    }
    return json.dumps(document, separators=(",", ":")).encode()
