"""Nights on record, from the command line: list them, read one, tidy up after them.

Between the command and Dagster's records; nothing is started here.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg
from rich.console import Console

from nightly_pipeline.assets.instance import close_dead_runs, find_run, open_instance
from nightly_pipeline.assets.judging import judged
from nightly_pipeline.assets.links import links_of, shared_links
from nightly_pipeline.assets.naming import RUN_DATE_TAG
from nightly_pipeline.assets.night_run import run_facts
from nightly_pipeline.assets.pages import page_of
from nightly_pipeline.assets.pruning import prune_nights
from nightly_pipeline.assets.remembering import remember_night
from nightly_pipeline.assets.summary import night_report
from nightly_pipeline.model.markdown import report_markdown
from nightly_pipeline.model.report import Report
from nightly_pipeline.model.report_json import report_json
from nightly_pipeline.planning import make_plan
from nightly_pipeline.settings import Settings
from nightly_pipeline.steps.remember import Remembered
from nightly_pipeline.stores import open_history, open_records
from nightly_pipeline.terminal import StatusRow


def recent_runs(settings: Settings, *, night: str | None, limit: int) -> list[StatusRow]:
    """The runs on record, newest first, each with its verdict."""
    instance, records, plan = open_instance(settings), open_records(settings), make_plan(settings)
    close_dead_runs(instance)
    nights = [night] if night else _recent_nights(instance, limit)
    rows = []
    for date_ in nights:
        for facts in reversed(run_facts(instance, plan, date=date_)):
            report = night_report(instance, settings, records, date=date_, run_id=facts.run_id)
            rows.append(StatusRow.of(report))
    return rows[:limit]


def read_report(settings: Settings, *, night: str | None, run_id: str | None) -> Report:
    """The report of a night, or of one run.

    Raises:
        RecordError: nothing is on record.
    """
    instance = open_instance(settings)
    close_dead_runs(instance)
    run = find_run(instance, run_id) if run_id else None
    where = run.tags.get(RUN_DATE_TAG, "") if run else night or ""
    return judged_report(instance, settings, date=where, run_id=run.run_id if run else None)


def judged_report(
    instance: dg.DagsterInstance, settings: Settings, *, date: str, run_id: str | None
) -> Report:
    """With what the past says of it; what of that cannot be had is told beside it."""
    records = open_records(settings)
    report = night_report(instance, settings, records, date=date, run_id=run_id)
    result = judged(report, settings, records)
    if result.problems:
        Console(stderr=True, highlight=False).print(f"note: {result}", markup=False)
    return result.report


def render(report: Report, output: str, settings: Settings) -> str:
    """A report as json, markdown or html."""
    if output == "json":
        return report_json(report)
    if output == "markdown":
        return report_markdown(report, shared_links(settings, open_records(settings), report))
    return page_of(report, settings, links_of(settings, open_records(settings), report))


def prune_artifacts(settings: Settings, *, days: int | None, delete: bool) -> Iterator[str]:
    """Delete (or, without `delete`, name) the nights whose artifacts are older than they are kept; pack the history."""
    kept = days or settings.kept_days
    yield from prune_nights(settings, lambda: open_instance(settings), days=kept, delete=delete)
    if delete:
        packed = open_history(settings).pack(before=datetime.now(UTC).date().isoformat())
        yield from (f"history: {month} packed" for month in packed)


def remember_nights(settings: Settings) -> Iterator[tuple[str, Remembered]]:
    """Put every night into the history again whose artifacts are still kept, oldest first."""
    instance, records = open_instance(settings), open_records(settings)
    close_dead_runs(instance)
    for night in records.store.dates():
        yield night.isoformat(), remember_night(instance, settings, records, date=night.isoformat())


def _recent_nights(instance: dg.DagsterInstance, limit: int) -> list[str]:
    runs = instance.get_runs(limit=limit * 5)
    return list(dict.fromkeys(tag for run in runs if (tag := run.tags.get(RUN_DATE_TAG))))
