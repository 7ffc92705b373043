"""Nights from the command line: start one, repeat one.

Between the command and Dagster: opens the instance, shows the night while it runs, makes the summary where no
daemon does, and says how it ended.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime

import dagster as dg
from dagster import DagsterExecutionInterruptedError
from rich.console import Console

from nightly_pipeline.assets.announcing import open_announcer
from nightly_pipeline.assets.following import follower, newest_run, nights_to_finish
from nightly_pipeline.assets.instance import close_dead_runs, find_run, open_instance
from nightly_pipeline.assets.launch import (
    Launch,
    Watcher,
    execute_night,
    execute_summary,
    launched_run,
    may_have_new_failures,
)
from nightly_pipeline.assets.naming import RUN_DATE_TAG
from nightly_pipeline.assets.summary import night_report
from nightly_pipeline.assets.upkeep import prepare_night
from nightly_pipeline.errors import UsageError
from nightly_pipeline.exit_codes import INTERRUPTED
from nightly_pipeline.model.dates import source_instant
from nightly_pipeline.model.outcomes import NightStatus
from nightly_pipeline.model.plan import Key, Plan
from nightly_pipeline.model.repeat import keys_to_repeat
from nightly_pipeline.model.report import Outcome, RunState
from nightly_pipeline.model.verdict import is_good
from nightly_pipeline.nights_on_record import judged_report
from nightly_pipeline.planning import make_plan
from nightly_pipeline.readiness import essentials
from nightly_pipeline.settings import Settings
from nightly_pipeline.stores import open_records, open_source
from nightly_pipeline.terminal import LiveNight, report_tables
from nightly_pipeline.terminal.streams import output_to

_LEFT_UNSAID = 3


@dataclass(frozen=True)
class NightRequest:
    """What was asked for: a night and the part of it to do."""

    date: str
    plan: Plan
    revision: str | None = None
    rerun_of: str | None = None
    reuse: bool = False
    plain: bool = False


def run_night(settings: Settings, request: NightRequest) -> int:
    """Run it, show it, summarise it; return the exit code: 0 green, 1 not green, 130 interrupted.

    Raises:
        EnvironmentNotReady: Docker or the primary registry is not there; nothing was started.
        SourceError: there is no such commit, or none at the night's time; nothing was started.
    """
    essentials(settings, request.plan)
    _check_source(settings, request)
    instance = open_instance(settings)
    close_dead_runs(instance)
    prepare_night(instance, settings)
    launch = Launch(
        date=request.date,
        keys=[entry.key for entry in request.plan.entries],
        profile=settings.profile,
        revision=request.revision,
        rerun_of=request.rerun_of,
        reuse=request.reuse,
    )
    _execute(settings, instance, request, launch)
    run = launched_run(instance, launch)
    _summarise(settings, instance, launch, run)
    report = judged_report(instance, settings, date=request.date, run_id=run.run_id)
    Console(highlight=False).print(report_tables(report))
    if report.runs[-1].state is RunState.CANCELLED:
        return INTERRUPTED
    return 0 if report.status is NightStatus.GREEN else 1


def repeat_run(settings: Settings, run_id: str, *, failed_only: bool, plain: bool) -> int:
    """Repeat a run on the same commit, whole or only what was not good and what waits for it.

    Raises:
        RecordError: there is no such run.
        UsageError: everything was good.
    """
    instance = open_instance(settings)
    run = find_run(instance, run_id)
    night = run.tags.get(RUN_DATE_TAG, "")
    report = night_report(instance, settings, open_records(settings), date=night, run_id=run.run_id)
    plan = make_plan(settings)
    keys = keys_to_repeat(plan, report, failed_only=failed_only)
    if not keys:
        raise UsageError(
            f"everything in run {run.run_id} was good", next_step="Repeat all of it without --failed."
        )
    request = NightRequest(date=night, plan=plan.part(keys), rerun_of=run.run_id, plain=plain)
    return run_night(settings, request)


def _check_source(settings: Settings, request: NightRequest) -> None:
    """Resolve the commit before anything starts: a wrong one is an error here, and not a run full of blanks."""
    if request.rerun_of is None:
        night, today = date.fromisoformat(request.date), datetime.now(UTC).date()
        ref = request.revision or settings.source.ref
        instant = None if request.revision else source_instant(night, today=today)
        open_source(settings).resolve(ref, at=instant)


def _execute(settings: Settings, instance: dg.DagsterInstance, request: NightRequest, launch: Launch) -> None:
    """Execute the night under the live view, to its end or until it was interrupted."""
    from nightly_pipeline.definitions import nightly_job

    log = settings.home / "runs" / f"{launch.launch_id}.log"
    with output_to(log) as terminal:
        view = LiveNight(
            request.plan, console=Console(file=terminal, highlight=False), plain=request.plain or None
        )
        listener = _Listener(settings, instance, request, launch, view)
        ended = suppress(KeyboardInterrupt, DagsterExecutionInterruptedError)  # that it did is on record
        watcher, teller = Watcher(instance, launch, listener), follower(instance, settings, request.date)
        with view, watcher, teller, ended:
            execute_night(instance, launch, nightly_job)


class _Listener:
    """Shows what the steps of a launch do."""

    def __init__(
        self,
        settings: Settings,
        instance: dg.DagsterInstance,
        request: NightRequest,
        launch: Launch,
        view: LiveNight,
    ) -> None:
        self._records = open_records(settings)
        self._instance = instance
        self._date = request.date
        self._launch = launch
        self._view = view
        self._run_id: str | None = None

    def __call__(self, key: Key, what: str) -> None:
        """Show one event."""
        if what == "started":
            self._view.update(key, "running")
            return
        outcome = self._outcome(key)
        if outcome is None:
            self._view.update(key, "bad", "no result")
        else:
            self._view.update(
                key, "good" if is_good(outcome.status) else "bad", outcome.status.value, _detail(outcome)
            )

    def _outcome(self, key: Key) -> Outcome | None:
        if self._run_id is None:
            self._run_id = launched_run(self._instance, self._launch).run_id
        return self._records.outcome(self._date, self._run_id, key)


def _detail(outcome: Outcome) -> str:
    counts = getattr(outcome, "counts", None)
    if counts is None:
        return (outcome.message or "").split("\n")[0]
    tests = counts.collected if getattr(outcome, "mode", "run") == "collect" else counts.passed
    failed = counts.failed + counts.errors
    return f"{tests} tests" + (f", {failed} failed" if failed else "")


def _summarise(settings: Settings, instance: dg.DagsterInstance, launch: Launch, run: dg.DagsterRun) -> None:
    from nightly_pipeline.definitions import nightly_summary_job

    confirm = settings.confirmation.enabled and may_have_new_failures(run)
    if confirm:
        Console(stderr=True, highlight=False).print("running what failed for the first time again ...")
    with output_to(settings.home / "runs" / f"{launch.launch_id}.log"):
        execute_summary(instance, nightly_summary_job(), date=launch.date, run_id=run.run_id, confirm=confirm)
        if settings.slack.configured:  # what an outage or a killed process left unsaid of other nights
            for night in nights_to_finish(open_announcer(settings), instance)[:_LEFT_UNSAID]:
                newest = newest_run(instance, night)
                execute_summary(instance, nightly_summary_job(), date=night, run_id=newest)
