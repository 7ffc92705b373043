"""What a machine offers: facts about its Docker daemon, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class GpuSupport:
    """How a Docker daemon gives GPUs to containers.

    Attributes:
        way: `nvidia` is NVIDIA's runtime, `cdi` are device names of the Container Device Interface.
        devices: the CDI names the daemon knows; empty when it does not tell, which older daemons do not.
        told: whether the daemon tells which devices it knows.
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
        local: whether that host is this machine.
    """

    name: str
    version: str
    platform: str
    containerd_images: bool
    data_root: str
    gpus: GpuSupport
    local: bool = True
