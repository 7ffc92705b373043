"""The commit of the night, resolved once; every build depends on it."""

# No `from __future__ import annotations` here: Dagster looks at the annotation of `context`, not at its text.

from collections.abc import Mapping

import dagster as dg

from nightly_pipeline.assets.metadata import Metadata
from nightly_pipeline.assets.naming import NIGHT_GROUP
from nightly_pipeline.assets.night_run import night_run
from nightly_pipeline.assets.upkeep import prepare_night
from nightly_pipeline.assets.workplace import Workplace
from nightly_pipeline.errors import NightlyError
from nightly_pipeline.model.plan import SOURCE_KEY
from nightly_pipeline.model.requests import Revision


def source_revision_asset(partitions: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """The asset `source_revision`."""

    @dg.asset(
        key=list(SOURCE_KEY),
        partitions_def=partitions,
        group_name=NIGHT_GROUP,
        kinds={"git"},
        description="The commit every image of the night is built from: the head of the ref, resolved once.",
    )
    def source_revision(context: dg.AssetExecutionContext, workplace: Workplace) -> dg.MaterializeResult:
        settings = workplace.settings()
        prepare_night(context.instance, settings, run_id=context.run.run_id)
        try:
            night = night_run(context, settings)
            revision = workplace.revision(night)
            workplace.export(revision)
            bases = workplace.bases(night)
        except NightlyError as error:
            records = workplace.records()
            records.write_source_problem(context.partition_key, context.run.run_id, error.message)
            raise dg.Failure(str(error), allow_retries=False) from error
        return dg.MaterializeResult(
            data_version=dg.DataVersion(revision.label), metadata=_metadata(revision, bases)
        )

    return source_revision


def _metadata(revision: Revision, bases: Mapping[str, str]) -> Metadata:
    return {
        "revision": revision.label,
        "subject": revision.subject,
        "author": revision.author,
        "committed": dg.MetadataValue.timestamp(revision.committed_at),
        "repository": revision.repository,
        "ref": revision.ref,
        "dirty": revision.dirty,
        "bases": dg.MetadataValue.json(bases),
    }
