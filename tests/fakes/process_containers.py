"""A container runner whose containers are processes of this machine, in a folder that stands for their root."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from nightly_pipeline.model.requests import ContainerResult, ContainerSpec
from nightly_pipeline.steps.ports import LineSink


@dataclass
class ProcessContainers:
    """Runs commands of `python3` for real, with all absolute paths below `root` in place of the container's.

    Attributes:
        root: holds what the image would; what is injected is put into it.
        output: what the processes printed.
    """

    root: Path
    output: list[str] = field(default_factory=list)

    def run(self, spec: ContainerSpec, *, workspace: Path, log: LineSink) -> ContainerResult:
        for name, content in spec.inject.items():
            path = Path(self._inside(name))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        workspace.mkdir(parents=True)
        # What is collected ends in the workspace at once, so nothing of one run is left for the next.
        place = {spec.collect or "": str(workspace)}
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
        self.output += (ended.stdout + ended.stderr).splitlines()
        for line in self.output:
            log(line)
        return ContainerResult(
            ended.returncode, timed_out=False, out_of_memory=False, duration_s=1.0, collected=workspace
        )

    def _inside(self, text: str, places: dict[str, str] | None = None) -> str:
        for outer, inner in (places or {}).items():
            if outer and text.startswith(outer):
                return inner + text[len(outer) :]
        return f"{self.root}{text}" if text.startswith("/") else text
