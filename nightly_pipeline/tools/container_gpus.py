"""Asking a Docker daemon for GPUs, in the two ways there are: NVIDIA's runtime, and CDI device names."""

from __future__ import annotations

import re
from typing import Any

import docker
from docker.types import DeviceRequest

from nightly_pipeline.errors import NoGpu
from nightly_pipeline.model.host import GpuSupport

_CDI_KIND = "nvidia.com/gpu"
_NUMBERED = re.compile(rf"{re.escape(_CDI_KIND)}=\d+")
_LACKS_GPUS = re.compile(
    r"could not select device driver|nvidia-container|unresolvable CDI devices|CDI device injection"
    r"|CDI devices? from|failed to inject devices|no such CDI|NVML|unknown device|no NVIDIA",
    re.IGNORECASE,
)
_NEXT_STEP = (
    "Run the stage on a runner with GPUs, or give this daemon access to them with NVIDIA's container toolkit:"
    " `nvidia-ctk runtime configure --runtime=docker`, or `nvidia-ctk cdi generate` and the feature `cdi`."
)


def gpus_available(client: docker.APIClient) -> GpuSupport:
    """How this daemon gives GPUs to containers. NVIDIA's runtime goes first: it finds devices by itself."""
    return gpu_support(client.info())


def gpu_support(info: dict[str, Any]) -> GpuSupport:
    """The same, from what `docker info` answers.

    Newer daemons list the CDI devices they discovered; older ones only say where they would look for them.
    """
    if "nvidia" in (info.get("Runtimes") or {}):
        return GpuSupport("nvidia")
    discovered = info.get("DiscoveredDevices")
    names = [str(device.get("ID")) for device in discovered or () if device.get("Source") == "cdi"]
    devices = tuple(sorted(filter(_NUMBERED.fullmatch, names), key=_number))
    told = discovered is not None
    if devices or (info.get("CDISpecDirs") and not told):
        return GpuSupport("cdi", devices, told)
    return GpuSupport("none", told=told)


def _number(device: str) -> int:
    return int(device.rpartition("=")[2])


def device_requests(count: int, support: GpuSupport, *, runner: str) -> list[DeviceRequest]:
    """The request for this many GPUs; none for 0.

    Args:
        count: how many.
        support: of the daemon that is asked.
        runner: how messages name that daemon.

    Raises:
        NoGpu: the daemon has no way to give them, or fewer.
    """
    if count == 0:
        return []
    if support.way == "nvidia":
        return [DeviceRequest(driver="nvidia", count=count, capabilities=[["gpu"]])]
    if support.way == "none":
        raise NoGpu(
            f"{_asked(count)}, but {runner} has neither NVIDIA's runtime nor CDI devices",
            next_step=_NEXT_STEP,
        )
    devices = support.devices or tuple(f"{_CDI_KIND}={number}" for number in range(count))
    if len(devices) < count:
        raise NoGpu(
            f"{_asked(count)}, but {runner} has {len(devices)} ({', '.join(devices)})", next_step=_NEXT_STEP
        )
    return [DeviceRequest(driver="cdi", device_ids=list(devices[:count]))]


def start_failed_for_gpus(count: int, said: str, *, runner: str) -> NoGpu | None:
    """The error for a container that did not start, when the lack of GPUs is the reason."""
    if count == 0 or not _LACKS_GPUS.search(said):
        return None
    return NoGpu(f"{_asked(count)}, but {runner} could not give them: {said}", next_step=_NEXT_STEP)


def _asked(count: int) -> str:
    return f"{count} {'GPU is' if count == 1 else 'GPUs are'} asked for"
