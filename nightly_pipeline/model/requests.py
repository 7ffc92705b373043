"""What a step asks a tool to do, and what the tool answers: plain values that can be printed and tested."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from nightly_pipeline.model.metrics import BuildMetrics


@dataclass(frozen=True)
class Revision:
    """The commit a night is built from.

    Attributes:
        commit: the full hash of the commit.
        tree: the hash of the tree that is built: the commit's, or the working tree's when dirty.
        dirty: whether the working tree differs from the commit (only for the current night of a local
            checkout).
        committed_at: when the commit was made, with a timezone.
        author: name of the commit's author.
        subject: first line of the commit's message.
        repository: what was asked (a path or an address without credentials).
        ref: the ref that was resolved.
    """

    commit: str
    tree: str
    dirty: bool
    committed_at: datetime
    author: str
    subject: str
    repository: str
    ref: str

    @property
    def label(self) -> str:
        """The revision as images and reports name it: the commit, marked when the tree is dirty."""
        return f"{self.commit}-dirty.{self.tree[:8]}" if self.dirty else self.commit


@dataclass(frozen=True)
class BuildRequest:
    """One image to build and push.

    Attributes:
        dockerfile, context: paths on this machine.
        target: the stage of the Dockerfile.
        platform: as OCI writes it, `linux/amd64`.
        push_reference: host/repository:tag the image is pushed to; None builds without pushing.
        cache_from, cache_to: registry references (host/repository:tag) of layer caches.
        secrets: BuildKit secret id -> file on this machine. Never part of the image or of a log.
        deadline_s: seconds after which the build is ended.
        builder: name of the buildx builder; None is the default one.
        docker_host: DOCKER_HOST of the runner; None is this machine's.
        docker_config: folder with the registry logins (a DOCKER_CONFIG); None is the user's own.
        sbom_generator: the image with which BuildKit lists the packages (an SBOM); None attaches no list.
    """

    dockerfile: Path
    context: Path
    target: str
    platform: str
    build_args: Mapping[str, str]
    labels: Mapping[str, str]
    push_reference: str | None
    cache_from: tuple[str, ...] = ()
    cache_to: str | None = None
    secrets: Mapping[str, Path] = field(default_factory=dict)
    deadline_s: float = 3600.0
    builder: str | None = None
    docker_host: str | None = None
    docker_config: Path | None = None
    sbom_generator: str | None = None


@dataclass(frozen=True)
class BuildResult:
    """What a finished build answered. `digest` names what was pushed, an index or a manifest."""

    digest: str
    metrics: BuildMetrics


@dataclass(frozen=True)
class ContainerSpec:
    """One container to run to its end, under a deadline.

    Attributes:
        image: reference by digest.
        command: argv; the image's entrypoint is replaced when `entrypoint` is given.
        environment: all that is passed; nothing is inherited. May hold secrets, so the repr leaves it out.
        platform: as OCI writes it.
        labels: put on the container so that a reaper finds it; the runner adds run, step and deadline.
        deadline_s: seconds from the start until TERM; `grace_s` later KILL.
        gpus: how many GPUs to ask for; 0 asks for none.
        memory_bytes, pids_limit, shm_bytes, cpus: limits; None leaves the daemon's default.
        inject: path in the container -> bytes, written before the start (mode 0644, folders 0755).
        collect: folder in the container that is fetched after the end (also after a kill); it is made, empty
            and writable for the image's user, before the start.
        docker_host: DOCKER_HOST of the runner; None is this machine's.
    """

    image: str
    command: tuple[str, ...]
    run_id: str
    step: str
    platform: str
    deadline_s: float
    entrypoint: tuple[str, ...] | None = None
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    labels: Mapping[str, str] = field(default_factory=dict)
    working_dir: str | None = None
    grace_s: float = 10.0
    gpus: int = 0
    memory_bytes: int | None = None
    pids_limit: int | None = 4096
    shm_bytes: int | None = None
    cpus: float | None = None
    memlock_unlimited: bool = False
    inject: Mapping[str, bytes] = field(default_factory=dict)
    collect: str | None = None
    docker_host: str | None = None
    docker_config: Path | None = None


@dataclass(frozen=True)
class ContainerResult:
    """How a container ended.

    Attributes:
        exit_code: None when it never started or its end was not seen.
        timed_out: the deadline passed, and we ended it.
        out_of_memory: the kernel killed it for memory.
        duration_s: seconds from start to end.
        collected: folder on this machine with what `collect` held; None when nothing could be fetched.
    """

    exit_code: int | None
    timed_out: bool
    out_of_memory: bool
    duration_s: float
    collected: Path | None
