"""What the assets of a plan's entries share: their place in the graph and in the UI, and what they start from."""

from __future__ import annotations

from typing import TypedDict

import dagster as dg

from nightly_pipeline.assets.naming import cell_group, priority_tags
from nightly_pipeline.model.outcomes import ImageOutcome
from nightly_pipeline.model.plan import PlannedEntry, PlannedImage, PlannedPublication, PlannedStage
from nightly_pipeline.steps.records import NightRecords
from nightly_pipeline.steps.source import NightRun


class EntryOptions(TypedDict):
    """Arguments of `dg.asset`."""

    key: list[str]
    deps: list[list[str]]
    partitions_def: dg.PartitionsDefinition
    op_tags: dict[str, str]
    group_name: str
    pool: str | None
    tags: dict[str, str]


def entry_options(planned: PlannedEntry, partitions: dg.PartitionsDefinition) -> EntryOptions:
    """Arguments of `dg.asset` for an entry of the plan; kinds, checks and description are its own.

    What builds or tests takes a slot of its runner; what publishes takes none.
    """
    at_work = isinstance(planned, PlannedImage | PlannedStage)
    tags = {
        "framework": planned.framework,
        "arch": planned.arch,
        "stage": planned.stage if isinstance(planned, PlannedStage) else None,
        "runner": planned.runner if at_work else None,
    }
    return {
        "key": list(planned.key),
        "deps": [list(key) for key in planned.depends_on],
        "partitions_def": partitions,
        "op_tags": priority_tags(planned.key),
        "group_name": cell_group(planned.framework, planned.arch),
        "pool": planned.runner if at_work else None,
        "tags": {name: value for name, value in tags.items() if value},
    }


def runtime_image(
    planned: PlannedPublication | PlannedStage, night: NightRun, records: NightRecords
) -> ImageOutcome | None:
    """The good runtime image of the entry's cell: this run's, or the newest of the night; None when there is none."""
    return records.good_image(
        night.partition, planned.framework, planned.arch, "runtime", prefer=night.image_runs
    )
