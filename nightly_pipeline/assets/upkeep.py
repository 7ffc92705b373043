"""What has to be in order before a night starts: pool limits, leftovers of processes that were killed."""

from __future__ import annotations

from collections.abc import Mapping

import dagster as dg

from nightly_pipeline.model.catalog import Runner
from nightly_pipeline.settings import Settings
from nightly_pipeline.tools.leftovers import remove_leftovers

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
    active = {run.run_id for run in instance.get_runs(dg.RunsFilter(statuses=ACTIVE))}
    hosts = {runner.docker_host for runner in settings.table.runners.values()}
    remove_leftovers(settings.home, hosts, active_runs=active | ({run_id} if run_id else set()))


def set_pool_limits(instance: dg.DagsterInstance, runners: Mapping[str, Runner]) -> None:
    """One Dagster pool a runner, its limit the runner's slots. Only changed limits are written."""
    storage = instance.event_log_storage
    current = {limit.name: limit.limit for limit in storage.get_pool_limits()}
    for name, runner in runners.items():
        if current.get(name) != runner.slots:
            storage.set_concurrency_slots(name, runner.slots)
