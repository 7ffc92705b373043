"""Ask the registries for the list of images, and one image for what is in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from nightly_pipeline.errors import NightlyError, RegistryError, RegistryUnavailable
from nightly_pipeline.model.image_list import Answer, ImageList, KnownGood, image_rows, questions
from nightly_pipeline.model.oci import is_index, platform_children, platform_of
from nightly_pipeline.model.outcomes import Record
from nightly_pipeline.model.report import Report
from nightly_pipeline.model.supply_chain import Package
from nightly_pipeline.model.tags import known_good_tag
from nightly_pipeline.steps.manifests import document_of
from nightly_pipeline.steps.ports import Registry
from nightly_pipeline.steps.promote import promoted_night
from nightly_pipeline.steps.sizes import image_bytes
from nightly_pipeline.steps.supply_chain import packages_of

_SIDE_BY_SIDE = 8


def list_images(
    reports: Sequence[Report],
    registries: Mapping[str, Registry],
    frameworks: Iterable[str],
    architectures: Iterable[str],
) -> ImageList:
    """Every runtime image of these nights, and what known-good is. What could not be asked says so."""
    asked = questions(reports)
    answers = {
        (role, name): answer
        for role, registry in registries.items()
        for name, answer in _answers(registry, asked).items()
    }
    architectures = list(architectures)
    known_good = [
        _known_good(role, registry, framework, architectures)
        for framework in frameworks
        for role, registry in registries.items()
    ]
    return ImageList(rows=image_rows(reports, registries, answers), known_good=tuple(known_good))


def _answers(registry: Registry, names: Sequence[str]) -> dict[str, Answer]:
    """Ask side by side; where a registry cannot be asked for the first, it is not asked for the others."""
    if not names:
        return {}
    first = _answer(registry, names[0])
    if first.problem:
        return dict.fromkeys(names, first)
    with ThreadPoolExecutor(_SIDE_BY_SIDE, thread_name_prefix="ask") as pool:
        return dict(zip(names, pool.map(lambda name: _answer(registry, name), names), strict=True))


def _answer(registry: Registry, name: str) -> Answer:
    try:
        return Answer(digest=registry.digest_of(name))
    except NightlyError as error:
        return Answer(problem=error.message)


def _known_good(role: str, registry: Registry, framework: str, architectures: Sequence[str]) -> KnownGood:
    try:
        said = promoted_night(registry, framework) or {}
        images = {arch: registry.digest_of(known_good_tag(framework, arch)) for arch in architectures}
    except NightlyError as error:
        return KnownGood(framework=framework, registry=role, problem=error.message)
    return KnownGood(framework=framework, registry=role, images=images, **said)


class ImageFacts(Record):
    """One image of one platform, as its registry has it.

    Attributes:
        labels: of the image, all of them.
        packages: None where no list is attached, or it could not be read (`packages_problem`).
    """

    platform: str
    digest: str
    size_bytes: int | None
    labels: dict[str, str]
    packages: tuple[Package, ...] | None = None
    packages_problem: str | None = None


class ImageDescription(Record):
    """What a reference stands for.

    Attributes:
        annotations: of the index itself.
        registries: role -> its answer for the digest.
    """

    reference: str
    digest: str
    annotations: dict[str, str]
    images: tuple[ImageFacts, ...]
    registries: dict[str, Answer]


def describe_image(name: str, registry: Registry, registries: Mapping[str, Registry]) -> ImageDescription:
    """Everything on a tag or digest of one registry, and whether the others have it.

    Raises:
        RegistryError: it is not there; the registry refused.
        RegistryUnavailable: it could not be asked.
    """
    digest = registry.digest_of(name)
    document = document_of(registry, digest) if digest else None
    if digest is None or document is None:
        raise RegistryError(f"{registry.reference(name)} is not there", next_step="See `nightly images`.")
    return ImageDescription(
        reference=registry.reference(name),
        digest=digest,
        annotations={key: str(value) for key, value in (document.get("annotations") or {}).items()},
        images=tuple(_facts(registry, digest, *one) for one in _platforms(registry, digest, document)),
        registries={role: _answer(other, digest) for role, other in registries.items()},
    )


def _platforms(registry: Registry, digest: str, document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(platform, digest) of every image; a lone manifest says its platform in its configuration."""
    if is_index(document):
        return [(platform_of(child) or "", str(child["digest"])) for child in platform_children(document)]
    config = registry.config_of(digest)
    return [(f"{config.get('os', '?')}/{config.get('architecture', '?')}", digest)]


def _facts(registry: Registry, index: str, platform: str, digest: str) -> ImageFacts:
    labels = (registry.config_of(digest).get("config") or {}).get("Labels") or {}
    packages, problem = _packages(registry, index, platform)
    return ImageFacts(
        platform=platform,
        digest=digest,
        size_bytes=image_bytes(registry, digest),
        labels={key: str(value) for key, value in sorted(labels.items())},
        packages=packages,
        packages_problem=problem,
    )


def _packages(registry: Registry, index: str, platform: str) -> tuple[tuple[Package, ...] | None, str | None]:
    try:
        return packages_of(registry, index, platform), None
    except RegistryUnavailable:
        raise
    except NightlyError as error:
        return None, error.message
