"""How large an image is, and how much of it was new to its registry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from nightly_pipeline.model.oci import compressed_size, is_index, platform_children
from nightly_pipeline.steps.manifests import document_of
from nightly_pipeline.steps.ports import Registry


def image_bytes(registry: Registry, digest: str) -> int | None:
    """Compressed size of an image, or of the images in an index; None when one is not in the registry."""
    document = document_of(registry, digest)
    if document is None:
        return None
    if not is_index(document):
        return compressed_size(document)
    sizes = [image_bytes(registry, child["digest"]) for child in platform_children(document)]
    return None if None in sizes else sum(size or 0 for size in sizes)


def blobs_of(registry: Registry, names: Iterable[str]) -> dict[str, int]:
    """Digest -> size of every blob that images with these tags or digests refer to; absent ones have none."""
    blobs: dict[str, int] = {}
    for name in names:
        document = document_of(registry, name)
        if document is not None:
            blobs |= _blobs_in(registry, document)
    return blobs


def new_bytes(before: Mapping[str, int], after: Mapping[str, int]) -> int:
    """Bytes of the blobs that came with `after`: what a push had to upload."""
    return sum(size for digest, size in after.items() if digest not in before)


def _blobs_in(registry: Registry, document: Mapping[str, Any]) -> dict[str, int]:
    if is_index(document):
        return blobs_of(registry, [child["digest"] for child in document["manifests"]])
    parts = [document.get("config"), *document.get("layers", ())]
    return {part["digest"]: int(part["size"]) for part in parts if part}
