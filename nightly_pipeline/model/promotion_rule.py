"""Which images of a night may be called `known-good`.

A framework is promoted as a whole, every architecture together, and only bytes that were tested: the digest that its
stages ran on is the digest that is published in every registry.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from nightly_pipeline.model.history import TestIdentity
from nightly_pipeline.model.outcomes import (
    GOOD_IMAGE,
    GOOD_PUBLICATION,
    GOOD_STAGE,
    ImageOutcome,
    PublicationOutcome,
    StageOutcome,
    StageStatus,
)
from nightly_pipeline.model.promotion import Assessment, Candidate, Problem, PromotedImage, PromotionRule
from nightly_pipeline.model.report import Report


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
