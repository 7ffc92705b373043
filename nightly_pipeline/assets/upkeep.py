"""What has to be in order before a night starts: pool limits, leftovers of processes that were killed."""

from __future__ import annotations

from collections.abc import Mapping

import dagster as dg

from nightly_pipeline.model.catalog import Runner
from nightly_pipeline.settings import Settings
from nightly_pipeline.steps.bisect_looks import AT_WORK
from nightly_pipeline.tools.leftovers import WORK_FOLDER, remove_leftovers

ACTIVE = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def prepare_night(instance: dg.DagsterInstance, settings: Settings, *, run_id: str | None = None) -> None:
    """Set the pools' limits from the runners' slots and remove what ended runs left behind."""
    set_pool_limits(instance, settings.table.runners)
    hosts = {runner.docker_host for runner in settings.table.runners.values()}
    own = {run_id} if run_id else set()
    remove_leftovers(settings.home, hosts, active_runs=lambda: own | _at_work(instance, settings))


def _at_work(instance: dg.DagsterInstance, settings: Settings) -> set[str]:
    """The runs that are not over, and the searches that a person has begun: of those Dagster knows nothing.

    A search that was killed leaves its folder; its container goes when its deadline has passed.
    """
    runs = {run.run_id for run in instance.get_runs(dg.RunsFilter(statuses=ACTIVE))}
    return runs | {folder.name for folder in (settings.home / WORK_FOLDER).glob(f"{AT_WORK}*")}


def set_pool_limits(instance: dg.DagsterInstance, runners: Mapping[str, Runner]) -> None:
    """One Dagster pool a runner, its limit the runner's slots. Only changed limits are written."""
    storage = instance.event_log_storage
    current = {limit.name: limit.limit for limit in storage.get_pool_limits()}
    for name, runner in runners.items():
        if current.get(name) != runner.slots:
            storage.set_concurrency_slots(name, runner.slots)
