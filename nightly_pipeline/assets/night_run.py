"""Which run of which night a step belongs to, read from Dagster's context."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg

from nightly_pipeline.assets.interruption import interrupts_steps
from nightly_pipeline.assets.naming import (
    PROCESS_TAG,
    RERUN_TAG,
    REUSE_TAG,
    REVISION_TAG,
    RUN_DATE_TAG,
    step_key,
)
from nightly_pipeline.model.dates import parse_night
from nightly_pipeline.model.plan import Key, Plan
from nightly_pipeline.model.report import RunFacts, RunState
from nightly_pipeline.settings import Settings
from nightly_pipeline.steps.source import NightRun

_STATES = {
    dg.DagsterRunStatus.SUCCESS: RunState.SUCCEEDED,
    dg.DagsterRunStatus.FAILURE: RunState.FAILED,
    dg.DagsterRunStatus.CANCELED: RunState.CANCELLED,
}


def night_run(context: dg.AssetExecutionContext, settings: Settings) -> NightRun:
    """The run and night of a step.

    Raises:
        UsageError: the partition is in the future or before go-live.
    """
    tags = context.run.tags
    today = datetime.now(UTC).date()
    return NightRun(
        date=parse_night(context.partition_key, today=today, go_live=settings.go_live),
        run_id=context.run.run_id,
        today=today,
        revision=tags.get(REVISION_TAG),
        rerun_of=tags.get(RERUN_TAG),
    )


def reuses_good_results(context: dg.AssetExecutionContext) -> bool:
    """Whether this run repeats only what was not good, and takes good images over from the run it repeats."""
    return context.run.tags.get(REUSE_TAG) == "true"


def runs_in_the_command(run: dg.DagsterRun) -> bool:
    """Whether the command executes this run itself, and makes its summary.

    A run that repeats such a one from the UI has its tags, copied, but is the daemon's.
    """
    return PROCESS_TAG in run.tags and run.parent_run_id is None


def run_facts(instance: dg.DagsterInstance, plan: Plan, *, date: str) -> list[RunFacts]:
    """What Dagster knows about every run of a night, oldest first. `plan` is the whole table's."""
    filters = dg.RunsFilter(tags={RUN_DATE_TAG: date})
    records = sorted(instance.get_run_records(filters), key=lambda record: record.create_timestamp)
    return [facts for record in records if (facts := facts_of(instance, plan, record, date)).planned]


def facts_of(instance: dg.DagsterInstance, plan: Plan, record: dg.RunRecord, date: str) -> RunFacts:
    """What Dagster knows about one run."""
    run = record.dagster_run
    whole = [entry.key for entry in plan.entries]
    planned = _among(whole, _planned_steps(instance, run))
    statistics = instance.get_run_step_stats(run.run_id)
    started = {stats.step_key for stats in statistics if stats.start_time}
    return RunFacts(
        run_id=run.run_id,
        date=date,
        state=_state(instance, run),
        planned=planned,
        started=_among(whole, started),
        started_at=_instant(record.start_time or record.create_timestamp.timestamp()),
        ended_at=_instant(record.end_time),
        rerun_of=run.tags.get(RERUN_TAG),
        partial=len(planned) < len(whole),
    )


def _state(instance: dg.DagsterInstance, run: dg.DagsterRun) -> RunState:
    """How a run stands.

    Dagster calls a run that was interrupted while a step was just starting a failure; its events know better.
    """
    state = _STATES.get(run.status, RunState.RUNNING)
    interrupted = state is RunState.FAILED and _was_interrupted(instance, run.run_id)
    return RunState.CANCELLED if interrupted else state


def _was_interrupted(instance: dg.DagsterInstance, run_id: str) -> bool:
    records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT).records
    return any(interrupts_steps(record.event_log_entry.dagster_event) for record in records)


def _planned_steps(instance: dg.DagsterInstance, run: dg.DagsterRun) -> set[str]:
    if run.execution_plan_snapshot_id is None:
        return set()
    snapshot = instance.get_execution_plan_snapshot(run.execution_plan_snapshot_id)
    return set(snapshot.step_keys_to_execute)


def _among(keys: Sequence[Key], steps: set[str]) -> tuple[Key, ...]:
    return tuple(key for key in keys if step_key(key) in steps)


def _instant(timestamp: float | None) -> datetime | None:
    return None if timestamp is None else datetime.fromtimestamp(timestamp, UTC)
