"""Dagster's instance of a profile: where runs and events are recorded."""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg

from nightly_pipeline.assets.naming import PROCESS_TAG
from nightly_pipeline.assets.night_run import runs_in_the_command
from nightly_pipeline.errors import RecordError
from nightly_pipeline.settings import Settings, bind_process_to
from nightly_pipeline.tools.files import explained, move_into_place, new_file
from nightly_pipeline.tools.liveness import is_gone

_DEFAULT_STATE = ".nightly/"


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """The instance of dagster.yaml in the project's root.

    Folders in that file are relative to the root, so the process goes there. Where NIGHTLY_HOME moves the state,
    the instance's folders move along.
    """
    bind_process_to(settings)
    os.chdir(settings.root)
    home = settings.home / "dagster_home" if settings.home != settings.root / ".nightly" else settings.root
    if home != settings.root:
        home.mkdir(parents=True, exist_ok=True)
        text = (settings.root / "dagster.yaml").read_text().replace(_DEFAULT_STATE, f"{settings.home}/")
        _write_if_other(home / "dagster.yaml", text)
    settings.home.mkdir(parents=True, exist_ok=True)
    return dg.DagsterInstance.from_config(str(home))


def _write_if_other(path: Path, text: str) -> None:
    """Leave a file that is right already alone; whoever reads it meanwhile finds the old or the new one, whole.

    Half of it would be a configuration as well: of an instance that keeps its records elsewhere.
    """
    if path.is_file() and path.read_text() == text:
        return
    with explained(path), new_file(path.parent) as (file, temporary):
        file.write(text.encode())
        move_into_place(file, temporary, path)


def close_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Mark runs failed that say they run, but whose process is gone (killed, or the machine restarted)."""
    running = dg.RunsFilter(
        statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.CANCELING]
    )
    # The daemon watches its own.
    ours = [run for run in instance.get_runs(running) if runs_in_the_command(run)]
    dead = [run for run in ours if is_gone(run.tags[PROCESS_TAG])]
    for run in dead:
        instance.report_run_failed(
            run, "The process that executed this run is gone; nobody saw how it ended."
        )
    return [run.run_id for run in dead]


def find_run(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRun:
    """A run by its id or the beginning of it (tags and messages carry the first eight characters).

    Raises:
        RecordError: there is none, or more than one.
    """
    found = [run for run in instance.get_runs() if run.run_id.startswith(run_id)]
    if len(found) != 1:
        what = "no run" if not found else f"{len(found)} runs"
        raise RecordError(f"{what} on record with an id that begins with {run_id!r}")
    return found[0]
