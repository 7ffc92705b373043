from __future__ import annotations

import functools
import re

import pytest
from docker.types import DeviceRequest, HostConfig

from nightly_pipeline.model.requests import ContainerSpec
from nightly_pipeline.tools.container_options import (
    DaemonLimits,
    Placement,
    container_name,
    create_arguments,
    labels,
)

host_config = functools.partial(HostConfig, "1.45")


def spec(**changes: object) -> ContainerSpec:
    fields = {
        "image": "r/x@sha256:0",
        "command": ("pytest", "-m", "a and b"),
        "run_id": "1f3a9c02-aaaa",
        "step": "vllm/amd64/unit_tests",
        "platform": "linux/arm64",
        "deadline_s": 100.0,
    }
    return ContainerSpec(**{**fields, **changes})


def arguments(
    one: ContainerSpec, *, cpus: int = 8, devices: tuple[DeviceRequest, ...] = ()
) -> dict[str, object]:
    placement = Placement(labels={"a": "b"}, devices=list(devices), daemon=DaemonLimits(cpus=cpus))
    return create_arguments(one, placement, host_config=host_config)


def test_every_container_is_hardened_whatever_its_spec():
    options = arguments(spec())["host_config"]
    assert options["CapDrop"] == ["ALL"]
    assert options["SecurityOpt"] == ["no-new-privileges:true"]
    assert options["Init"] is True
    assert options["PidsLimit"] == 4096
    assert not options.get("Privileged")
    assert not options.get("Binds")
    assert not options.get("CapAdd")


def test_memory_is_limited_without_swap():
    options = arguments(spec(memory_bytes=2**30))["host_config"]
    assert (options["Memory"], options["MemorySwap"]) == (2**30, 2**30)


def test_what_is_not_limited_is_left_to_the_daemon():
    options = arguments(spec(pids_limit=None))["host_config"]
    assert not {
        "Memory",
        "MemorySwap",
        "PidsLimit",
        "ShmSize",
        "NanoCpus",
        "Ulimits",
        "DeviceRequests",
    } & set(options)


@pytest.mark.parametrize(("asked", "host", "given"), [(2.5, 8, 2_500_000_000), (64.0, 2, 2_000_000_000)])
def test_cpus_are_limited_to_what_the_host_has(asked, host, given):
    assert arguments(spec(cpus=asked), cpus=host)["host_config"]["NanoCpus"] == given


def test_cpus_are_not_limited_where_the_kernel_cannot():
    assert "NanoCpus" not in arguments(spec(cpus=2.0), cpus=0)["host_config"]
    assert DaemonLimits.of({"NCPU": 8, "CpuCfsQuota": False}) == DaemonLimits(cpus=0)
    assert DaemonLimits.of({"NCPU": 8, "CpuCfsQuota": True}) == DaemonLimits(cpus=8)


def test_locked_memory_and_shared_memory():
    options = arguments(spec(memlock_unlimited=True, shm_bytes=2**30))["host_config"]
    assert options["ShmSize"] == 2**30
    assert options["Ulimits"] == [{"Name": "memlock", "Soft": -1, "Hard": -1}]


def test_gpus_are_passed_on():
    request = DeviceRequest(driver="cdi", device_ids=["nvidia.com/gpu=0"])
    assert arguments(spec(), devices=(request,))["host_config"]["DeviceRequests"] == [request]


def test_the_entrypoint_is_only_replaced_when_given():
    assert "entrypoint" not in arguments(spec())
    assert arguments(spec(entrypoint=("python3",)))["entrypoint"] == ["python3"]


def test_command_platform_and_signal():
    made = arguments(spec(environment={"A": "1"}))
    assert made["command"] == ["pytest", "-m", "a and b"]
    assert (made["platform"], made["stop_signal"], made["environment"]) == (
        "linux/arm64",
        "SIGTERM",
        {"A": "1"},
    )


def test_the_deadline_on_the_label_leaves_time_for_the_grace_and_for_fetching():
    made = labels(spec(grace_s=10.0), owner="me", now=1000.0)
    assert int(made["io.nightly.deadline"]) >= 1000 + 100 + 10 + 60
    assert made["io.nightly.run-id"] == "1f3a9c02-aaaa"
    assert made["io.nightly.step"] == "vllm/amd64/unit_tests"
    assert made["io.nightly.owner"] == "me"


def test_a_spec_cannot_change_the_labels_a_reaper_goes_by():
    made = labels(spec(labels={"io.nightly.owner": "other", "team": "x"}), owner="me", now=0)
    assert (made["io.nightly.owner"], made["team"]) == ("me", "x")


def test_names_are_docker_names_and_all_different():
    hostile = spec(step="a/b: ü" + "x" * 300, run_id="--weird id--")
    made = {container_name(hostile) for _ in range(50)}
    assert len(made) == 50
    assert all(re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{1,200}", name) for name in made)
