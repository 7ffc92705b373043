"""What processes that were killed left behind."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path


def remove_leftovers(home: Path, docker_hosts: Iterable[str | None], *, active_runs: Collection[str]) -> None:
    """Remove containers and work folders of runs that are over, on every runner."""
