"""Promotion: which images of a night may be called `known-good`, and what is remembered of it. Pure.

Source of the rule: a framework is promoted as a whole, every architecture together, and only bytes that were tested:
the digest that its stages ran on is the digest that is published in every registry.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Literal

from pydantic import Field

from nightly_pipeline.model.history import TestIdentity
from nightly_pipeline.model.outcomes import (
    GOOD_IMAGE,
    GOOD_PUBLICATION,
    GOOD_STAGE,
    EngineFacts,
    ImageOutcome,
    PublicationOutcome,
    Record,
    StageOutcome,
    StageStatus,
)
from nightly_pipeline.model.report import Report


class PromotionRule(Record):
    """What a framework's night must have.

    Attributes:
        architectures: all of the table: a framework is promoted whole.
        stages: those that have to be good on every architecture.
        registries: roles of those that must have every image.
        allow_mock: the mock engine may be promoted.
    """

    architectures: tuple[str, ...]
    stages: tuple[str, ...]
    registries: tuple[str, ...]
    allow_mock: bool = False


class PromotedImage(Record):
    """One architecture of what is promoted: the digest that was tested."""

    arch: str
    platform: str
    digest: str


class Candidate(Record):
    """The images of one framework of one night.

    Attributes:
        run_id: the newest run that published any of them.
    """

    framework: str
    date: str
    run_id: str
    images: tuple[PromotedImage, ...]
    engine: EngineFacts | None = None
    source_revision: str | None = None


class Problem(Record):
    """Why a framework is not promoted. A final one cannot be overridden: there is nothing right to promote."""

    text: str
    final: bool = False


class Assessment(Record):
    """Whether a framework of a night may be promoted.

    Attributes:
        candidate: None where there are no images to promote.
        excused: failures that do not count, as `arch/stage: test`: these tests are quarantined.
    """

    framework: str
    candidate: Candidate | None
    problems: tuple[Problem, ...] = ()
    excused: tuple[str, ...] = ()

    @property
    def is_final(self) -> bool:
        """Whether nobody may promote this, for whatever reason."""
        return self.candidate is None or any(problem.final for problem in self.problems)

    @property
    def text(self) -> str:
        """The problems in a line each."""
        return "\n".join(problem.text for problem in self.problems)


class PromotionRecord(Record):
    """One promotion, kept for good.

    Attributes:
        action: `rollback` is a promotion of an earlier night.
        when: the instant it was asked for, UTC.
        who: `user@host`, or the run of the orchestrator.
        index_digest: of the multi-arch index `known-good-{framework}` names.
        overridden: problems that a person promoted it in spite of.
        complete: every tag in every registry was seen to name what it should.
        problems: role of a registry -> what went wrong there.
    """

    action: Literal["promote", "rollback"]
    automatic: bool
    framework: str
    date: str
    run_id: str
    images: tuple[PromotedImage, ...]
    index_digest: str
    registries: tuple[str, ...]
    reason: str
    who: str
    when: datetime
    engine: EngineFacts | None = None
    source_revision: str | None = None
    overridden: tuple[str, ...] = ()
    excused: tuple[str, ...] = ()
    complete: bool = True
    problems: dict[str, str] = Field(default_factory=dict)

    @property
    def candidate(self) -> Candidate:
        """What was promoted, to be promoted again."""
        return Candidate.model_validate(self.model_dump(include=set(Candidate.model_fields)))


def assess(
    report: Report, framework: str, rule: PromotionRule, quarantined: Collection[TestIdentity] = ()
) -> Assessment:
    """Judge one framework of a night. What is not known is a problem, never a pass."""
    found = _Framework(report, framework)
    problems = list(_problems(found, rule, quarantined))
    return Assessment(
        framework=framework,
        candidate=found.candidate(rule),
        problems=tuple(problems),
        excused=tuple(_excused(found, rule, quarantined)),
    )


def superseded(candidate: Candidate, records: Sequence[PromotionRecord]) -> str | None:
    """Why a promotion by itself would undo something; None when nothing speaks against it.

    Args:
        candidate: what would be promoted.
        records: every promotion of the framework, oldest first.
    """
    done = [record for record in records if record.complete]
    if not done:
        return None
    current = done[-1]
    if current.date > candidate.date:
        return f"known-good is of a newer night, {current.date}"
    if any(record.images == candidate.images for record in done) and current.images != candidate.images:
        return (
            f"these images were promoted before, and then {current.date} was chosen instead: {current.reason}"
        )
    return None


class _Framework:
    """What a report says of one framework."""

    def __init__(self, report: Report, framework: str) -> None:
        self.name = framework
        self.report = report
        self.images: dict[str, ImageOutcome] = {
            image.arch: image
            for image in report.images
            if image.framework == framework and image.kind == "runtime"
        }
        self.publications: dict[str | None, PublicationOutcome] = {
            one.arch: one for one in report.publications if one.framework == framework
        }
        self.stages: dict[tuple[str, str], StageOutcome] = {
            (stage.arch, stage.stage): stage for stage in report.stages if stage.framework == framework
        }

    def candidate(self, rule: PromotionRule) -> Candidate | None:
        """The images to promote; None unless every architecture was published."""
        images = [
            PromotedImage(arch=arch, platform=one.platforms[0], digest=one.digest)
            for arch in rule.architectures
            if (one := self.publications.get(arch)) is not None and one.digest and one.platforms
        ]
        if len(images) != len(rule.architectures) or not images:
            return None
        newest = max(self.publications.values(), key=_started)
        return Candidate(
            framework=self.name,
            date=self.report.date,
            run_id=newest.run_id,
            images=tuple(images),
            engine=next((image.engine for image in self.images.values() if image.engine), None),
            source_revision=self.report.source_revision,
        )


def _problems(
    found: _Framework, rule: PromotionRule, quarantined: Collection[TestIdentity]
) -> Iterator[Problem]:
    if found.report.running:
        yield Problem(text="the night is still running")
    for arch in rule.architectures:
        yield from _image_problems(found, arch, rule)
        yield from _publication_problems(found.publications.get(arch), arch, rule)
        for stage in rule.stages:
            yield from _stage_problems(found, arch, stage, quarantined)
    if not rule.architectures or not rule.stages:
        yield Problem(text="nothing is required of it, so nothing is known of it", final=True)


def _image_problems(found: _Framework, arch: str, rule: PromotionRule) -> Iterator[Problem]:
    image, published = found.images.get(arch), found.publications.get(arch)
    if image is None or image.status not in GOOD_IMAGE or not image.digest:
        said = "is not of this night" if image is None else f"is {image.status.value}"
        yield Problem(text=f"{arch}: the runtime image {said}", final=True)
        return
    if published is not None and published.digest and published.digest != image.digest:
        yield Problem(text=f"{arch}: {published.digest} is published, {image.digest} was built", final=True)
    if image.engine is None:
        yield Problem(text=f"{arch}: it is not known which engine is in it", final=True)
    elif image.engine.kind == "mock" and not rule.allow_mock:
        yield Problem(
            text=f"{arch}: the mock engine is never promoted with this profile (promotion.allow_mock)",
            final=True,
        )


def _publication_problems(
    published: PublicationOutcome | None, arch: str, rule: PromotionRule
) -> Iterator[Problem]:
    if published is None:
        yield Problem(text=f"{arch}: it was not published", final=True)
        return
    if published.status not in GOOD_PUBLICATION:
        yield Problem(text=f"{arch}: its publication is {published.status.value}", final=True)
    have = {copy.registry for copy in published.copies if copy.digest and copy.digest == published.digest}
    if missing := [role for role in rule.registries if role not in have]:
        yield Problem(text=f"{arch}: it is not known to be in {', '.join(missing)}", final=True)


def _stage_problems(
    found: _Framework, arch: str, name: str, quarantined: Collection[TestIdentity]
) -> Iterator[Problem]:
    stage, published = found.stages.get((arch, name)), found.publications.get(arch)
    if stage is None:
        yield Problem(text=f"{arch}/{name}: it is not of this night")
        return
    if stage.status not in GOOD_STAGE and not _all_quarantined(stage, quarantined):
        yield Problem(text=f"{arch}/{name}: {stage.status.value}")
        return
    if published is not None and stage.image_digest != published.digest:
        tested = stage.image_digest or "it is not known what"
        yield Problem(text=f"{arch}/{name}: {tested} was tested, {published.digest} is published")


def _all_quarantined(stage: StageOutcome, quarantined: Collection[TestIdentity]) -> bool:
    """Whether every failure of the stage is known by name. A stage that ended otherwise than by failures is not."""
    counted = stage.counts.failed + stage.counts.errors
    named = {failure.test for failure in stage.failures}
    return (
        stage.status is StageStatus.FAILED
        and stage.mode == "run"
        and 0 < counted == len(named)
        and all(_identity(stage, test) in quarantined for test in named)
    )


def _excused(found: _Framework, rule: PromotionRule, quarantined: Collection[TestIdentity]) -> Iterator[str]:
    for stage in found.stages.values():
        required = stage.arch in rule.architectures and stage.stage in rule.stages
        if required and _all_quarantined(stage, quarantined):
            for failure in stage.failures:
                yield f"{stage.arch}/{stage.stage}: {failure.test}"


def _identity(stage: StageOutcome, test: str) -> TestIdentity:
    return TestIdentity(framework=stage.framework, arch=stage.arch, stage=stage.stage, node_id=test)


def _started(outcome: PublicationOutcome) -> float:
    return outcome.started_at.timestamp() if outcome.started_at else 0.0
