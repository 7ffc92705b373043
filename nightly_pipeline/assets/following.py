"""Telling the team how far a running night has come, whoever runs it: from the daemon's sensor, or from the command."""

from __future__ import annotations

import dagster as dg

from nightly_pipeline.assets.announcing import usual_of
from nightly_pipeline.assets.night_run import run_facts
from nightly_pipeline.assets.summary import links_of
from nightly_pipeline.assets.workplace import open_records
from nightly_pipeline.errors import NightlyError, RecordError
from nightly_pipeline.model.report import Report
from nightly_pipeline.planning import make_plan
from nightly_pipeline.settings import Settings
from nightly_pipeline.steps.announce import Announcer
from nightly_pipeline.steps.records import NightRecords
from nightly_pipeline.steps.report import gather_report


def follow_night(announcer: Announcer, instance: dg.DagsterInstance, settings: Settings, *, date: str) -> str:
    """Say in a running night's message how far it has come; return what was done, in words. Never raises ours."""
    records = open_records(settings)
    try:
        report = _report_so_far(instance, settings, records, date)
        usual_s = usual_of(settings, report)
        sent = announcer.follow(report, links_of(settings, records), usual_s=usual_s)
    except RecordError:
        return f"{date}: nothing to tell yet"
    except NightlyError as error:
        return f"{date}: {error.message}"
    return f"{date}: {'told' if sent else 'nothing new'}"


def _report_so_far(
    instance: dg.DagsterInstance, settings: Settings, records: NightRecords, date: str
) -> Report:
    """What is known of a night without its past, which is looked at when it is over."""
    plan = make_plan(settings)
    return gather_report(date, plan, run_facts(instance, plan, date=date), records)
