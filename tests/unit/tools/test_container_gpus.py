from __future__ import annotations

import json
import socket

import pytest

from nightly_pipeline.errors import NoGpu
from nightly_pipeline.model.host import GpuSupport
from nightly_pipeline.tools.container_gpus import device_requests, gpu_support, start_failed_for_gpus

RUNNER = "the Docker daemon of gpu-l40"


def discovered(*names: str) -> dict[str, object]:
    return {
        "DiscoveredDevices": [{"Source": "cdi", "ID": name} for name in names],
        "CDISpecDirs": ["/etc/cdi"],
    }


def here(tmp_path, **folders: object) -> dict[str, object]:
    return {"Name": socket.gethostname(), "DockerRootDir": str(tmp_path), **folders}


@pytest.mark.parametrize(
    ("info", "support"),
    [
        ({}, GpuSupport("none", told=True)),
        ({"Runtimes": None}, GpuSupport("none", told=True)),
        ({"Runtimes": {"runc": {}}}, GpuSupport("none", told=True)),
        ({"Runtimes": {"runc": {}, "nvidia": {}}}, GpuSupport("nvidia")),
        ({"Runtimes": {"nvidia": {}}, **discovered("nvidia.com/gpu=0")}, GpuSupport("nvidia")),
        (discovered(), GpuSupport("none", told=True)),
        (discovered("vendor.example/nic=0"), GpuSupport("none", told=True)),
        (
            discovered("nvidia.com/gpu=all", "nvidia.com/gpu=10", "nvidia.com/gpu=2", "nvidia.com/gpu=GPU-1"),
            GpuSupport("cdi", ("nvidia.com/gpu=2", "nvidia.com/gpu=10"), told=True),
        ),
        (
            discovered("nvidia.com/gpu=all", "nvidia.com/gpu=GPU-1"),
            GpuSupport("cdi", ("nvidia.com/gpu=GPU-1",), told=True),
        ),
        ({"CDISpecDirs": ["/etc/cdi"], "Name": "elsewhere"}, GpuSupport("cdi")),
        ({"CDISpecDirs": []}, GpuSupport("none", told=True)),
    ],
)
def test_how_a_daemon_gives_gpus(info, support):
    assert gpu_support(info) == support


def test_an_older_daemon_on_this_machine_is_known_by_its_specifications(tmp_path):
    folder = tmp_path / "cdi"
    folder.mkdir()
    document = {"kind": "nvidia.com/gpu", "devices": [{"name": "0"}, {"name": "1"}, {"name": "all"}]}
    (folder / "nvidia.json").write_text(json.dumps(document))
    (folder / "broken.yaml").write_text("devices: [")
    (folder / "empty.yaml").write_text("")
    info = here(tmp_path, CDISpecDirs=[str(folder), str(tmp_path / "absent")])
    assert gpu_support(info) == GpuSupport("cdi", ("nvidia.com/gpu=0", "nvidia.com/gpu=1"), told=True)


def test_an_older_daemon_on_this_machine_without_specifications_has_none(tmp_path):
    assert gpu_support(here(tmp_path, CDISpecDirs=[str(tmp_path)])) == GpuSupport("none", told=True)


def test_a_daemon_seen_through_a_container_of_its_host_is_not_on_this_machine(tmp_path):
    info = here(tmp_path, CDISpecDirs=[str(tmp_path)]) | {"DockerRootDir": str(tmp_path / "not mounted here")}
    assert gpu_support(info) == GpuSupport("cdi")


def test_no_gpu_needs_no_support():
    assert device_requests(0, GpuSupport("none"), runner=RUNNER) == []


def test_nvidias_runtime_is_asked_by_count():
    (request,) = device_requests(2, GpuSupport("nvidia"), runner=RUNNER)
    assert (request.driver, request.count, request.capabilities) == ("nvidia", 2, [["gpu"]])


def test_cdi_is_asked_by_name():
    support = GpuSupport("cdi", ("nvidia.com/gpu=0", "nvidia.com/gpu=3", "nvidia.com/gpu=5"), told=True)
    (request,) = device_requests(2, support, runner=RUNNER)
    assert (request.driver, request.device_ids) == ("cdi", ["nvidia.com/gpu=0", "nvidia.com/gpu=3"])


def test_cdi_names_that_are_not_told_are_numbers():
    (request,) = device_requests(2, GpuSupport("cdi"), runner=RUNNER)
    assert request.device_ids == ["nvidia.com/gpu=0", "nvidia.com/gpu=1"]


@pytest.mark.parametrize("support", [GpuSupport("none"), GpuSupport("cdi", ("nvidia.com/gpu=0",), told=True)])
def test_too_few_gpus_are_said_with_runner_and_counts(support):
    with pytest.raises(NoGpu, match="2 GPUs are asked for, but the Docker daemon of gpu-l40 has"):
        device_requests(2, support, runner=RUNNER)


@pytest.mark.parametrize(
    "said",
    [
        'could not select device driver "nvidia" with capabilities: [[gpu]]',
        "CDI device injection failed: unresolvable CDI devices nvidia.com/gpu=1",
        "nvidia-container-cli: device error: 1: unknown device: unknown",
        "nvidia-container-cli: initialization error: nvml error: driver not loaded",
    ],
)
def test_a_start_that_fails_for_gpus_is_no_gpu(said):
    error = start_failed_for_gpus(2, said, runner=RUNNER)
    assert isinstance(error, NoGpu)
    assert said in error.message
    assert start_failed_for_gpus(0, said, runner=RUNNER) is None


def test_a_start_that_fails_for_another_reason_is_not():
    assert start_failed_for_gpus(1, "no space left on device", runner=RUNNER) is None
