"""Asking a Docker daemon for GPUs, in the two ways there are: NVIDIA's runtime, and CDI device names."""

from __future__ import annotations

import logging
import re
import socket
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from docker.types import DeviceRequest

from nightly_pipeline.errors import NoGpu
from nightly_pipeline.model.host import GpuSupport

_log = logging.getLogger(__name__)

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


def gpu_support(info: Mapping[str, Any]) -> GpuSupport:
    """How a daemon gives GPUs to containers, from what `docker info` answers.

    NVIDIA's runtime goes first: it finds devices by itself. Newer daemons list the CDI devices they discovered. Older
    ones only say where they look for them, so we look there too when that is on this machine.
    """
    if "nvidia" in (info.get("Runtimes") or {}):
        return GpuSupport("nvidia")
    discovered, folders = info.get("DiscoveredDevices"), info.get("CDISpecDirs") or ()
    if discovered is not None:
        return _by_name(str(device.get("ID")) for device in discovered if device.get("Source") == "cdi")
    if folders and is_on_this_machine(info):
        return _by_name(cdi_devices(map(Path, folders)))
    return GpuSupport("cdi") if folders else GpuSupport("none", told=True)


def _by_name(names: Iterable[str]) -> GpuSupport:
    """A device has several names (its number, its UUID, `all`): numbers where there are any."""
    devices = {name for name in names if name.startswith(f"{_CDI_KIND}=") and name != f"{_CDI_KIND}=all"}
    numbered = sorted(filter(_NUMBERED.fullmatch, devices), key=_number)
    usable = tuple(numbered or sorted(devices))
    return GpuSupport("cdi" if usable else "none", usable, told=True)


def _number(device: str) -> int:
    return int(device.rpartition("=")[2])


def is_on_this_machine(info: Mapping[str, Any]) -> bool:
    """Whether the daemon's files are ours to see: its host's name is ours, and its data are where it says."""
    return info.get("Name") == socket.gethostname() and Path(info.get("DockerRootDir") or "/none").exists()


def cdi_devices(folders: Iterable[Path]) -> Iterator[str]:
    """The names that CDI specifications in these folders declare; what cannot be read declares none."""
    for folder in folders:
        for path in sorted((*folder.glob("*.json"), *folder.glob("*.yaml"))):
            try:
                document = yaml.safe_load(path.read_text(encoding="utf-8"))
                yield from [f"{document['kind']}={device['name']}" for device in document["devices"]]
            except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
                _log.warning("the CDI specification %s cannot be read", path, exc_info=True)


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
