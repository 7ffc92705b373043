"""The scheduled look at what the registries keep. It deletes only where the profile says so."""

# No `from __future__ import annotations` here: Dagster looks at the annotation of `context`, not at its text.

import dagster as dg

from nightly_pipeline.assets.known_good import retention_rule, retention_tools
from nightly_pipeline.assets.output import print_line
from nightly_pipeline.assets.workplace import Workplace
from nightly_pipeline.settings import Settings
from nightly_pipeline.steps.retention import RepositoryOutcome, apply_retention

JOB_NAME = "image_retention"
SCHEDULES = {"day": "0 5 * * *", "week": "0 5 * * 0"}
"""Before the night begins, so that it finds the space."""


@dg.op(
    name="prune_images", description="Looks at every repository; deletes where `retention.delete` says so."
)
def prune_images(context: dg.OpExecutionContext, workplace: Workplace) -> None:
    """Decide for every repository; fail, at the end, when one could not be asked or did not delete."""
    settings = workplace.settings()
    tools = retention_tools(settings, workplace.records().store)
    delete = settings.retention.delete
    outcomes = apply_retention(tools, retention_rule(settings), delete=delete, log=print_line)
    for outcome in outcomes:
        context.log.info(_line(outcome, delete=delete))
    bad = [outcome for outcome in outcomes if not outcome.is_good]
    if bad:
        raise dg.Failure("\n".join(_line(outcome, delete=delete) for outcome in bad), allow_retries=False)


@dg.job(
    name=JOB_NAME,
    executor_def=dg.in_process_executor,
    description="What the registries keep and for how long; a dry run unless the profile says `retention.delete`.",
)
def image_retention() -> None:
    """One step: the repositories are few."""
    prune_images()


def retention_schedule(settings: Settings) -> dg.ScheduleDefinition:
    """Every day or every week at 05:00 UTC."""
    return dg.ScheduleDefinition(
        name="prune_old_images",
        job=image_retention,
        cron_schedule=SCHEDULES[settings.retention.every],
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="05:00 UTC. "
        + ("Deletes." if settings.retention.delete else "Says what would go; deletes nothing."),
    )


def _line(outcome: RepositoryOutcome, *, delete: bool) -> str:
    if outcome.problem is not None:
        return f"{outcome.where}: {outcome.problem}; everything stays"
    done = f"{len(outcome.deleted)} deleted" if delete else f"{len(outcome.plan.deleted)} would go"
    kept = f"{outcome.where}: {len(outcome.plan.kept)} manifests stay, {done}"
    failed = "".join(f"\n  {digest}: {why}" for digest, why in outcome.failed.items())
    return f"{kept}, {len(outcome.failed)} could not go:{failed}" if failed else kept
