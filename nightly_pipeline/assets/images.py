"""Assets of images: built, published, joined into a multi-arch index."""

# No `from __future__ import annotations` here: Dagster looks at the annotation of `context`, not at its text.

import dagster as dg

from nightly_pipeline.assets.entries import entry_options, runtime_image
from nightly_pipeline.assets.metadata import Metadata, console_links, image_metadata, publication_metadata
from nightly_pipeline.assets.night_run import night_run, reuses_good_results
from nightly_pipeline.assets.output import print_line
from nightly_pipeline.assets.workplace import Workplace
from nightly_pipeline.model.outcomes import GOOD_IMAGE, GOOD_PUBLICATION, ImageOutcome, PublicationOutcome
from nightly_pipeline.model.plan import PlannedImage, PlannedIndex, PlannedPublication
from nightly_pipeline.steps.build import build_image, reuse_image
from nightly_pipeline.steps.build_requests import ImageRun
from nightly_pipeline.steps.publish import publish_image, publish_index

Result = dg.MaterializeResult


def image_asset(planned: PlannedImage, partitions: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """The asset of one image of one cell."""

    @dg.asset(
        **entry_options(planned, partitions),
        kinds={"docker"},
        description=(
            f"The {planned.kind} image of {planned.framework} for {planned.platform}, built from "
            f"`{planned.dockerfile}` and pushed as `{planned.moving_tag}`."
        ),
    )
    def image(context: dg.AssetExecutionContext, workplace: Workplace) -> Result:
        return _built(context, workplace, _image_outcome(context, workplace, planned))

    return image


def _image_outcome(
    context: dg.AssetExecutionContext, workplace: Workplace, planned: PlannedImage
) -> ImageOutcome:
    night = night_run(context, workplace.settings())
    revision = workplace.revision(night)
    with workplace.workspace(night.run_id, planned.key) as workspace:
        tools = workplace.build_tools(workspace)
        run = ImageRun(
            planned=planned,
            date=night.partition,
            run_id=night.run_id,
            revision=revision,
            source=workplace.export(revision),
            bases=workplace.bases(night),
        )
        reused = reuse_image(run, tools) if reuses_good_results(context) else None
        return reused or build_image(run, tools, print_line)


def _built(context: dg.AssetExecutionContext, workplace: Workplace, outcome: ImageOutcome) -> Result:
    settings = workplace.settings()
    metadata = image_metadata(outcome, workplace.records())
    metadata |= console_links(settings, outcome.digest, [settings.primary])
    return _settled(context, outcome, metadata, good=outcome.status in GOOD_IMAGE)


def _published(
    context: dg.AssetExecutionContext, workplace: Workplace, outcome: PublicationOutcome
) -> Result:
    metadata = publication_metadata(outcome)
    metadata |= console_links(
        workplace.settings(), outcome.digest, [copy.registry for copy in outcome.copies]
    )
    return _settled(context, outcome, metadata, good=outcome.status in GOOD_PUBLICATION)


def _settled(
    context: dg.AssetExecutionContext,
    outcome: ImageOutcome | PublicationOutcome,
    metadata: Metadata,
    *,
    good: bool,
) -> Result:
    if not good:
        # What failed is not materialized; as an observation its metadata is on the asset's page all the same.
        context.log_event(
            dg.AssetObservation(context.asset_key, partition=context.partition_key, metadata=metadata)
        )
        # Told apart from a crash: the outcome is on record, and doing the same thing again would not help.
        raise dg.Failure(f"{outcome.status}: {outcome.message}", metadata=metadata, allow_retries=False)
    return dg.MaterializeResult(metadata=metadata, data_version=dg.DataVersion(outcome.digest or ""))


def publication_asset(
    planned: PlannedPublication, partitions: dg.PartitionsDefinition
) -> dg.AssetsDefinition:
    """The asset of one cell's published image."""

    @dg.asset(
        **entry_options(planned, partitions),
        kinds={"docker"},
        description=(
            f"The runtime image of {planned.framework} for {planned.platform}, the same digest in "
            f"{' and '.join(planned.registries)}, as `{planned.moving_tag}`."
        ),
    )
    def published(context: dg.AssetExecutionContext, workplace: Workplace) -> Result:
        night = night_run(context, workplace.settings())
        outcome = publish_image(
            planned,
            runtime_image(planned, night, workplace.records()),
            workplace.publish_tools(),
            print_line,
            date=night.partition,
            run_id=night.run_id,
        )
        return _published(context, workplace, outcome)

    return published


def index_asset(planned: PlannedIndex, partitions: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """The asset of one framework's multi-arch index."""

    @dg.asset(
        **entry_options(planned, partitions),
        kinds={"docker"},
        description=(
            f"The {' and '.join(planned.platforms)} images of {planned.framework} joined into one index, as "
            f"`{planned.moving_tag}`. Refused when a platform is missing."
        ),
    )
    def multi_arch(context: dg.AssetExecutionContext, workplace: Workplace) -> Result:
        night = night_run(context, workplace.settings())
        images = (
            workplace.records().published(night.partition, planned.framework, arch, prefer=night.image_runs)
            for arch in planned.architectures
        )
        outcome = publish_index(
            planned,
            [image for image in images if image],
            workplace.publish_tools(),
            print_line,
            date=night.partition,
            run_id=night.run_id,
        )
        return _published(context, workplace, outcome)

    return multi_arch
