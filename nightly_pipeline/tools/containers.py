"""Runs test containers on a Docker daemon."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from nightly_pipeline.model.requests import ContainerResult, ContainerSpec

LineSink = Callable[[str], None]


class DockerContainerRunner:
    """Runs one container to its end."""

    def run(self, spec: ContainerSpec, *, workspace: Path, log: LineSink) -> ContainerResult:
        """Run a container to its end."""
        raise NotImplementedError
