"""Running a night from the command line, through the same jobs as the daemon's, and watching it."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import dagster as dg
from dagster import DagsterExecutionInterruptedError
from dagster._core.definitions.reconstruct import ReconstructableJob
from dagster._core.definitions.repository_definition import SINGLETON_REPOSITORY_NAME
from dagster._core.execution.api import execute_run_iterator
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin

from nightly_pipeline.assets.interruption import interrupts_steps
from nightly_pipeline.assets.naming import (
    LAUNCH_TAG,
    LOCATION,
    LOCATION_TAGS,
    PROCESS_TAG,
    PROFILE_TAG,
    RERUN_TAG,
    REUSE_TAG,
    REVISION_TAG,
    RUN_DATE_TAG,
    SUMMARY_TAG,
    TRIGGER_TAG,
    step_key,
    summary_selection,
)
from nightly_pipeline.errors import RecordError
from nightly_pipeline.model.plan import SOURCE_KEY, Key
from nightly_pipeline.tools.liveness import this_process

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
_POLL_S = 0.5
_STEP_EVENTS = {
    dg.DagsterEventType.STEP_START: "started",
    dg.DagsterEventType.STEP_SUCCESS: "ended",
    dg.DagsterEventType.STEP_FAILURE: "ended",
}


@dataclass(frozen=True)
class Launch:
    """A run to start.

    Attributes:
        date: the night, as its partition's key.
        keys: what to do of it; the source revision comes along by itself.
        profile: recorded with the run.
        revision, rerun_of, reuse: see the tags of the same meaning.
        launch_id: how the run is found before its id is known.
    """

    date: str
    keys: Sequence[Key]
    profile: str
    revision: str | None = None
    rerun_of: str | None = None
    reuse: bool = False
    launch_id: str = field(default_factory=lambda: uuid.uuid4().hex)

    def tags(self) -> dict[str, str]:
        """The run's tags."""
        optional = {
            REVISION_TAG: self.revision,
            RERUN_TAG: self.rerun_of,
            REUSE_TAG: "true" if self.reuse else None,
        }
        return {
            RUN_DATE_TAG: self.date,
            PROFILE_TAG: self.profile,
            LAUNCH_TAG: self.launch_id,
            PROCESS_TAG: this_process(),
            TRIGGER_TAG: "command line",
            **{tag: value for tag, value in optional.items() if value is not None},
        }


def execute_night(instance: dg.DagsterInstance, launch: Launch, job: Callable[[], dg.JobDefinition]) -> None:
    """Execute the run in this process and its children, to its end.

    How it ended is on record: an interruption (Ctrl-C, TERM) ends every step and leaves the run cancelled.
    """
    reconstructable = dg.reconstructable(job)
    run = _create_run(instance, launch, reconstructable)
    try:
        for event in execute_run_iterator(reconstructable, run, instance):
            if interrupts_steps(event):
                # Now, and not from a thread beside it: Dagster looks for this wish as soon as the steps have ended.
                instance.report_run_canceling(run)
    except KeyboardInterrupt:  # before Dagster listened for it
        _close_cancelled(instance, run.run_id)
        raise


def _close_cancelled(instance: dg.DagsterInstance, run_id: str) -> None:
    """Nobody else will say what became of a run that was interrupted before it began."""
    run = instance.get_run_by_id(run_id)
    if run is not None and not run.is_finished:
        instance.report_run_canceled(run, "It was interrupted before its first step.")


def _create_run(instance: dg.DagsterInstance, launch: Launch, job: ReconstructableJob) -> dg.DagsterRun:
    """The run on record, ready to be executed.

    `dg.execute_job` does the same without the code location, and then the UI's timeline and its lists of a job's
    runs leave the run out, as if there had been no night.
    """
    definition = job.get_definition()
    location = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(LOCATION), SINGLETON_REPOSITORY_NAME)
    return instance.create_run_for_job(
        job_def=definition,
        run_config=_QUIET,
        tags={**definition.run_tags, **launch.tags()},
        asset_selection={dg.AssetKey(list(key)) for key in (SOURCE_KEY, *launch.keys)},
        job_code_origin=job.get_python_origin(),
        remote_job_origin=location.get_job_origin(definition.name),
    )


def execute_summary(
    instance: dg.DagsterInstance, job: dg.JobDefinition, *, date: str, run_id: str, confirm: bool = False
) -> bool:
    """Make the night's summary in this process; whether it succeeded.

    With `confirm` its new failures are run again before; should that be interrupted or die, the summary is made
    without.
    """
    try:
        done = _execute_summary(instance, job, date, run_id, confirm=confirm)
    except (KeyboardInterrupt, DagsterExecutionInterruptedError):
        if not confirm:
            raise
        done = False
    return done or (confirm and _execute_summary(instance, job, date, run_id, confirm=False))


def may_have_new_failures(run: dg.DagsterRun) -> bool:
    """Whether there is anything to run again: what succeeded has no failures, and a cancelled run is left alone."""
    return run.status is dg.DagsterRunStatus.FAILURE


def _execute_summary(
    instance: dg.DagsterInstance, job: dg.JobDefinition, date: str, run_id: str, *, confirm: bool
) -> bool:
    result = job.execute_in_process(
        run_config=_QUIET,
        instance=instance,
        tags={RUN_DATE_TAG: date, SUMMARY_TAG: run_id, **LOCATION_TAGS},
        asset_selection=summary_selection(confirm=confirm),
        raise_on_error=False,
    )
    return result.success


def launched_run(instance: dg.DagsterInstance, launch: Launch) -> dg.DagsterRun:
    """The run of a launch.

    Raises:
        RecordError: it never came to be.
    """
    runs = instance.get_runs(dg.RunsFilter(tags={LAUNCH_TAG: launch.launch_id}))
    if not runs:
        raise RecordError("the run was not recorded")
    return runs[0]


StepListener = Callable[[Key, str], None]
"""Takes an asset's key and what its step did: `started` or `ended`."""


class Watcher:
    """Tells a listener what the steps of a launch do, from a thread of its own, while the night is executed.

    Use it as a context manager: leaving it delivers what happened last.
    """

    def __init__(self, instance: dg.DagsterInstance, launch: Launch, listener: StepListener) -> None:
        self._instance = instance
        self._launch = launch
        self._listener = listener
        self._keys: Mapping[str, Key] = {step_key(key): key for key in launch.keys}
        self._ended = threading.Event()
        self._cursor: str | None = None
        self._run_id: str | None = None
        self._thread = threading.Thread(target=self._watch, name="watcher", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(_POLL_S):
            self._look()
        self._look()

    def _look(self) -> None:
        if self._run_id is None:
            runs = self._instance.get_runs(dg.RunsFilter(tags={LAUNCH_TAG: self._launch.launch_id}), limit=1)
            self._run_id = runs[0].run_id if runs else None
        if self._run_id is not None:
            self._deliver(self._run_id)

    def _deliver(self, run_id: str) -> None:
        connection = self._instance.get_records_for_run(
            run_id, cursor=self._cursor, of_type=set(_STEP_EVENTS)
        )
        self._cursor = connection.cursor
        for record in connection.records:
            event = record.event_log_entry.dagster_event
            key = self._keys.get(event.step_key or "") if event else None
            if event is not None and key is not None:
                self._listener(key, _STEP_EVENTS[event.event_type])
