"""Runs test containers on a Docker daemon, on this machine or another, each to an end that is seen.

A container has a deadline: TERM, a grace, KILL. Whatever interrupts us (any exception, KeyboardInterrupt or
SystemExit) removes it. Dagster ends a step with a signal and raises an exception in it: one of these. Where
nobody makes SIGTERM an exception, and after SIGKILL, the container stays; `reaper` finds it by its labels.

Nothing is mounted: files go in and results come out through the daemon, so that a remote one works the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import docker
from docker.errors import APIError, DockerException, NotFound

from nightly_pipeline.errors import ContainerError
from nightly_pipeline.model.requests import ContainerResult, ContainerSpec
from nightly_pipeline.tools.archive import ArchiveLimits, Unpacked, has_content, pack, unpack
from nightly_pipeline.tools.container_daemon import (
    UNREACHABLE,
    archive_of,
    daemon_name,
    explanation,
    open_daemon,
    refusal,
)
from nightly_pipeline.tools.container_end import EndWatch
from nightly_pipeline.tools.container_follow import LogFollower
from nightly_pipeline.tools.container_gpus import (
    device_requests,
    gpu_support,
    start_failed_for_gpus,
)
from nightly_pipeline.tools.container_images import Patience, pull
from nightly_pipeline.tools.container_logs import GuardedSink, LineSink, LogLimits, note
from nightly_pipeline.tools.container_options import (
    DaemonLimits,
    Placement,
    container_name,
    create_arguments,
    labels,
)
from nightly_pipeline.tools.interrupts import run_then
from nightly_pipeline.tools.ownership import default_owner


class MemlockRefused(Exception):  # noqa: N818 - answered by going on without
    """The daemon itself may not raise the limit of locked memory (rootless, or without CAP_SYS_RESOURCE)."""


@dataclass(frozen=True)
class RunnerLimits:
    """What a runner allows a container beside its spec.

    Attributes:
        log: of its output.
        collect: of its results.
        pull: until getting the image is given up.
        collect_s: seconds until fetching the results is given up.
        output_s: seconds until the rest of the output is given up, after the container has ended.
    """

    log: LogLimits = field(default_factory=LogLimits)
    collect: ArchiveLimits = field(default_factory=ArchiveLimits)
    pull: Patience = field(default_factory=Patience)
    collect_s: float = 600.0
    output_s: float = 60.0


class DockerContainerRunner:
    """Runs one container to its end. Holds no connection: every run opens and closes its own.

    Args:
        owner: marks containers as ours (see `ownership`); None is this checkout on this machine.
        network: name of the network of every container; None is the daemon's default, the bridge.
        limits: beside those of the spec.
    """

    def __init__(
        self,
        *,
        owner: str | None = None,
        network: str | None = None,
        limits: RunnerLimits = RunnerLimits(),
    ) -> None:
        self._owner = owner or default_owner()
        self._network = network
        self._limits = limits

    def run(self, spec: ContainerSpec, *, workspace: Path, log: LineSink) -> ContainerResult:
        """Run a container to its end; it is removed afterwards, whatever happens.

        Args:
            spec: what to run. Its deadline starts with the container, after the image was pulled.
            workspace: folder of this run's own; what `spec.collect` names is unpacked right into it.
            log: gets the output, one line at a time but from another thread, and lines of ours, which start
                with `[nightly]`. When it raises, the container goes on without a log.

        Returns:
            How it ended. A container that fails is no error.

        Raises:
            ContainerError: it could not be made, started or watched; or `workspace` is not empty.
            NoGpu: the daemon cannot give the GPUs that are asked for.
            EnvironmentNotReady: the daemon does not answer.
            DiskFull: there is no space left, there or here.
        """
        if spec.collect is not None:
            _require_empty(workspace)
        sink = GuardedSink(log)
        with open_daemon(spec.docker_host, docker_config=spec.docker_config) as api:
            try:
                return self._run(api, spec, workspace, sink)
            except MemlockRefused as refused:
                note(sink, f"memory cannot be locked without limit, so it is not: {refused}")
                return self._run(api, replace(spec, memlock_unlimited=False), workspace, sink)

    def _run(
        self, api: docker.APIClient, spec: ContainerSpec, workspace: Path, sink: GuardedSink
    ) -> ContainerResult:
        job = _Job(api, spec, sink, self._limits, runner=daemon_name(spec.docker_host))
        arguments = job.made_ready(owner=self._owner, network=self._network)
        name = container_name(spec)

        def run() -> ContainerResult:
            job.create(name, arguments)
            return job.run(name, workspace)

        # Whatever has that name afterwards is killed and removed.
        return run_then(run, afterwards=lambda: _remove(api, name, sink))


def _require_empty(workspace: Path) -> None:
    """Results of an earlier attempt must never be taken for those of this one."""
    if workspace.is_dir() and any(workspace.iterdir()):
        raise ContainerError(
            f"{workspace} is not empty: results would mix with what is there",
            next_step="Give every run of a container a folder of its own.",
        )


@dataclass(frozen=True)
class _Job:
    """One container on one daemon."""

    api: docker.APIClient
    spec: ContainerSpec
    log: GuardedSink
    limits: RunnerLimits
    runner: str

    def made_ready(self, *, owner: str, network: str | None) -> Callable[[], dict[str, Any]]:
        """What the container is made from, asked for again after a pull, because its deadline starts then.

        Raises:
            NoGpu: the daemon is known not to have them, so nothing needs to be pulled.
        """
        info = self.api.info()
        devices = device_requests(self.spec.gpus, gpu_support(info), runner=self.runner)
        return lambda: create_arguments(
            self.spec,
            Placement(
                labels=labels(self.spec, owner=owner, now=time.time()),
                devices=devices,
                daemon=DaemonLimits.of(info),
                network=network,
            ),
            host_config=self.api.create_host_config,
        )

    def create(self, name: str, arguments: Callable[[], dict[str, Any]]) -> None:
        """Make the container; its image is pulled when it is not there."""
        try:
            self._create(name, arguments())
        except NotFound:
            pull(self.api, self.spec.image, self.spec.platform, log=self.log, patience=self.limits.pull)
            self._create_from_pulled(name, arguments())

    def _create_from_pulled(self, name: str, arguments: dict[str, Any]) -> None:
        try:
            self._create(name, arguments)
        except NotFound as error:
            raise ContainerError(
                f"{self.spec.image} has no image for {self.spec.platform}: {explanation(error)}",
                next_step="Look at its platforms: `docker buildx imagetools inspect IMAGE`.",
            ) from error

    def _create(self, name: str, arguments: dict[str, Any]) -> None:
        created = self.api.create_container(**arguments, name=name)
        for warning in created.get("Warnings") or ():
            note(self.log, f"the Docker daemon warns: {warning}")

    def run(self, name: str, workspace: Path) -> ContainerResult:
        """Fill, start, follow and watch the container; take its results out."""
        self._put_files(name)
        output = LogFollower(self.api, name, self.log, self.limits.log)
        output.attach()
        self._start(name)
        ended = EndWatch(self.api, name, self.spec, self.log).wait()
        output.finish(self.limits.output_s)
        collected = self._collect(name, workspace)
        return ContainerResult(
            exit_code=ended.exit_code,
            timed_out=ended.timed_out,
            out_of_memory=ended.out_of_memory,
            duration_s=ended.duration_s,
            collected=collected,
        )

    def _put_files(self, name: str) -> None:
        if self.spec.collect is not None:
            self._require_no_old_results(name, self.spec.collect)
        if self.spec.inject or self.spec.collect is not None:
            self.api.put_archive(name, "/", pack(self.spec.inject, empty_folder=self.spec.collect))

    def _require_no_old_results(self, name: str, folder: str) -> None:
        """What an image brings in that folder would be taken for results."""
        with (
            suppress(NotFound),
            archive_of(self.api, name, folder, deadline_s=self.limits.collect_s) as chunks,
        ):
            if not has_content(chunks):
                return
            raise ContainerError(
                f"{self.spec.image} has files in {folder}: they would be taken for results",
                next_step="Collect from a folder that the image does not fill.",
            )

    def _start(self, name: str) -> None:
        try:
            self.api.start(name)
        except APIError as error:
            said = explanation(error)
            if self.spec.memlock_unlimited and "rlimit" in said:
                raise MemlockRefused(said) from error
            no_gpu = start_failed_for_gpus(self.spec.gpus, said, runner=self.runner)
            raise no_gpu or refusal(error, self.spec.docker_host) from error

    def _collect(self, name: str, workspace: Path) -> Path | None:
        """Take the results out. When there are none, or not all, the log says why; the reader judges."""
        if self.spec.collect is None:
            return None
        try:
            unpacked = self._fetch(name, self.spec.collect, workspace)
        except (DockerException, *UNREACHABLE) as error:
            note(self.log, f"the results could not be fetched: {error}")
            return None
        for refused in unpacked.refused:
            note(self.log, f"not among the results: {refused}")
        return workspace

    def _fetch(self, name: str, folder: str, workspace: Path) -> Unpacked:
        with archive_of(self.api, name, folder, deadline_s=self.limits.collect_s) as chunks:
            return unpack(chunks, workspace, self.limits.collect)


def _remove(api: docker.APIClient, name: str, log: LineSink) -> None:
    """Twice, because the daemon may still be making or ending it. What remains is the reaper's."""
    for wait_s in (1.0, 0.0):
        try:
            api.remove_container(name, v=True, force=True)
        except NotFound:
            return
        except (DockerException, *UNREACHABLE) as error:
            last = error
            time.sleep(wait_s)
        else:
            return
    note(log, f"the container {name} could not be removed: {last}")
