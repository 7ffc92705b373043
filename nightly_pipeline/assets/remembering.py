"""Puts a night into the history: what Dagster knows of its runs, together with their records."""

from __future__ import annotations

import dagster as dg

from nightly_pipeline.assets.night_run import run_facts
from nightly_pipeline.planning import make_plan
from nightly_pipeline.settings import Settings
from nightly_pipeline.steps.records import NightRecords
from nightly_pipeline.steps.remember import Remembered, remember
from nightly_pipeline.stores import open_history


def remember_night(
    instance: dg.DagsterInstance, settings: Settings, records: NightRecords, *, date: str
) -> Remembered:
    """Write down every run of a night that has ended; what cannot be written is told, and is no error."""
    plan = make_plan(settings)
    return remember(date, run_facts(instance, plan, date=date), plan, records, open_history(settings))
