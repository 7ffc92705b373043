"""The list of images: nights and cells, what is in them, how they did, and what known-good points at. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydantic import Field

from nightly_pipeline.model.outcomes import (
    EngineFacts,
    ImageOutcome,
    NightStatus,
    Record,
)
from nightly_pipeline.model.report import Report
from nightly_pipeline.model.tags import known_good_tag, nightly_tag, run_tag
from nightly_pipeline.model.verdict import night_status


class Answer(Record):
    """What a registry answered for a tag or digest: a digest, or None for absent. `problem`: it could not be asked."""

    digest: str | None = None
    problem: str | None = None


Answers = Mapping[tuple[str, str], Answer]
"""(role of a registry, tag or digest) -> its answer. What was not asked is not there."""


class ImageRow(Record):
    """One runtime image of one night.

    Attributes:
        verdict: of its cell: its images, stages and publications.
        tags: those that name it in at least one registry that was asked.
        registries: role -> `there`, `gone` or `could not ask`.
        known_good: role -> whether known-good names it; None: could not be asked.
    """

    date: str
    run_id: str
    framework: str
    arch: str
    status: str
    verdict: NightStatus
    digest: str | None = None
    size_bytes: int | None = None
    engine: EngineFacts | None = None
    source_revision: str | None = None
    tags: tuple[str, ...] = ()
    registries: dict[str, str] = Field(default_factory=dict)
    known_good: dict[str, bool | None] = Field(default_factory=dict)


class KnownGood(Record):
    """What `known-good-{framework}` is in one registry, as the registry says.

    Attributes:
        digest: None: there is no such tag, or it could not be asked (`problem`).
        images: arch -> the digest that `known-good-{framework}-{arch}` names.
    """

    framework: str
    registry: str
    digest: str | None = None
    date: str | None = None
    run_id: str | None = None
    reason: str | None = None
    source_revision: str | None = None
    images: dict[str, str | None] = Field(default_factory=dict)
    problem: str | None = None


class ImageList(Record):
    """All of it."""

    rows: tuple[ImageRow, ...] = ()
    known_good: tuple[KnownGood, ...] = ()


def questions(reports: Iterable[Report]) -> list[str]:
    """The tags and digests to ask every registry for."""
    asked: dict[str, None] = {}
    for image in _images(reports):
        asked |= dict.fromkeys([*_tags(image), *([image.digest] if image.digest else [])])
    return list(asked)


def image_rows(reports: Iterable[Report], roles: Iterable[str], answers: Answers) -> tuple[ImageRow, ...]:
    """One row an image, newest night first."""
    roles = list(roles)
    return tuple(
        _row(report, image, roles, answers)
        for report in sorted(reports, key=lambda report: report.date, reverse=True)
        for image in _images([report])
    )


def _row(report: Report, image: ImageOutcome, roles: list[str], answers: Answers) -> ImageRow:
    digest = image.digest
    known_good = known_good_tag(image.framework, image.arch)
    return ImageRow(
        date=report.date,
        run_id=image.run_id,
        framework=image.framework,
        arch=image.arch,
        status=image.status.value,
        verdict=_verdict(report, image),
        digest=digest,
        size_bytes=image.size_bytes,
        engine=image.engine,
        source_revision=image.source_revision,
        tags=tuple(tag for tag in _tags(image) if digest and _any_names(tag, digest, roles, answers)),
        registries={role: _presence(answers.get((role, digest))) for role in roles} if digest else {},
        known_good={role: _names(answers.get((role, known_good)), digest) for role in roles}
        if digest
        else {},
    )


def _verdict(report: Report, image: ImageOutcome) -> NightStatus:
    cell = (image.framework, image.arch)
    return night_status(
        (one.status for one in report.images if (one.framework, one.arch) == cell),
        (one.status for one in report.stages if (one.framework, one.arch) == cell),
        (one.status for one in report.publications if (one.framework, one.arch) == cell),
    )


def _images(reports: Iterable[Report]) -> list[ImageOutcome]:
    return [image for report in reports for image in report.images if image.kind == "runtime"]


def _tags(image: ImageOutcome) -> tuple[str, str, str]:
    cell = (image.framework, image.arch)
    return run_tag(*cell, image.run_id), nightly_tag(*cell), known_good_tag(*cell)


def _any_names(tag: str, digest: str, roles: Iterable[str], answers: Answers) -> bool:
    return any(_names(answers.get((role, tag)), digest) for role in roles)


def _names(answer: Answer | None, digest: str | None) -> bool | None:
    return None if answer is None or answer.problem else answer.digest == digest


def _presence(answer: Answer | None) -> str:
    if answer is None or answer.problem:
        return "could not ask"
    return "there" if answer.digest else "gone"
