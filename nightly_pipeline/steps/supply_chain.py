"""An image's attestations, read from a registry: its package list (SBOM) and how it was built (provenance).

BuildKit attaches them as one more manifest of the image's index, marked as the attestation of the image's digest; its
layers are in-toto statements. "Not attached" is an answer, None; what is attached but cannot be read is an error.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from nightly_pipeline.errors import RegistryConflict, RegistryError
from nightly_pipeline.model.oci import is_index, platform_of
from nightly_pipeline.model.supply_chain import (
    PROVENANCE,
    SPDX,
    Package,
    Provenance,
    packages_in,
    provenance_in,
    subjects_of,
)
from nightly_pipeline.steps.manifests import document_of
from nightly_pipeline.steps.ports import Registry

MOST_STATEMENT_BYTES = 128 * 1024 * 1024
"""syft lists every file of an image too: tens of megabytes for a real engine."""

_REFERENCE_TYPE, _REFERENCE_DIGEST = "vnd.docker.reference.type", "vnd.docker.reference.digest"
_PREDICATE_TYPE = "in-toto.io/predicate-type"


def packages_of(registry: Registry, digest: str, platform: str | None = None) -> tuple[Package, ...] | None:
    """The packages of an image, by its attached SBOM; None when it has none.

    Args:
        registry: where the image is.
        digest: of its index.
        platform: which image of an index of several, `linux/arm64`; None will do where there is one.

    Raises:
        RegistryConflict: the image or its platform is not there, or what is attached is about another image.
        RegistryError: what is attached cannot be read; or the registry refused, or could not be asked.
    """
    statement = _statement(registry, digest, platform, [SPDX])
    return None if statement is None else _understood(registry, digest, packages_in, statement)


def provenance_of(registry: Registry, digest: str, platform: str | None = None) -> Provenance | None:
    """How an image was built, by its attached provenance; None when it has none. Like `packages_of`."""
    statement = _statement(registry, digest, platform, PROVENANCE)
    return None if statement is None else _understood(registry, digest, provenance_in, statement)


def _understood(registry: Registry, digest: str, read: Any, statement: Mapping[str, Any]) -> Any:
    try:
        return read(statement)
    except ValueError as error:
        raise _unreadable(registry, digest, str(error)) from error


def _statement(
    registry: Registry, digest: str, platform: str | None, kinds: Iterable[str]
) -> Mapping[str, Any] | None:
    """The first statement of one of these kinds that is about the image."""
    index = _document(registry, digest)
    if not is_index(index):
        return None
    image = _image_in(registry, digest, index, platform)
    for layer in _layers(registry, index, image):
        if layer.get("annotations", {}).get(_PREDICATE_TYPE) in set(kinds):
            statement = _read(registry, digest, layer)
            if image not in subjects_of(statement):
                raise RegistryConflict(f"an attestation of {registry.reference(digest)} is not about {image}")
            return statement
    return None


def _image_in(registry: Registry, digest: str, index: Mapping[str, Any], platform: str | None) -> str:
    images = {platform_of(child): str(child["digest"]) for child in index["manifests"] if platform_of(child)}
    if platform is None and len(images) == 1:
        return next(iter(images.values()))
    if platform not in images:
        names = ", ".join(sorted(filter(None, images))) or "nothing"
        wanted = platform or "one platform"
        raise RegistryConflict(
            f"{registry.reference(digest)} has no {wanted}, but {names}",
            next_step="Name the platform of the image.",
        )
    return images[platform]


def _layers(registry: Registry, index: Mapping[str, Any], image: str) -> Iterator[Mapping[str, Any]]:
    for child in index["manifests"]:
        marks = child.get("annotations") or {}
        if (marks.get(_REFERENCE_TYPE), marks.get(_REFERENCE_DIGEST)) == ("attestation-manifest", image):
            yield from _document(registry, str(child["digest"])).get("layers", ())


def _document(registry: Registry, digest: str) -> Mapping[str, Any]:
    document = document_of(registry, digest)
    if document is None:
        raise RegistryConflict(f"{registry.reference(digest)} is not there")
    return document


def _read(registry: Registry, digest: str, layer: Mapping[str, Any]) -> Mapping[str, Any]:
    content = bytearray()
    for chunk in registry.open_blob(str(layer["digest"])):
        content += chunk
        if len(content) > MOST_STATEMENT_BYTES:
            raise _unreadable(registry, digest, f"it has more than {MOST_STATEMENT_BYTES >> 20} MiB")
    try:
        statement = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise _unreadable(registry, digest, f"it is not JSON: {error}") from error
    return statement if isinstance(statement, dict) else {}


def _unreadable(registry: Registry, digest: str, why: str) -> RegistryError:
    return RegistryError(
        f"an attestation of {registry.reference(digest)} cannot be read: {why}",
        next_step="Build the image again, or look at it with `docker buildx imagetools inspect`.",
    )
