"""The verdict on a night: green only when everything planned was seen to be good.

Source of the rule: a night is `green` only when every planned image is built or reused, every planned stage
is passed or collected and every planned publication is published; `red` when anything failed; `incomplete`
otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable

from nightly_pipeline.model.outcomes import (
    GOOD_IMAGE,
    GOOD_PUBLICATION,
    GOOD_STAGE,
    RED_IMAGE,
    RED_PUBLICATION,
    RED_STAGE,
    ImageStatus,
    NightStatus,
    PublicationStatus,
    StageStatus,
)

Status = ImageStatus | StageStatus | PublicationStatus


def night_status(
    images: Iterable[ImageStatus],
    stages: Iterable[StageStatus],
    publications: Iterable[PublicationStatus] = (),
) -> NightStatus:
    """Judge a night by the status of all that was planned. Nothing planned is `incomplete`, never green."""
    images, stages, publications = list(images), list(stages), list(publications)
    red = (
        any(status in RED_IMAGE for status in images)
        or any(status in RED_STAGE for status in stages)
        or any(status in RED_PUBLICATION for status in publications)
    )
    if red:
        return NightStatus.RED
    good = (
        all(status in GOOD_IMAGE for status in images)
        and all(status in GOOD_STAGE for status in stages)
        and all(status in GOOD_PUBLICATION for status in publications)
    )
    planned = len(images) + len(stages) + len(publications)
    return NightStatus.GREEN if good and planned else NightStatus.INCOMPLETE


def is_good(status: Status) -> bool:
    """Whether this one result lets a night be green."""
    return status in GOOD_IMAGE or status in GOOD_STAGE or status in GOOD_PUBLICATION
