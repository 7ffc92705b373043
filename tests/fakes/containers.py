"""A container runner that starts nothing: it prints, leaves files behind and ends as it is told."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from nightly_pipeline.model.requests import ContainerResult, ContainerSpec
from nightly_pipeline.steps.ports import LineSink


@dataclass
class FakeContainers:
    """Every container it runs ends alike.

    Attributes:
        error: what to raise instead of an end, after the output.
        files: name -> content of what the container leaves in the folder that is collected; None when nothing
            of it could be fetched.
        specs: the containers that were asked for.
    """

    exit_code: int | None = 0
    timed_out: bool = False
    out_of_memory: bool = False
    duration_s: float = 9.0
    output: tuple[str, ...] = ()
    files: Mapping[str, bytes] | None = field(default_factory=dict)
    error: BaseException | None = None
    specs: list[ContainerSpec] = field(default_factory=list)

    def run(self, spec: ContainerSpec, *, workspace: Path, log: LineSink) -> ContainerResult:
        self.specs.append(spec)
        for line in self.output:
            log(line)
        if self.error is not None:
            raise self.error
        return ContainerResult(
            exit_code=self.exit_code,
            timed_out=self.timed_out,
            out_of_memory=self.out_of_memory,
            duration_s=self.duration_s,
            collected=self._collect(workspace) if spec.collect else None,
        )

    def _collect(self, workspace: Path) -> Path | None:
        if self.files is None:
            return None
        workspace.mkdir(parents=True)
        for name, content in self.files.items():
            (workspace / name).write_bytes(content)
        return workspace


@dataclass
class FakeLogins:
    """Gives a folder out as a DOCKER_CONFIG, and knows whether one is in use."""

    folder: Path | None = None
    given: int = 0
    in_use: int = 0

    @contextmanager
    def docker_config(self):
        self.given += 1
        self.in_use += 1
        try:
            yield self.folder
        finally:
            self.in_use -= 1
