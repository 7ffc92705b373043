"""What is removed before a night begins, and what is not: somebody may be at work with it."""

from __future__ import annotations

from contextlib import contextmanager

import dagster as dg
import pytest

from nightly_pipeline.assets.upkeep import prepare_night
from nightly_pipeline.settings import load_settings
from nightly_pipeline.tools import leftovers
from nightly_pipeline.tools.ownership import installation_id


class Daemon:
    """Has one container of each of these runs; something may happen just before it lists them."""

    def __init__(self, owner, runs):
        self.owner, self.runs, self.removed = owner, list(runs), []
        self.before_listing = lambda: None

    def containers(self, *, all, filters):  # noqa: A002
        self.before_listing()
        return [
            {"Id": run, "Labels": {"io.nightly.owner": self.owner, "io.nightly.run-id": run}}
            for run in self.runs
        ]

    def remove_container(self, identity, *, v, force):
        self.removed.append(identity)


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.setenv("NIGHTLY_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(leftovers.tempfile, "gettempdir", lambda: str(tmp_path))
    return load_settings("local")


@pytest.fixture
def open_daemon(settings, monkeypatch):
    def opened(*runs):
        daemon = Daemon(installation_id(settings.home), runs)

        @contextmanager
        def open_it(_host, *, timeout_s):
            yield daemon

        monkeypatch.setattr(leftovers, "open_daemon", open_it)
        return daemon

    return opened


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def begun(instance):
    run = dg.DagsterRun(job_name="nightly", status=dg.DagsterRunStatus.STARTED)
    instance.add_run(run)
    return run.run_id


def test_containers_of_runs_that_are_over_go(instance, settings, open_daemon):
    daemon = open_daemon("over", begun(instance), "own")
    prepare_night(instance, settings, run_id="own")
    assert daemon.removed == ["over"]


def test_a_search_that_is_at_work_keeps_its_container(instance, settings, open_daemon):
    (settings.home / "work" / "bisect-0f3a9c025d1e" / "look").mkdir(parents=True)
    daemon = open_daemon("bisect-0f3a9c025d1e", "bisect-of-yesterday")
    prepare_night(instance, settings)
    assert daemon.removed == ["bisect-of-yesterday"]


def test_a_run_that_begins_meanwhile_keeps_its_container(instance, settings, open_daemon):
    daemon = open_daemon()
    daemon.before_listing = lambda: daemon.runs.append(begun(instance))
    prepare_night(instance, settings)
    assert daemon.removed == []
