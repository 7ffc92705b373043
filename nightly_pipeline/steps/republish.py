"""Publishing what a night has built and could not publish: by its records alone, nothing is built again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nightly_pipeline.model.outcomes import GOOD_PUBLICATION, PublicationOutcome
from nightly_pipeline.model.plan import Plan, PlannedIndex, PlannedPublication
from nightly_pipeline.model.report import key_of
from nightly_pipeline.steps.ports import LineSink
from nightly_pipeline.steps.publish import PublishTools, publish_image, publish_index


@dataclass(frozen=True)
class Republication:
    """One publication of a night, before and after.

    Attributes:
        before: its newest result on record.
        after: its result now; `before` itself where nothing was done.
        why: why nothing was done; None where it was published again.
    """

    before: PublicationOutcome
    after: PublicationOutcome
    why: str | None = None

    @property
    def is_good(self) -> bool:
        """Whether it is in every registry now."""
        return self.after.status in GOOD_PUBLICATION


def publish_again(
    plan: Plan, newest: Sequence[PublicationOutcome], tools: PublishTools, log: LineSink
) -> list[Republication]:
    """Publish everything that is not published everywhere, the images of each framework before their index.

    What was published is left alone. The result takes the place of the one on record, under the same run: its tags
    are those the run would have given.

    Args:
        plan: what belongs to a night.
        newest: the newest result of each publication of one night, as its report has them.
        tools: the registries and the records.
        log: told what happens, line by line.
    """
    known = {key_of(outcome): outcome for outcome in newest}
    images = [
        _image(planned, known[planned.key], tools, log)
        for planned in plan.publications
        if planned.key in known
    ]
    indexes = [
        _index(planned, known[planned.key], tools, log) for planned in plan.indexes if planned.key in known
    ]
    return [*images, *indexes]


def _image(
    planned: PlannedPublication, before: PublicationOutcome, tools: PublishTools, log: LineSink
) -> Republication:
    date, run_id = before.date, before.run_id
    if before.status in GOOD_PUBLICATION:
        return Republication(before, before, "published already")
    image = tools.records.good_image(date, planned.framework, planned.arch, "runtime", prefer=(run_id,))
    if image is None:
        return Republication(before, before, "there is no good image of this night")
    return Republication(before, publish_image(planned, image, tools, log, date=date, run_id=run_id))


def _index(
    planned: PlannedIndex, before: PublicationOutcome, tools: PublishTools, log: LineSink
) -> Republication:
    date, run_id = before.date, before.run_id
    if before.status in GOOD_PUBLICATION:
        return Republication(before, before, "published already")
    published = {
        arch: tools.records.published(date, planned.framework, arch, prefer=(run_id,))
        for arch in planned.architectures
    }
    missing = [arch for arch, image in published.items() if image is None]
    if missing:
        return Republication(before, before, f"no published image for {', '.join(missing)}")
    images = [image for image in published.values() if image is not None]
    return Republication(before, publish_index(planned, images, tools, log, date=date, run_id=run_id))
