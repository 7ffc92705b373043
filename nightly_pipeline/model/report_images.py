"""What a night's tests and publications are about: the very image that its report shows, or they are not known.

A run that builds an image again, and is ended before it tests it, leaves the results of an earlier run of the night:
they are about other bytes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from nightly_pipeline.model.outcomes import (
    GOOD_IMAGE,
    GOOD_PUBLICATION,
    GOOD_STAGE,
    ImageOutcome,
    PublicationOutcome,
    PublicationStatus,
    StageOutcome,
    StageStatus,
)
from nightly_pipeline.model.plan import Key, image_key
from nightly_pipeline.model.tags import short_run_id

_Outcome = ImageOutcome | StageOutcome | PublicationOutcome


def about_its_image(
    key: Key, newest: Mapping[Key, _Outcome], planned: Mapping[str, Collection[Key]]
) -> _Outcome:
    """The newest outcome of an entry; `not_run` where it is a good one of an image before the one that is shown.

    Only where the run that built the newer image was to test (or to publish) it, and did not come to that: who builds
    an image alone has asked for nothing else.

    Args:
        key: of a planned entry that has an outcome.
        newest: the newest outcome of each of them.
        planned: run id -> what the run set out to do.
    """
    outcome = newest[key]
    image = newest.get(image_key(outcome.framework, outcome.arch or "", "runtime"))
    if not isinstance(image, ImageOutcome) or image.status not in GOOD_IMAGE:
        return outcome
    if key not in planned.get(image.run_id, ()):
        return outcome
    if isinstance(outcome, StageOutcome) and outcome.status in GOOD_STAGE:
        return outcome if _same(outcome.image_digest, image.digest) else _not_tested(outcome, image)
    if isinstance(outcome, PublicationOutcome) and outcome.status in GOOD_PUBLICATION:
        return outcome if _same(outcome.digest, image.digest) else _not_published(outcome, image)
    return outcome


def _same(digest: str | None, other: str | None) -> bool:
    """Whether nothing says that these are two images."""
    return None in {digest, other} or digest == other


def _not_tested(stage: StageOutcome, image: ImageOutcome) -> StageOutcome:
    said = f"run {short_run_id(stage.run_id)} tested an earlier image of this night: {stage.status.value}"
    return StageOutcome(
        date=stage.date,
        run_id=image.run_id,
        framework=stage.framework,
        arch=stage.arch,
        stage=stage.stage,
        runner=stage.runner,
        mode=stage.mode,
        status=StageStatus.NOT_RUN,
        message=f"{_nobody('tested', image)}; {said}",
    )


def _not_published(publication: PublicationOutcome, image: ImageOutcome) -> PublicationOutcome:
    return PublicationOutcome(
        date=publication.date,
        run_id=image.run_id,
        framework=publication.framework,
        arch=publication.arch,
        status=PublicationStatus.NOT_RUN,
        message=f"{_nobody('published', image)}; run {short_run_id(publication.run_id)} published an earlier one",
    )


def _nobody(did: str, image: ImageOutcome) -> str:
    return f"the image of run {short_run_id(image.run_id)} is not {did}"
