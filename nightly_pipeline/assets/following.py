"""Telling the team how far a running night has come, whoever runs it: the daemon's sensor, or the command itself.

And coming back to what was left without its last form: by an outage of Slack, or by a process that was killed.
"""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, nullcontext
from typing import Self

import dagster as dg

from nightly_pipeline.assets.announcing import open_announcer, usual_of
from nightly_pipeline.assets.links import links_of
from nightly_pipeline.assets.naming import RUN_DATE_TAG, SUMMARY_JOB_NAME
from nightly_pipeline.assets.night_run import run_facts
from nightly_pipeline.assets.upkeep import ACTIVE
from nightly_pipeline.errors import NightlyError, RecordError
from nightly_pipeline.model.report import Report
from nightly_pipeline.planning import make_plan
from nightly_pipeline.settings import Settings
from nightly_pipeline.steps.announce import Announcer
from nightly_pipeline.steps.records import NightRecords
from nightly_pipeline.steps.report import gather_report
from nightly_pipeline.stores import open_records
from nightly_pipeline.tools.slack_transport import BRISK

_FIRST_LOOK_S = 2.0
_LAST_LOOK_S = 5.0


def follow_night(announcer: Announcer, instance: dg.DagsterInstance, settings: Settings, *, date: str) -> str:
    """Say in a running night's message how far it has come; return in words what was done. Raises nothing of ours."""
    records = open_records(settings)
    try:
        report = _report_so_far(instance, settings, records, date)
        usual_s = usual_of(settings, report)
        sent = report.running and announcer.follow(
            report, links_of(settings, records, report), usual_s=usual_s
        )
    except RecordError:
        return f"{date}: nothing to tell yet"
    except NightlyError as error:
        return f"{date}: {error.message}"
    return f"{date}: {'told' if sent else 'nothing new'}"


def follower(
    instance: dg.DagsterInstance, settings: Settings, date: str
) -> AbstractContextManager[Follower | None]:
    """Follows the night that this process executes, as long as it does; nothing where Slack is not configured."""
    return Follower(instance, settings, date) if settings.slack.configured else nullcontext()


class Follower:
    """Tells the team of a night from a thread of its own: Slack may be slow, the night must not be."""

    def __init__(
        self,
        instance: dg.DagsterInstance,
        settings: Settings,
        date: str,
        *,
        first_look_s: float = _FIRST_LOOK_S,
    ) -> None:
        self._first_look_s = first_look_s
        self._instance = instance
        self._settings = settings
        self._date = date
        self._announcer = open_announcer(settings, BRISK)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="follower", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(_LAST_LOOK_S)  # a call under way may go on; the last form waits for its turn

    def _follow(self) -> None:
        pause = self._first_look_s
        while not self._ended.wait(pause):
            follow_night(self._announcer, self._instance, self._settings, date=self._date)
            pause = self._settings.slack.update_every_s


def nights_at_work(instance: dg.DagsterInstance) -> dict[str, list[dg.DagsterRun]]:
    """The nights that have runs which have not ended, summaries among them."""
    found: dict[str, list[dg.DagsterRun]] = {}
    for run in instance.get_runs(dg.RunsFilter(statuses=ACTIVE)):
        if RUN_DATE_TAG in run.tags:
            found.setdefault(run.tags[RUN_DATE_TAG], []).append(run)
    return found


def is_under_way(runs: list[dg.DagsterRun]) -> bool:
    """Whether one of a night's runs has begun and makes results: there is something to follow."""
    begun = {dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING}
    return any(run.status in begun and run.job_name != SUMMARY_JOB_NAME for run in runs)


def nights_to_finish(announcer: Announcer, instance: dg.DagsterInstance) -> list[str]:
    """The nights nothing works on any more whose message still waits for its last form, newest first."""
    at_work = nights_at_work(instance)
    return [said.date for said in announcer.unfinished() if said.date not in at_work]


def newest_run(instance: dg.DagsterInstance, night: str) -> str:
    """Id of the newest run of a night that made results; empty when there is none."""
    runs = instance.get_runs(dg.RunsFilter(tags={RUN_DATE_TAG: night}))
    return next((run.run_id for run in runs if run.job_name != SUMMARY_JOB_NAME), "")


def _report_so_far(
    instance: dg.DagsterInstance, settings: Settings, records: NightRecords, date: str
) -> Report:
    """What is known of a night, without its past: that is looked at when it is over."""
    plan = make_plan(settings)
    return gather_report(date, plan, run_facts(instance, plan, date=date), records)
