"""Base images, pinned: looked up once at the start of a run, so that a tag that moves meanwhile splits no night."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from nightly_pipeline.errors import NightlyError
from nightly_pipeline.model.plan import PlannedImage
from nightly_pipeline.steps.ports import LineSink

LookUp = Callable[[str], str | None]
"""Asks a registry for the digest behind `image:tag`; None when there is no such tag. Raises RegistryError."""

_PAIRS = (("BASE_IMAGE", "BASE_IMAGE_TAG"), ("RUNTIME_IMAGE", "RUNTIME_IMAGE_TAG"))


def bases_of(images: Iterable[PlannedImage]) -> list[str]:
    """Every base image that is built on, as `image:tag`, once each."""
    arguments = (image.build_args for image in images)
    return sorted({reference for args in arguments for reference in _references(args).values()})


def pin_bases(references: Iterable[str], look_up: LookUp, log: LineSink) -> dict[str, str]:
    """Reference -> digest, of those that can be asked for.

    A base that is absent or cannot be asked for is left out: its builds then take the tag as it is and say for
    themselves what is wrong.
    """
    pinned = {}
    for reference in references:
        try:
            digest = look_up(reference)
        except NightlyError as error:
            log(f"{reference} is not pinned: {error.message}")
            continue
        if digest is None:
            log(f"{reference} is not pinned: there is no such tag")
        else:
            pinned[reference] = digest
    return pinned


def pinned_arguments(arguments: Mapping[str, str], pinned: Mapping[str, str]) -> dict[str, str]:
    """The build arguments, each base's tag followed by its digest: `tag@sha256:...`, which a FROM line takes."""
    references = _references(arguments)
    digests = {
        tag: f"{arguments[tag]}@{pinned[reference]}"
        for tag, reference in references.items()
        if reference in pinned
    }
    return {**arguments, **digests}


def base_digest(planned: PlannedImage, pinned: Mapping[str, str]) -> str | None:
    """The digest of what an image starts from; None when it is not pinned."""
    tag = "RUNTIME_IMAGE_TAG" if planned.kind == "runtime" else "BASE_IMAGE_TAG"
    reference = _references(planned.build_args).get(tag)
    return pinned.get(reference) if reference else None


def _references(arguments: Mapping[str, str]) -> dict[str, str]:
    """Build argument of a tag -> the reference it is part of."""
    return {
        tag: f"{arguments[image]}:{arguments[tag]}"
        for image, tag in _PAIRS
        if image in arguments and tag in arguments
    }
