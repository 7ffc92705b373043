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
    date, good = before.date, before.status in GOOD_PUBLICATION
    prefer = () if good else (before.run_id,)
    published = {
        arch: tools.records.published(date, planned.framework, arch, prefer=prefer)
        for arch in planned.architectures
    }
    missing = [arch for arch, image in published.items() if image is None]
    if missing and not good:
        return Republication(before, before, f"no published image for {', '.join(missing)}")
    images = [image for image in published.values() if image is not None]
    run_id = _run_without_index(images, planned, before, tools) if good and not missing else None
    if good and run_id is None:
        return Republication(before, before, "published already")
    after = publish_index(planned, images, tools, log, date=date, run_id=run_id or before.run_id)
    return Republication(before, after)


def _run_without_index(
    images: Sequence[PublicationOutcome],
    planned: PlannedIndex,
    index: PublicationOutcome,
    tools: PublishTools,
) -> str | None:
    """The run all these images are of, when the good index is another run's: its own was never begun."""
    runs = {image.run_id for image in images}
    run_id = runs.pop()
    if runs or run_id == index.run_id:
        return None
    own = tools.records.outcome(index.date, run_id, planned.key)
    return None if own is not None and own.status in GOOD_PUBLICATION else run_id
