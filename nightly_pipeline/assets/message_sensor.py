"""The sensor behind the team's message: it follows running nights, and asks again for what did not get out."""

# No `from __future__ import annotations` here: Dagster looks at the annotation of `context`, not at its text.

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg

from nightly_pipeline.assets.announcing import open_announcer
from nightly_pipeline.assets.automation import UnresolvedAssetJobDefinition
from nightly_pipeline.assets.following import (
    follow_night,
    is_under_way,
    newest_run,
    nights_at_work,
    nights_to_finish,
)
from nightly_pipeline.assets.instance import close_dead_runs
from nightly_pipeline.assets.naming import SUMMARY_TAG, TRIGGER_TAG, summary_checks, summary_selection
from nightly_pipeline.settings import Settings
from nightly_pipeline.steps.announce import Announcer
from nightly_pipeline.tools.slack_transport import BRISK

_EVERY_S = 30
_TIME_FOR_FOLLOWING_S = 20.0
"""Dagster ends an evaluation after 60 s; what is not told of now is told of next time."""
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def message_sensor(settings: Settings, summary: UnresolvedAssetJobDefinition) -> dg.SensorDefinition:
    """`team_message`: keeps the messages of running nights up to date. It keeps no cursor that could be lost."""

    @dg.sensor(
        name="team_message",
        job=summary,
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=_EVERY_S,
        description="Keeps the team's message of a running night up to date. Asks for a night's summary again where "
        "its message did not get its last form: Slack was out of reach, or a process was killed.",
    )
    def team_message(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        if not settings.slack.configured:
            return dg.SkipReason("Slack is not configured: set SLACK_BOT_TOKEN or SLACK_WEBHOOK_URL")
        return look(context.instance, settings)

    return team_message


def look(instance: dg.DagsterInstance, settings: Settings) -> dg.SensorResult | dg.SkipReason:
    """One look: tell the team of what runs, and ask for the summaries that are wanted."""
    close_dead_runs(instance)
    announcer = open_announcer(settings, BRISK)
    told = list(_follow(announcer, instance, settings))
    requests = [_request(announcer, instance, night) for night in nights_to_finish(announcer, instance)]
    if requests:
        return dg.SensorResult(run_requests=requests)
    return dg.SkipReason("; ".join(told) or "no night is running, and every message has its last form")


def _follow(announcer: Announcer, instance: dg.DagsterInstance, settings: Settings) -> Iterator[str]:
    """Those that were told of longest ago come first."""
    under_way = [night for night, runs in nights_at_work(instance).items() if is_under_way(runs)]
    end = time.monotonic() + _TIME_FOR_FOLLOWING_S
    for night in sorted(under_way, key=lambda night: _told_at(announcer, night)):
        if time.monotonic() < end:
            yield follow_night(announcer, instance, settings, date=night)


def _told_at(announcer: Announcer, night: str) -> datetime:
    said = announcer.said(night)
    return said.told_at if said else _LONG_AGO


def _request(announcer: Announcer, instance: dg.DagsterInstance, night: str) -> dg.RunRequest:
    """A summary for each try: the key changes with the time of the last one."""
    return dg.RunRequest(
        run_key=f"message-{night}-{_told_at(announcer, night):%Y%m%dT%H%M%S}",
        partition_key=night,
        tags={SUMMARY_TAG: newest_run(instance, night), TRIGGER_TAG: "team_message"},
        asset_selection=summary_selection(confirm=False),
        asset_check_keys=summary_checks(confirm=False),
    )
