"""Removes what processes that were killed left behind: their containers, and their temporary folders.

Only what is ours: containers whose owner label is this installation's, folders in this installation's home.
"""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
from docker.errors import DockerException, NotFound

from nightly_pipeline.tools.container_daemon import UNREACHABLE
from nightly_pipeline.tools.ownership import (
    DEADLINE_LABEL,
    OWNER_LABEL,
    RUN_LABEL,
    STEP_LABEL,
)

_log = logging.getLogger(__name__)

ONE_DAY_S = 24 * 3600.0

ActiveRuns = Collection[str] | Callable[[], Collection[str]]
"""Ids of the runs that are not over, or how to ask for them."""


@dataclass(frozen=True)
class ReapedContainer:
    """A container that was left behind.

    Attributes:
        why: `its deadline has passed` or `its run is over`.
        removed: False when the daemon could not remove it.
    """

    name: str
    run_id: str
    step: str
    why: str
    removed: bool


def reap(
    client: docker.APIClient, owner: str, *, now: float, active_runs: ActiveRuns | None = None
) -> list[ReapedContainer]:
    """Remove this owner's containers whose deadline has passed or whose run is over.

    Args:
        client: of the daemon to look on.
        owner: whose containers; never anybody else's.
        now: Unix seconds.
        active_runs: runs that are not over. A callable is asked after the containers were listed, so that a
            run that starts meanwhile is never missed. None is "could not ask": then only deadlines count.

    Raises:
        docker.errors.APIError: the containers could not be listed. One that cannot be removed is no error.
    """
    found = client.containers(all=True, filters={"label": f"{OWNER_LABEL}={owner}"})
    active = active_runs() if callable(active_runs) else active_runs
    return [_remove(client, container, why) for container, why in _left_behind(found, owner, now, active)]


def _left_behind(
    found: Iterable[Mapping[str, Any]], owner: str, now: float, active: Collection[str] | None
) -> Iterator[tuple[Mapping[str, Any], str]]:
    for container in found:
        labels = container.get("Labels") or {}
        if labels.get(OWNER_LABEL) != owner:  # a daemon that filters otherwise must cost nobody a container
            continue
        if _passed(labels.get(DEADLINE_LABEL), now):
            yield container, "its deadline has passed"
        elif active is not None and labels.get(RUN_LABEL) not in active:
            yield container, "its run is over"


def _passed(deadline: str | None, now: float) -> bool:
    """A deadline that cannot be read has not passed; such a container goes when its run is over."""
    try:
        return float(deadline or "") < now
    except ValueError:
        return False


def _remove(client: docker.APIClient, container: Mapping[str, Any], why: str) -> ReapedContainer:
    labels = container.get("Labels") or {}
    removed = True
    try:
        client.remove_container(container["Id"], v=True, force=True)
    except NotFound:
        pass
    except (DockerException, *UNREACHABLE):
        _log.warning("container %s was left behind and cannot be removed", container["Id"], exc_info=True)
        removed = False
    names = container.get("Names") or [container["Id"]]
    return ReapedContainer(
        name=names[0].lstrip("/"),
        run_id=labels.get(RUN_LABEL, ""),
        step=labels.get(STEP_LABEL, ""),
        why=why,
        removed=removed,
    )


def reap_folders(root: Path, *, now: float, prefix: str = "", older_than_s: float = ONE_DAY_S) -> list[Path]:
    """Remove folders and files right below `root` that nobody has touched for a day; return those removed.

    Links are removed, never followed. Other users' are left alone, and what cannot be removed is left with a warning.

    Args:
        root: a folder.
        now: Unix seconds.
        prefix: how names must start; where `root` is shared (`/tmp`), a prefix of our own.
        older_than_s: how long nothing in it may have changed.
    """
    if not root.is_dir():
        return []
    ours = [entry for entry in sorted(root.iterdir()) if entry.name.startswith(prefix) and _is_ours(entry)]
    old = [entry for entry in ours if _last_touched(entry) < now - older_than_s]
    return [entry for entry in old if _remove_folder(entry)]


def _is_ours(entry: Path) -> bool:
    try:
        return entry.lstat().st_uid == os.geteuid()
    except OSError:
        return False


def _last_touched(entry: Path) -> float:
    """The newest change anywhere in it: a long run writes deep down and leaves the top as it is."""
    newest = _changed(entry)
    if entry.is_dir() and not entry.is_symlink():
        for folder, subfolders, files in os.walk(entry):
            newest = max([newest, *(_changed(Path(folder, name)) for name in (*subfolders, *files))])
    return newest


def _changed(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except OSError:  # gone meanwhile, so somebody is at work there
        return time.time()


def _remove_folder(entry: Path) -> bool:
    try:
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink(missing_ok=True)
    except OSError as error:
        _log.warning("%s was left behind and cannot be removed: %s", entry, error)
        return False
    return True
