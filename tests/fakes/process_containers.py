"""A container runner whose containers are processes of this machine, in a folder that stands for their root."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nightly_pipeline.model.requests import ContainerResult, ContainerSpec
from nightly_pipeline.steps.ports import LineSink


@dataclass
class ProcessContainers:
    """Runs commands of `python3` for real, with all absolute paths below `root` in place of the container's.

    Attributes:
        root: holds what the image would; what is injected is put into it.
    """

    root: Path

    def run(self, spec: ContainerSpec, *, workspace: Path, log: LineSink) -> ContainerResult:
        for name, content in spec.inject.items():
            path = Path(self._inside(name))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        workspace.mkdir(parents=True)
        # What is collected is written to the workspace at once, so nothing of one run is left for the next.
        place = {spec.collect: str(workspace)} if spec.collect else {}
        ended = subprocess.run(
            [sys.executable, *(self._inside(argument, place) for argument in spec.command)],
            cwd=self._inside(spec.working_dir or "/", place),
            env={name: self._inside(value, place) for name, value in spec.environment.items()}
            | {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=spec.deadline_s,
            check=False,
        )
        for line in (ended.stdout + ended.stderr).splitlines():
            log(line)
        return ContainerResult(
            ended.returncode, timed_out=False, out_of_memory=False, duration_s=1.0, collected=workspace
        )

    def _inside(self, text: str, places: Mapping[str, str] | None = None) -> str:
        """A path of the container as one of this machine; any other text as it is."""
        for outer, inner in (places or {}).items():
            if text.startswith(outer):
                return inner + text.removeprefix(outer)
        return f"{self.root}{text}" if text.startswith("/") else text
