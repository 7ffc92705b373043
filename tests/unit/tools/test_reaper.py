from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from docker.errors import APIError, NotFound

from nightly_pipeline.tools.reaper import reap, reap_folders

NOW = 1_000_000.0


def container(
    name: str, *, owner: str = "me", run: str = "run-1", deadline: str = "2000000"
) -> dict[str, Any]:
    labels = {
        "io.nightly.owner": owner,
        "io.nightly.run-id": run,
        "io.nightly.step": "vllm/amd64/unit_tests",
        "io.nightly.deadline": deadline,
    }
    return {"Id": f"id-{name}", "Names": [f"/{name}"], "Labels": labels}


class Daemon:
    """Lists all it has, whatever the filter: the reaper must look for itself."""

    def __init__(self, *containers: dict[str, Any]) -> None:
        self.containers_there = list(containers)
        self.removed: list[str] = []
        self.refuses: dict[str, Exception] = {}
        self.filters: Mapping[str, str] = {}

    def containers(self, *, all: bool, filters: Mapping[str, str]) -> list[dict[str, Any]]:  # noqa: A002
        self.filters = filters
        return self.containers_there

    def remove_container(self, identity: str, *, v: bool, force: bool) -> None:
        assert v
        assert force
        if identity in self.refuses:
            raise self.refuses[identity]
        self.removed.append(identity)


def test_a_deadline_that_has_passed_and_a_run_that_is_over():
    daemon = Daemon(
        container("late", deadline="999999"),
        container("orphan", run="run-2"),
        container("busy"),
    )
    reaped = reap(daemon, "me", now=NOW, active_runs={"run-1"})
    assert [(one.name, one.why) for one in reaped] == [
        ("late", "its deadline has passed"),
        ("orphan", "its run is over"),
    ]
    assert daemon.removed == ["id-late", "id-orphan"]
    assert daemon.filters == {"label": "io.nightly.owner=me"}


def test_anybody_elses_are_left_even_when_the_daemon_lists_them():
    daemon = Daemon(
        container("theirs", owner="other", deadline="0"), {"Id": "x", "Names": ["/x"], "Labels": None}
    )
    assert reap(daemon, "me", now=NOW, active_runs=()) == []
    assert daemon.removed == []


def test_runs_are_asked_for_after_the_containers_are_listed():
    """A run that starts in between has no container on the list yet, so it cannot lose one."""
    daemon = Daemon(container("busy", run="just started"))

    def active() -> set[str]:
        assert daemon.filters
        return {"just started"}

    assert reap(daemon, "me", now=NOW, active_runs=active) == []


def test_when_runs_cannot_be_asked_only_deadlines_count():
    daemon = Daemon(container("late", deadline="1"), container("unknown", run="run-9"))
    assert [one.name for one in reap(daemon, "me", now=NOW)] == ["late"]


@pytest.mark.parametrize("deadline", ["", "soon", "nan"])
def test_a_deadline_that_cannot_be_read_has_not_passed(deadline):
    daemon = Daemon(container("odd", deadline=deadline))
    assert reap(daemon, "me", now=NOW, active_runs={"run-1"}) == []
    assert [one.name for one in reap(daemon, "me", now=NOW, active_runs=())] == ["odd"]


def test_one_that_cannot_be_removed_does_not_stop_the_others(caplog):
    daemon = Daemon(
        container("stuck", deadline="0"), container("gone", deadline="0"), container("fine", deadline="0")
    )
    daemon.refuses = {
        "id-stuck": APIError("device or resource busy"),
        "id-gone": NotFound("no such container"),
    }
    reaped = reap(daemon, "me", now=NOW, active_runs=())
    assert [one.removed for one in reaped] == [False, True, True]
    assert "id-stuck" in caplog.text


def aged(path: Path, days: float) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    moment = time.time() - days * 24 * 3600
    os.utime(path, (moment, moment))
    return path


def test_folders_nobody_touched_for_a_day_are_removed(tmp_path):
    old, new = aged(tmp_path / "old", 2), aged(tmp_path / "new", 0.5)
    assert reap_folders(tmp_path, now=time.time()) == [old]
    assert not old.exists()
    assert new.exists()


def test_a_folder_with_a_change_deep_down_is_in_use(tmp_path):
    deep = tmp_path / "old" / "a" / "b"
    deep.mkdir(parents=True)
    (deep / "log").write_text("just now")
    for folder in (deep, deep.parent, tmp_path / "old"):
        aged(folder, 5)
    assert reap_folders(tmp_path, now=time.time()) == []


def test_links_are_removed_and_never_followed(tmp_path):
    root, elsewhere = tmp_path / "root", aged(tmp_path / "elsewhere", 0)
    root.mkdir()
    (elsewhere / "file").write_text("kept")
    link = root / "link"
    link.symlink_to(elsewhere)
    assert reap_folders(root, now=time.time() + 10**6) == [link]
    assert (elsewhere / "file").exists()


def test_a_root_that_is_not_there_has_nothing_to_remove(tmp_path):
    assert reap_folders(tmp_path / "absent", now=NOW) == []


def test_in_a_shared_folder_only_names_of_ours_are_looked_at(tmp_path):
    ours, theirs = aged(tmp_path / "nightly-docker-x", 2), aged(tmp_path / "theirs", 2)
    assert reap_folders(tmp_path, now=time.time(), prefix="nightly-") == [ours]
    assert theirs.exists()


def test_folders_of_other_users_are_left(tmp_path, monkeypatch):
    aged(tmp_path / "nightly-docker-x", 2)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert reap_folders(tmp_path, now=time.time()) == []
