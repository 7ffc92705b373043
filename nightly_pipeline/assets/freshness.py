"""Whether nights still come: read from Dagster's records, shown as an asset check, watched by a sensor."""

# No `from __future__ import annotations` here: Dagster looks at the annotation of `context`, not at its text.

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import dagster as dg
from dagster._core.execution.stats import StepEventStatus

from nightly_pipeline.assets.announcing import open_notifier, open_turns, slack_store
from nightly_pipeline.assets.automation import FRESHNESS_CHECK
from nightly_pipeline.assets.naming import PROCESS_TAG, PROFILE_TAG, RUN_DATE_TAG, SUMMARY_JOB_NAME
from nightly_pipeline.assets.night_run import facts_of, runs_in_the_command
from nightly_pipeline.errors import NightlyError
from nightly_pipeline.model.dates import night_start
from nightly_pipeline.model.freshness import (
    FinishedNight,
    Freshness,
    UnfinishedNight,
    freshness_sentence,
    judge_freshness,
)
from nightly_pipeline.model.plan import Plan
from nightly_pipeline.model.report import RunFacts, RunState
from nightly_pipeline.planning import make_plan
from nightly_pipeline.settings import Settings
from nightly_pipeline.steps.alarm import Alarm
from nightly_pipeline.tools.liveness import is_gone
from nightly_pipeline.tools.slack_transport import BRISK, PATIENT, Patience

_DESCRIPTION = "A whole night has finished within the time the profile allows, whatever its verdict."
_EVERY_S = 300
_RUNS_LOOKED_AT = 500
_PAGE = 50
_LONGEST_NIGHT = timedelta(hours=24)


def freshness_of(
    instance: dg.DagsterInstance,
    settings: Settings,
    *,
    now: datetime | None = None,
    max_age: timedelta | None = None,
) -> Freshness:
    """The rule, applied to what is on record now. Changes nothing: to look must not make a lost night an ended one."""
    finished, unfinished = [], []
    now = now or datetime.now(UTC)
    for night in _whole_nights(instance, make_plan(settings), settings.profile):
        if isinstance(night, FinishedNight):
            finished.append(night)
        else:
            unfinished.append(night)
    return judge_freshness(
        finished,
        unfinished,
        now=now,
        go_live=settings.go_live,
        max_age=max_age or timedelta(hours=settings.freshness.max_age_hours),
    )


def open_alarm(settings: Settings, patience: Patience = PATIENT) -> Alarm:
    """Tells the team when nights are late."""
    return Alarm(
        notifier=open_notifier(settings, patience),
        store=slack_store(settings),
        turns=open_turns(settings),
        address=settings.dagster_url,
    )


def freshness_check(settings: Settings) -> dg.AssetChecksDefinition:
    """The check beside `night_is_green`: that one says how the last night was, this one that there is a last night."""

    @dg.asset_check(asset=FRESHNESS_CHECK.asset_key, name=FRESHNESS_CHECK.name, description=_DESCRIPTION)
    def nights_come_in_time(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        freshness = freshness_of(context.instance, settings)
        return dg.AssetCheckResult(
            passed=not freshness.late,
            severity=dg.AssetCheckSeverity.ERROR,
            description=freshness_sentence(freshness),
            metadata=_metadata(freshness),
        )

    return nights_come_in_time


def freshness_sensor(settings: Settings) -> dg.SensorDefinition:
    """Looks every five minutes; fails the check and tells the team once a lateness, and once when it is over."""

    @dg.sensor(
        name="nights_come_in_time",
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=_EVERY_S,
        description=f"Raises the alarm when no night has finished for {settings.freshness.max_age_hours:g} hours. "
        "That nothing runs, itself included, it cannot notice: `nightly doctor --freshness` is for an outside cron.",
    )
    def nights_come_in_time(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        freshness = freshness_of(context.instance, settings)
        state = f"{freshness.state.value} {freshness.deadline.isoformat()}"
        news = [] if state == context.cursor else [_evaluation(freshness)]
        told = _tell(settings, freshness)
        context.log.info("%s %s", freshness_sentence(freshness), told)
        reason = f"{freshness_sentence(freshness)} {told}"
        return dg.SensorResult(skip_reason=reason, asset_events=news, cursor=state)

    return nights_come_in_time


def _tell(settings: Settings, freshness: Freshness) -> str:
    if not settings.slack.configured:
        return "(Slack is not configured)"
    try:
        return f"({open_alarm(settings, BRISK).consider(freshness)})"
    except NightlyError as error:
        return f"(not told: {error.message})"


def _evaluation(freshness: Freshness) -> dg.AssetCheckEvaluation:
    return dg.AssetCheckEvaluation(
        asset_key=FRESHNESS_CHECK.asset_key,
        check_name=FRESHNESS_CHECK.name,
        passed=not freshness.late,
        severity=dg.AssetCheckSeverity.ERROR,
        description=freshness_sentence(freshness),
        metadata=_metadata(freshness),
    )


def _metadata(freshness: Freshness) -> dict[str, dg.MetadataValue]:
    last = freshness.last
    found: dict[str, dg.MetadataValue] = {"deadline": dg.MetadataValue.timestamp(freshness.deadline)}
    if last is not None:
        found |= {
            "last_night": dg.MetadataValue.text(last.date),
            "last_run": dg.MetadataValue.dagster_run(last.run_id),
            "ended_at": dg.MetadataValue.timestamp(last.ended_at),
        }
    return found


def _whole_nights(
    instance: dg.DagsterInstance, plan: Plan, profile: str
) -> Iterator[FinishedNight | UnfinishedNight]:
    """Whole nights of this profile, newest first, as far back as the newest that counts can be."""
    newest_end: datetime | None = None
    for record in _records(instance):
        if newest_end is not None and record.create_timestamp < newest_end - _LONGEST_NIGHT:
            return
        night = _whole_night(instance, plan, profile, record)
        if night is None:
            continue
        yield night
        if isinstance(night, FinishedNight) and _is_of_its_day(night):
            newest_end = max(newest_end or night.ended_at, night.ended_at)


def _is_of_its_day(night: FinishedNight) -> bool:
    """Not a night of the past that was run later: with such a one the search goes on."""
    return night.ended_at - night_start(date.fromisoformat(night.date)) <= timedelta(days=1)


def _records(instance: dg.DagsterInstance) -> Iterator[dg.RunRecord]:
    cursor: str | None = None
    for _ in range(_RUNS_LOOKED_AT // _PAGE):
        page = instance.get_run_records(limit=_PAGE, cursor=cursor)
        yield from page
        if len(page) < _PAGE:
            return
        cursor = page[-1].dagster_run.run_id


def _whole_night(
    instance: dg.DagsterInstance, plan: Plan, profile: str, record: dg.RunRecord
) -> FinishedNight | UnfinishedNight | None:
    run = record.dagster_run
    night = run.tags.get(RUN_DATE_TAG)
    # The daemon's runs carry no profile: theirs is the one of its code location, which is this one.
    if night is None or run.job_name == SUMMARY_JOB_NAME or run.tags.get(PROFILE_TAG, profile) != profile:
        return None
    facts = facts_of(instance, plan, record, night)
    if facts.partial or not facts.planned:
        return None
    state = "lost" if _was_lost(instance, run, facts) else facts.state.value
    if facts.ended_at is not None and state in {RunState.SUCCEEDED.value, RunState.FAILED.value}:
        return FinishedNight(date=night, run_id=run.run_id, ended_at=facts.ended_at)
    return UnfinishedNight(
        date=night, run_id=run.run_id, state=state, since=facts.started_at or record.create_timestamp
    )


def _was_lost(instance: dg.DagsterInstance, run: dg.DagsterRun, facts: RunFacts) -> bool:
    """Whether the run did not end by itself: its process is gone, a step of it never ended, or none of it failed.

    What Dagster has for the end of such a run is the instant somebody noticed, which may be days later.
    """
    if facts.state is RunState.RUNNING:
        return runs_in_the_command(run) and is_gone(run.tags[PROCESS_TAG])
    if facts.state is not RunState.FAILED:
        return False
    statuses = {stats.status for stats in instance.get_run_step_stats(facts.run_id)}
    return StepEventStatus.FAILURE not in statuses or StepEventStatus.IN_PROGRESS in statuses
