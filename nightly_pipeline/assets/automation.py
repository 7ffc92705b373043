"""Jobs, the schedule, and the sensors that ask for the summary when a run ends."""

# No `from __future__ import annotations` here: Dagster looks at the annotation of `context`, not at its text.

from collections.abc import Sequence
from datetime import UTC
from typing import Any

import dagster as dg

from nightly_pipeline.assets.naming import (
    JOB_NAME,
    RUN_DATE_TAG,
    SUMMARY_JOB_NAME,
    SUMMARY_TAG,
    TRIGGER_TAG,
    framework_job_name,
    summary_checks,
    summary_selection,
)
from nightly_pipeline.assets.night_run import runs_in_the_command
from nightly_pipeline.model.plan import CONFIRMATION_KEY, SOURCE_KEY, SUMMARY_KEY

# What `define_asset_job` returns; Dagster does not export its name.
UnresolvedAssetJobDefinition = Any

# A whole night takes three to four hours; what still runs after twelve hangs.
MAX_RUNTIME_S = 12 * 3600
SCHEDULE = "0 8 * * *"
FRESHNESS_CHECK = dg.AssetCheckKey(dg.AssetKey(list(SUMMARY_KEY)), "nights_come_in_time")

_SENSOR_TAG = "dagster/sensor_name"

_ENDINGS = {
    "after_success": dg.DagsterRunStatus.SUCCESS,
    "after_failure": dg.DagsterRunStatus.FAILURE,
    "after_cancellation": dg.DagsterRunStatus.CANCELED,
}


def night_jobs(
    frameworks: Sequence[str], assets: Sequence[dg.AssetsDefinition]
) -> list[UnresolvedAssetJobDefinition]:
    """`nightly`, the whole night, and one job per framework: a backfill takes a job, not a selection."""
    tags = {"dagster/max_runtime": str(MAX_RUNTIME_S)}
    whole = dg.AssetSelection.all() - dg.AssetSelection.assets(list(CONFIRMATION_KEY), list(SUMMARY_KEY))
    jobs = [
        dg.define_asset_job(
            JOB_NAME,
            selection=whole,
            tags=tags,
            description="The whole night: every framework, every architecture.",
        )
    ]
    for framework in frameworks:
        own = [asset.key for asset in assets if asset.key.path[0] == framework]
        jobs.append(
            dg.define_asset_job(
                framework_job_name(framework),
                selection=dg.AssetSelection.assets(list(SOURCE_KEY), *own),
                tags=tags,
                description=f"One framework's part of the night: {framework} on every architecture.",
            )
        )
    return jobs


def summary_job() -> UnresolvedAssetJobDefinition:
    """The job of the summary, and of what explains a night's failures before it."""
    return dg.define_asset_job(
        SUMMARY_JOB_NAME,
        # Whether nights come in time is looked at by a sensor of its own.
        selection=dg.AssetSelection.assets(list(CONFIRMATION_KEY), list(SUMMARY_KEY))
        - dg.AssetSelection.checks(FRESHNESS_CHECK),
        description="Report, page and message of a night; asked for whenever one of its runs ends.",
    )


def night_schedule(job: UnresolvedAssetJobDefinition) -> dg.ScheduleDefinition:
    """Every night at 08:00 UTC, the partition of that date."""

    @dg.schedule(
        name="every_night",
        job=job,
        cron_schedule=SCHEDULE,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="08:00 UTC (12:00 AM PST). After downtime only the newest missed night starts by itself.",
    )
    def every_night(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        night = context.scheduled_execution_time.astimezone(UTC).date().isoformat()
        return dg.RunRequest(run_key=night, partition_key=night, tags={TRIGGER_TAG: "schedule"})

    return every_night


def summary_sensors(summary: UnresolvedAssetJobDefinition) -> list[dg.SensorDefinition]:
    """One sensor an ending. They only ask for a summary: a sensor that raises has already moved its cursor."""
    return [_sensor(name, status, summary) for name, status in _ENDINGS.items()]


def _sensor(
    name: str, status: dg.DagsterRunStatus, summary: UnresolvedAssetJobDefinition
) -> dg.SensorDefinition:
    # No list of jobs: what is materialized by hand in the UI belongs to a job of Dagster's own.
    @dg.run_status_sensor(
        run_status=status,
        name=f"summary_{name}",
        request_job=summary,
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=5,
        description=f"Asks for the night's summary {name.replace('_', ' ')} of a run, once a run.",
    )
    def sensor(context: dg.RunStatusSensorContext) -> dg.RunRequest | dg.SkipReason:
        run = context.dagster_run
        night = run.tags.get(RUN_DATE_TAG)
        if runs_in_the_command(run):
            return dg.SkipReason(f"the command that executed run {run.run_id} summarises it")
        if night is not None and _died_before_the_summary(run):
            return _request(night, run.run_id, of=run.tags[SUMMARY_TAG], confirm=False)
        if night is None or not _has_results(run):
            return dg.SkipReason(f"run {run.run_id} has nothing to summarise")
        # What succeeded has no failures, and who cancels a run wants nothing more to be run.
        return _request(night, run.run_id, of=run.run_id, confirm=status is dg.DagsterRunStatus.FAILURE)

    return sensor


def _request(night: str, run_key: str, *, of: str, confirm: bool) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=run_key,
        partition_key=night,
        tags={SUMMARY_TAG: of},
        asset_selection=summary_selection(confirm=confirm),
        asset_check_keys=summary_checks(confirm=confirm),
    )


def _died_before_the_summary(run: dg.DagsterRun) -> bool:
    """Whether a sensor asked for this summary, and repeating failures ended it: then it is made without that.

    Such a request selects the summary alone, so it is not followed by another.
    """
    ended_well = run.status is dg.DagsterRunStatus.SUCCESS
    confirmed = dg.AssetKey(list(CONFIRMATION_KEY)) in (run.asset_selection or ())
    ours = {SUMMARY_TAG, _SENSOR_TAG} <= run.tags.keys()
    return run.job_name == SUMMARY_JOB_NAME and not ended_well and confirmed and ours


def _has_results(run: dg.DagsterRun) -> bool:
    """Whether a run makes what a summary shows: a summary does not, nor does the commit alone."""
    if run.job_name == SUMMARY_JOB_NAME:
        return False
    selected = run.asset_selection
    nothing = {SOURCE_KEY, CONFIRMATION_KEY, SUMMARY_KEY}
    return selected is None or any(tuple(key.path) not in nothing for key in selected)
