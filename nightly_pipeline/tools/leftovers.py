"""What processes that were killed left behind: containers, and work folders."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from nightly_pipeline.errors import NightlyError
from nightly_pipeline.tools.container_daemon import open_daemon
from nightly_pipeline.tools.ownership import installation_id
from nightly_pipeline.tools.reaper import ActiveRuns, reap, reap_folders

WORK_FOLDER = "work"
TEMPORARY_PREFIX = "nightly-"
"""Of folders in the system's temporary one: logins and build metadata."""

_TIMEOUT_S = 30
_log = logging.getLogger(__name__)


def remove_leftovers(home: Path, docker_hosts: Iterable[str | None], *, active_runs: ActiveRuns) -> list[str]:
    """Remove this installation's containers of runs that are over, on every runner, and old work folders.

    A runner that cannot be reached is skipped: whatever runs there next says so.

    Returns:
        A line for everything that was removed.
    """
    now = time.time()
    folders = reap_folders(home / WORK_FOLDER, now=now)
    folders += reap_folders(Path(tempfile.gettempdir()), now=now, prefix=TEMPORARY_PREFIX)
    removed = [f"folder {folder.name}" for folder in folders]
    for docker_host in docker_hosts:
        try:
            with open_daemon(docker_host, timeout_s=_TIMEOUT_S) as client:
                found = reap(client, installation_id(home), now=now, active_runs=active_runs)
        except NightlyError as error:
            _log.warning(
                "leftovers on %s were not looked for: %s", docker_host or "this machine", error.message
            )
            continue
        removed += [
            f"container {container.name}: {container.why}" for container in found if container.removed
        ]
    return removed
