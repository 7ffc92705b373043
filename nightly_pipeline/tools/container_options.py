"""How a container is made: from a spec and what its daemon can do to the arguments of docker-py. Pure."""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from docker.types import DeviceRequest, LogConfig, Ulimit

from nightly_pipeline.model.requests import ContainerSpec
from nightly_pipeline.tools.ownership import DEADLINE_LABEL, OWNER_LABEL, RUN_LABEL, STEP_LABEL

_UNSAFE = re.compile(r"[^a-zA-Z0-9_.-]+")
_AFTERWARDS_S = 600
"""For what comes after the end: reading the output, fetching results, removing."""

# The daemon's own log is only read when our connection breaks: two files of 64 MiB hold all we would hand on.
_LOG = LogConfig(type="local", config={"max-size": "64m", "max-file": "2", "compress": "false"})


@dataclass(frozen=True)
class DaemonLimits:
    """What a daemon can limit. Asking for more is an error there, so less is asked.

    Attributes:
        cpus: how many its host has; 0 when it cannot limit them.
    """

    cpus: int

    @classmethod
    def of(cls, info: Mapping[str, Any]) -> DaemonLimits:
        """From what `docker info` answers."""
        return cls(cpus=int(info.get("NCPU") or 0) if info.get("CpuCfsQuota", True) else 0)


def container_name(spec: ContainerSpec) -> str:
    """A name of its own, known before the container exists, so that it can be removed whatever happens."""
    step = _UNSAFE.sub("-", spec.step)[:80]
    return f"nightly-{_UNSAFE.sub('-', spec.run_id)[:8]}-{step}-{uuid.uuid4().hex[:8]}"


def labels(spec: ContainerSpec, *, owner: str, now: float) -> dict[str, str]:
    """The spec's labels and those a reaper goes by; a spec cannot change the latter."""
    deadline = math.ceil(now + spec.deadline_s + spec.grace_s + _AFTERWARDS_S)
    return {
        **spec.labels,
        RUN_LABEL: spec.run_id,
        STEP_LABEL: spec.step,
        DEADLINE_LABEL: str(deadline),
        OWNER_LABEL: owner,
    }


@dataclass(frozen=True)
class Placement:
    """What a container is made with beside its spec.

    Attributes:
        labels: all of them.
        devices: how its GPUs are asked for.
        daemon: what its daemon can limit.
        network: name of its network; None is the daemon's default, the bridge.
    """

    labels: Mapping[str, str]
    devices: list[DeviceRequest]
    daemon: DaemonLimits
    network: str | None = None


def create_arguments(
    spec: ContainerSpec, placement: Placement, *, host_config: Callable[..., Any]
) -> dict[str, Any]:
    """The arguments of `APIClient.create_container`, the name apart.

    Args:
        spec: what to run.
        placement: where and as whose.
        host_config: `APIClient.create_host_config`, which knows the daemon's version.
    """
    arguments: dict[str, Any] = {
        "image": spec.image,
        "command": list(spec.command),
        "environment": dict(spec.environment),
        "labels": dict(placement.labels),
        "platform": spec.platform,
        "working_dir": spec.working_dir,
        "stop_signal": "SIGTERM",  # an image may have chosen another one; the deadline's signal is TERM
        "healthcheck": {"test": ["NONE"]},  # an image's health check would start processes beside the tests
        "host_config": host_config(**_host_options(spec, placement)),
    }
    if spec.entrypoint is not None:
        arguments["entrypoint"] = list(spec.entrypoint)
    return arguments


def _host_options(spec: ContainerSpec, placement: Placement) -> dict[str, Any]:
    options: dict[str, Any] = {
        "init": True,  # reaps zombies, and TERM reaches a process that has no handler for it
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "log_config": _LOG,
        "mem_limit": spec.memory_bytes,
        "memswap_limit": spec.memory_bytes,  # the same: no swap
        "pids_limit": spec.pids_limit,
        "shm_size": spec.shm_bytes,
        "network_mode": placement.network,
        "device_requests": placement.devices or None,
    }
    if spec.memlock_unlimited:
        options["ulimits"] = [Ulimit(name="memlock", soft=-1, hard=-1)]
    if spec.cpus is not None and placement.daemon.cpus:
        options["nano_cpus"] = int(min(spec.cpus, placement.daemon.cpus) * 1e9)
    return {name: value for name, value in options.items() if value is not None}
