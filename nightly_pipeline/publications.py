"""Publishing again from the command line, and setting Dagster's records right about it."""

from __future__ import annotations

import dagster as dg

from nightly_pipeline.assets.instance import close_dead_runs, open_instance
from nightly_pipeline.assets.launch import execute_summary
from nightly_pipeline.assets.metadata import console_links, publication_metadata
from nightly_pipeline.assets.summary import night_report
from nightly_pipeline.assets.workplace import Workplace
from nightly_pipeline.errors import UsageError
from nightly_pipeline.model.report import key_of
from nightly_pipeline.model.selection import Selection
from nightly_pipeline.planning import make_plan
from nightly_pipeline.settings import Settings
from nightly_pipeline.steps.ports import LineSink
from nightly_pipeline.steps.republish import Republication, publish_again
from nightly_pipeline.terminal.streams import output_to

_DATA_VERSION_TAG = "dagster/data_version"
"""What `MaterializeResult(data_version=...)` becomes; an event without a run has to say it itself."""


def publish_night(
    settings: Settings, selection: Selection, log: LineSink, *, date: str
) -> list[Republication]:
    """Publish what a night has built and not published everywhere; then summarise the night again.

    Raises:
        RecordError: no run of that night is on record.
        UsageError: a run of that night is not over yet.
    """
    instance, workplace = open_instance(settings), Workplace(profile=settings.profile)
    close_dead_runs(instance)
    report = night_report(instance, settings, workplace.records(), date=date)
    if report.running:
        raise UsageError(f"a run of the night of {date} is not over yet", next_step="Wait for its end.")
    done = publish_again(make_plan(settings, selection), report.publications, workplace.publish_tools(), log)
    changed = [one for one in done if one.why is None]
    for one in changed:
        if one.is_good:
            _materialized(instance, settings, one)
    if changed:
        _summarise(settings, instance, date=date, run_id=report.run_id)
    return done


def _materialized(instance: dg.DagsterInstance, settings: Settings, done: Republication) -> None:
    """The step that failed cannot be mended, but its asset is there now: say so on its page, under its digest."""
    outcome = done.after
    links = console_links(settings, outcome.digest, [copy.registry for copy in outcome.copies])
    instance.report_runless_asset_event(
        dg.AssetMaterialization(
            asset_key=dg.AssetKey(list(key_of(outcome))),
            partition=outcome.date,
            description="Published again by `nightly publish`.",
            metadata=publication_metadata(outcome) | links,
            tags={_DATA_VERSION_TAG: outcome.digest or ""},
        )
    )


def _summarise(settings: Settings, instance: dg.DagsterInstance, *, date: str, run_id: str) -> None:
    from nightly_pipeline.definitions import nightly_summary_job

    with output_to(settings.home / "runs" / f"publish-{date}.log"):
        execute_summary(instance, nightly_summary_job(), date=date, run_id=run_id)
