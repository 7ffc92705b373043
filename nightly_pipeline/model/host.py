"""What a machine offers, and what a night needs of it: facts as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class GpuSupport:
    """How a Docker daemon gives GPUs to containers.

    Attributes:
        way: `nvidia` is NVIDIA's runtime, `cdi` are device names of the Container Device Interface.
        devices: the CDI names that are known, one a GPU.
        told: whether these are all; older daemons on other machines do not tell.
    """

    way: Literal["nvidia", "cdi", "none"]
    devices: tuple[str, ...] = ()
    told: bool = False


@dataclass(frozen=True)
class DaemonFacts:
    """A Docker daemon that answered.

    Attributes:
        name: of its host.
        version: of the engine.
        platform: its native one, as OCI writes it.
        containerd_images: whether images are kept in containerd's store, which multi-platform builds need.
        data_root: folder of its data, on its own host.
        local: whether that host is this machine, so that its data root and its emulation can be looked at.
        emulates: what runs other platforms, where the daemon brings that itself (Docker Desktop); else empty.
    """

    name: str
    version: str
    platform: str
    containerd_images: bool
    data_root: str
    gpus: GpuSupport
    local: bool = True
    emulates: str = ""


@dataclass(frozen=True)
class Interpreter:
    """What runs programs of another architecture on this machine.

    Attributes:
        path: the emulator.
        flags: the kernel's; F means that containers can use it too, as it is opened when it is registered.
        enabled: whether the kernel uses it.
    """

    path: str
    flags: str
    enabled: bool


@dataclass(frozen=True)
class PortHolder:
    """Who answers on a port: nobody (`free`), Dagster's webserver, or another program."""

    who: Literal["free", "dagster", "other"]
    detail: str = ""


@dataclass(frozen=True)
class BuildNeed:
    """A platform that a runner has to build, or run tests of."""

    runner: str
    docker_host: str | None
    platform: str


@dataclass(frozen=True)
class GpuNeed:
    """How many GPUs the largest stage of a runner asks for."""

    runner: str
    docker_host: str | None
    count: int


@dataclass(frozen=True)
class RegistryNeed:
    """A registry that images go to.

    Attributes:
        role: its name in the profile.
        host: host[:port].
        insecure: plain HTTP.
        kind: whose it is, which says what rights are called there.
        repositories: those that a night writes to.
        creates: whether the profile makes the ones that are missing.
    """

    role: str
    host: str
    insecure: bool
    kind: Literal["oci", "ecr", "acr"] = "oci"
    repositories: tuple[str, ...] = ()
    creates: bool = False


@dataclass(frozen=True)
class ImageNeed:
    """An image that must be there before the night, for these platforms."""

    reference: str
    insecure: bool
    platforms: tuple[str, ...]


@dataclass(frozen=True)
class SigningNeed:
    """A key that published images are signed with.

    Attributes:
        key: as the profile has it.
        file: where that is; None for a key that a service keeps.
        has_password: whether a password for it is known.
    """

    key: str
    file: Path | None
    has_password: bool


@dataclass(frozen=True)
class HostNeeds:
    """What a night of one profile needs of the machine it starts on.

    Attributes:
        root: the project's root: dagster.yaml, workspace.yaml and requirements.lock are there.
        home: where state lives.
        source: the repository under test: a path, or an address.
        free_gib: how much space the images and records of a night take.
        webserver: address of Dagster's pages.
        slack: where the message goes, in words (`#nightly`, `a webhook`); None sends nothing.
        sbom_generator: the image that lists packages, where it is ours to have ready.
        signing: None signs nothing.
    """

    root: Path
    home: Path
    source: str
    free_gib: float
    webserver: str
    builds: tuple[BuildNeed, ...]
    registries: tuple[RegistryNeed, ...]
    base_image: ImageNeed | None = None
    gpus: tuple[GpuNeed, ...] = ()
    slack: str | None = None
    sbom_generator: ImageNeed | None = None
    signing: SigningNeed | None = None
