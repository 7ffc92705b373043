"""Dagster's entry point: the rooms below, wired into Definitions, and nothing else."""

from __future__ import annotations

from datetime import timedelta

import dagster as dg

from nightly_pipeline.assets.automation import night_jobs, night_schedule, summary_job, summary_sensors
from nightly_pipeline.assets.confirming import confirming_asset
from nightly_pipeline.assets.freshness import freshness_check, freshness_sensor
from nightly_pipeline.assets.images import image_asset, index_asset, publication_asset
from nightly_pipeline.assets.message_sensor import message_sensor
from nightly_pipeline.assets.naming import JOB_NAME, SUMMARY_JOB_NAME, nights
from nightly_pipeline.assets.pruning import artifact_retention, artifact_schedule
from nightly_pipeline.assets.retention import image_retention, retention_schedule
from nightly_pipeline.assets.source import source_revision_asset
from nightly_pipeline.assets.stages import stage_asset
from nightly_pipeline.assets.summary import summary_asset
from nightly_pipeline.assets.workplace import Workplace
from nightly_pipeline.planning import make_plan
from nightly_pipeline.settings import Settings, load_settings


def build_definitions(settings: Settings) -> dg.Definitions:
    """The code location of one profile."""
    plan, partitions = make_plan(settings), nights(settings.go_live)
    assets = [
        source_revision_asset(partitions),
        *(image_asset(planned, partitions) for planned in plan.images),
        *(publication_asset(planned, partitions) for planned in plan.publications),
        *(index_asset(planned, partitions) for planned in plan.indexes),
        *(stage_asset(planned, partitions) for planned in plan.stages),
        confirming_asset(plan, partitions),
        summary_asset(plan, partitions, max_age=timedelta(hours=settings.freshness.max_age_hours)),
    ]
    jobs = night_jobs(list(settings.table.frameworks), assets)
    summary = summary_job()
    return dg.Definitions(
        assets=assets,
        asset_checks=[freshness_check(settings)],
        jobs=[*jobs, summary, image_retention, artifact_retention],
        schedules=[night_schedule(jobs[0]), retention_schedule(settings), artifact_schedule(settings)],
        sensors=[*summary_sensors(summary), message_sensor(settings, summary), freshness_sensor(settings)],
        resources={"workplace": Workplace(profile=settings.profile)},
        executor=_executor(settings),
    )


def _executor(settings: Settings) -> dg.ExecutorDefinition:
    # A step process that forks off a server with everything imported starts in a seventh of the time of a fresh one.
    preload = {"forkserver": {"preload_modules": ["nightly_pipeline.step_server"]}}
    return dg.multiprocess_executor.configured(
        {"max_concurrent": settings.max_concurrent_steps, "start_method": preload}
    )


defs = build_definitions(load_settings())


def nightly_job() -> dg.JobDefinition:
    """The job `nightly`, resolved: what the command line runs."""
    return defs.resolve_job_def(JOB_NAME)


def nightly_summary_job() -> dg.JobDefinition:
    """The summary's job, resolved."""
    return defs.resolve_job_def(SUMMARY_JOB_NAME)
