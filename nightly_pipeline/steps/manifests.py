"""Manifests of a registry as documents. What answers with something else is named, never guessed at."""

from __future__ import annotations

import json
from typing import Any

from nightly_pipeline.errors import RegistryConflict, RegistryError
from nightly_pipeline.model.oci import is_index
from nightly_pipeline.steps.ports import Registry


def document_of(registry: Registry, tag_or_digest: str) -> dict[str, Any] | None:
    """The manifest of a tag or digest; None when it is absent.

    Raises:
        RegistryError: what is there is not a manifest.
        RegistryUnavailable: the registry could not be asked.
    """
    found = registry.manifest(tag_or_digest)
    return None if found is None else parsed(registry, tag_or_digest, found[0])


def parsed(registry: Registry, tag_or_digest: str, content: bytes) -> dict[str, Any]:
    """The manifest a registry answered with. Raises RegistryError when it is none."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise RegistryError(f"{registry.role}: {registry.reference(tag_or_digest)} is not a manifest")
    return document


def index_of(registry: Registry, digest: str, platform: str) -> dict[str, Any]:
    """An image's own index; an image without one (built without attestations) gets one of a single entry.

    Raises:
        RegistryConflict: the image is not there any more.
        RegistryError: what is there is not a manifest.
    """
    found = registry.manifest(digest)
    if found is None:
        raise RegistryConflict(f"{registry.role}: {registry.reference(digest)} is not there any more")
    content, media_type = found
    document = parsed(registry, digest, content)
    if is_index(document):
        return document
    parts = dict(zip(("os", "architecture", "variant"), platform.split("/"), strict=False))
    entry = {"mediaType": media_type, "digest": digest, "size": len(content), "platform": parts}
    return {"manifests": [entry]}
