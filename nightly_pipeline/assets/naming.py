"""How the night's words become Dagster's: partitions, groups, tags, pools, step keys."""

from __future__ import annotations

from datetime import date

import dagster as dg

from nightly_pipeline.model.plan import CONFIRMATION_KEY, SUMMARY_KEY, Key

LOCATION = "nightly_pipeline"
"""Name of the code location, as workspace.yaml has it."""

NIGHT_GROUP = "night"
SUMMARY_GROUP = "summary"
RUN_DATE_TAG = "dagster/partition"
REVISION_TAG = "nightly/revision"
RERUN_TAG = "nightly/rerun_of"
REUSE_TAG = "nightly/reuse_good"
SUMMARY_TAG = "nightly/summary_of"
PROFILE_TAG = "nightly/profile"
TRIGGER_TAG = "nightly/trigger"

# Dagster shows no tag of this prefix: these are of no use to people.
LAUNCH_TAG = ".dagster/nightly_launch"
PROCESS_TAG = ".dagster/nightly_process"

LOCATION_TAGS = {".dagster/repository": f"__repository__@{LOCATION}"}
"""What makes the UI list a run that no code location was asked for among its job's."""

JOB_NAME = "nightly"
SUMMARY_JOB_NAME = "nightly_summary_job"
RERUNS_CHECK = "reruns_were_made"


def nights(go_live: date) -> dg.DailyPartitionsDefinition:
    """One partition a night, its key the night's date.

    `end_offset=1` makes today's night a partition: with 0 the 08:00 tick would target yesterday.
    """
    return dg.DailyPartitionsDefinition(start_date=go_live.isoformat(), timezone="UTC", end_offset=1)


def cell_group(framework: str, arch: str | None) -> str:
    """The group of a cell's assets: a node shows only the last part of its key, so the group names the cell."""
    return f"{framework}_{arch}" if arch else framework


def step_key(key: Key) -> str:
    """The step that materializes an asset: Dagster joins the parts of its key."""
    return "__".join(key)


def summary_selection(*, confirm: bool) -> list[dg.AssetKey]:
    """What of the summary's job runs: the summary, and before it the confirming reruns where there may be any."""
    keys = (CONFIRMATION_KEY, SUMMARY_KEY) if confirm else (SUMMARY_KEY,)
    return [dg.AssetKey(list(key)) for key in keys]


def summary_checks(*, confirm: bool) -> list[dg.AssetCheckKey]:
    """The checks that come with that selection. Whether nights come in time is looked at by a sensor of its own."""
    own = [(SUMMARY_KEY, "night_is_green"), (SUMMARY_KEY, "known_good_is_current")]
    keys = [(CONFIRMATION_KEY, RERUNS_CHECK), *own] if confirm else own
    return [dg.AssetCheckKey(dg.AssetKey(list(key)), name) for key, name in keys]


def framework_job_name(framework: str) -> str:
    """The job of one framework alone (a backfill has no selection flag)."""
    return f"nightly_{framework}"


PRIORITIES = {"framework_image": 4, "runtime_image": 3, "published_image": 2, "multi_arch_image": 2}
"""Where more steps are ready than run side by side, what others wait for goes first."""


def priority_tags(key: Key) -> dict[str, str]:
    """The tag Dagster's executor orders ready steps by."""
    return {"dagster/priority": str(PRIORITIES.get(key[-1], 1))}
