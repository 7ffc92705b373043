"""Every day: artifacts past their days go, and the history's months that are over are packed. No history is deleted."""

# No `from __future__ import annotations` here: Dagster looks at the annotation of `context`, not at its text.

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time

import dagster as dg

from nightly_pipeline.assets.naming import RUN_DATE_TAG
from nightly_pipeline.assets.upkeep import ACTIVE
from nightly_pipeline.assets.workplace import Workplace
from nightly_pipeline.errors import NightlyError
from nightly_pipeline.settings import Settings
from nightly_pipeline.steps.upkeep import prune_store
from nightly_pipeline.stores import open_artifacts, open_history
from nightly_pipeline.tools.artifacts import night_of

JOB_NAME = "artifact_retention"
SCHEDULE = "30 5 * * *"
"""Before the night begins, so that it finds the space."""


def prune_nights(
    settings: Settings, open_runs: Callable[[], dg.DagsterInstance], *, days: int, delete: bool
) -> Iterator[str]:
    """Delete (or name) what is older than `days`; `open_runs` opens Dagster's records, if there is anything old."""
    today = datetime.now(UTC).date()
    yield from prune_store(
        open_artifacts(settings),
        days=days,
        today=today,
        delete=delete,
        run_since=lambda day: nights_run_since(open_runs(), day),
    )


def nights_run_since(instance: dg.DagsterInstance, day: date) -> frozenset[date]:
    """The nights with a run that began, went on or ended since a day, or that has not ended."""
    since = datetime.combine(day, time.min, UTC)
    filters = (dg.RunsFilter(updated_after=since), dg.RunsFilter(statuses=ACTIVE))
    runs = (run for chosen in filters for run in instance.get_runs(chosen))
    nights = (night_of(run.tags.get(RUN_DATE_TAG, "")) for run in runs)
    return frozenset(night for night in nights if night is not None)


@dg.op(
    name="prune_artifacts",
    description="Deletes nights whose artifacts are older than the profile keeps them.",
)
def prune_op(context: dg.OpExecutionContext, workplace: Workplace) -> None:
    """Prune; a storage that could not be asked fails the run, which says so in the UI."""
    settings = workplace.settings()
    try:
        for line in prune_nights(settings, lambda: context.instance, days=settings.kept_days, delete=True):
            context.log.info(line)
    except NightlyError as error:
        raise dg.Failure(str(error), allow_retries=False) from error


@dg.op(name="pack_history", description="Packs the months that are over into one file each; nothing is lost.")
def pack_op(context: dg.OpExecutionContext, workplace: Workplace) -> None:
    """Pack, and name the files of the history that cannot be read."""
    history = open_history(workplace.settings())
    try:
        packed = history.pack(before=datetime.now(UTC).date().isoformat())
        problems = history.problems(thorough=True)
    except NightlyError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    context.log.info("packed: %s", ", ".join(packed) or "nothing to do")
    if problems:
        listed = "\n".join(map(str, problems))
        raise dg.Failure(
            f"{len(problems)} files of the history cannot be read:\n{listed}", allow_retries=False
        )


@dg.job(
    name=JOB_NAME,
    executor_def=dg.in_process_executor,
    description="Deletes artifacts past their days; packs the history, of which nothing is ever deleted.",
)
def artifact_retention() -> None:
    """Two steps that do not wait for each other."""
    prune_op()
    pack_op()


def artifact_schedule(settings: Settings) -> dg.ScheduleDefinition:
    """Every day at 05:30 UTC."""
    return dg.ScheduleDefinition(
        name="prune_old_artifacts",
        job=artifact_retention,
        cron_schedule=SCHEDULE,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"05:30 UTC. Artifacts are kept {settings.kept_days} days; the history for good.",
    )
