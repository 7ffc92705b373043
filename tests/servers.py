"""Dagster's webserver and daemon over a small night's records: started as a person starts them, and ended for sure."""

from __future__ import annotations

import datetime as dt
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import dagster as dg
import httpx

from nightly_pipeline.assets import automation, pruning, retention
from tests.clock import stay_clear_of
from tests.e2e.conftest import A_MODULE_S, PATIENCE_S, ROOT, SmallNight
from tests.ports import free_port

BIN = ROOT / ".venv" / "bin"
LOCATION = {"repositoryLocationName": "nightly_pipeline", "repositoryName": "__repository__"}
SUMMARY_TAG = "nightly/summary_of"


def _time_of(cron: str) -> dt.time:
    minute, hour, *_ = cron.split()
    return dt.time(int(hour), int(minute))


SCHEDULED = [
    _time_of(cron) for cron in (automation.SCHEDULE, pruning.SCHEDULE, *retention.SCHEDULES.values())
]
"""When the daemon begins runs of its own accord (UTC): the night, and what deletes."""
END_S, POLL_S = 20, 0.5

_Found = TypeVar("_Found")


def wait_for(what: str, look: Callable[[], _Found | None], *, within_s: float = PATIENCE_S) -> _Found:
    """What `look` finds, as soon as it finds something true."""
    deadline = time.monotonic() + within_s
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"{what}: not within {within_s:g} s"
        time.sleep(POLL_S)


@dataclass(frozen=True)
class Servers:
    """A webserver and a daemon at work."""

    night: SmallNight
    url: str
    logs: Path

    def graphql(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """What the webserver answers to a query of the UI's."""
        answer = httpx.post(
            f"{self.url}/graphql",
            json={"query": query, "variables": variables or {}},
            timeout=180,
            trust_env=False,
        )
        document = answer.json()
        assert answer.is_success, document
        assert "errors" not in document, document["errors"]
        return document["data"]

    def runs(self, **filters: Any) -> list[dg.DagsterRun]:
        """Runs on record, newest first, read past the webserver."""
        with self.night.instance() as instance:
            return list(instance.get_runs(dg.RunsFilter(**filters)))

    def ended(self, run_id: str) -> dg.DagsterRun:
        """A run, when it has ended."""

        def look() -> dg.DagsterRun | None:
            (run,) = self.runs(run_ids=[run_id])
            return run if run.is_finished else None

        return wait_for(f"the end of run {run_id}", look)

    def summaries(self, run_id: str) -> list[dg.DagsterRun]:
        """The runs that summarise a run."""
        return self.runs(tags={SUMMARY_TAG: run_id})

    def summary(self, run_id: str) -> dg.DagsterRun:
        """The run that summarises a run, when it has ended."""
        requested = wait_for(f"the summary of run {run_id}", lambda: self.summaries(run_id))
        return self.ended(requested[0].run_id)


@contextmanager
def dagster_servers(night: SmallNight) -> Iterator[Servers]:
    """`dagster-webserver` and `dagster-daemon` of the night's profile, on a free port; not when a schedule is due."""
    stay_clear_of(*SCHEDULED, seconds=A_MODULE_S)
    port = free_port()
    logs = night.folder / "servers"
    logs.mkdir()
    # Opening the records for the first time makes the database; two that do it at once trip over each other.
    night.nightly("status")
    servers = Servers(night=night, url=f"http://127.0.0.1:{port}", logs=logs)
    with ExitStack() as stack:
        stack.enter_context(_process(night, logs, "dagster-webserver", "-h", "127.0.0.1", "-p", str(port)))
        stack.enter_context(_process(night, logs, "dagster-daemon", "run"))
        wait_for("the webserver and the daemon", lambda: _are_ready(servers))
        yield servers


@contextmanager
def _process(night: SmallNight, logs: Path, program: str, *arguments: str) -> Iterator[None]:
    home = night.home / "dagster_home"
    with (logs / f"{program}.log").open("wb") as log:
        process = subprocess.Popen(
            [BIN / program, *arguments, "-w", "workspace.yaml"],
            cwd=ROOT,
            env={**night.environment(), "DAGSTER_HOME": str(home)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask it to end, then end its whole group: code servers and what they started are in it."""
    with suppress(subprocess.TimeoutExpired):
        process.terminate()
        process.wait(END_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(PATIENCE_S)


_STATE = """
{
  workspaceOrError { ... on Workspace { locationEntries { locationOrLoadError {
    __typename ... on PythonError { message } } } } }
  instance { daemonHealth { allDaemonStatuses { daemonType required healthy } } }
}
"""
_SENSORS = """
query ($selector: RepositorySelector!) {
  sensorsOrError(repositorySelector: $selector) { ... on Sensors { results {
    name sensorState { status ticks(limit: 5) { status } }
  } } }
}
"""


def _are_ready(servers: Servers) -> bool:
    try:
        state = servers.graphql(_STATE)
    except httpx.TransportError:
        return False
    locations = [entry["locationOrLoadError"] for entry in state["workspaceOrError"]["locationEntries"]]
    broken = [entry["message"] for entry in locations if entry and entry["__typename"] == "PythonError"]
    assert not broken, broken
    daemons = state["instance"]["daemonHealth"]["allDaemonStatuses"]
    at_work = all(one["healthy"] for one in daemons if one["required"])
    return bool(locations) and all(locations) and at_work and sensors_have_looked(servers.graphql)


def sensors_have_looked(graphql: Callable[[str, Mapping[str, Any]], dict[str, Any]]) -> bool:
    """Whether each has looked once: what ended before a sensor's first look, it never learns of."""
    sensors = graphql(_SENSORS, {"selector": LOCATION})["sensorsOrError"]["results"]
    on = [one["sensorState"] for one in sensors if one["sensorState"]["status"] == "RUNNING"]
    return bool(on) and all(any(tick["status"] != "STARTED" for tick in one["ticks"]) for one in on)
