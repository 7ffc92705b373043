from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from nightly_pipeline.errors import EnvironmentNotReady, RegistryUnavailable
from nightly_pipeline.model.host import (
    BuildNeed,
    DaemonFacts,
    GpuNeed,
    GpuSupport,
    HostNeeds,
    ImageNeed,
    Interpreter,
    PortHolder,
    RegistryNeed,
)
from nightly_pipeline.steps.doctor import Finding, Readiness, doctor, is_ready
from nightly_pipeline.steps.doctor_checks import checks_for, daemon_checks
from nightly_pipeline.steps.doctor_registries import registry_checks
from tests.fakes.registry_probe import FakeRegistryProbe

OK, MISSING, WARNING = Readiness.OK, Readiness.MISSING, Readiness.WARNING
GIB = 1024**3
PATIENT_S = 300.0
QEMU = Interpreter("/usr/libexec/qemu-binfmt/aarch64-binfmt-P", flags="PF", enabled=True)
REMOTE = "ssh://runner.example"

NEEDS = HostNeeds(
    root=Path("/project"),
    home=Path("/project/.nightly"),
    source="/project",
    free_gib=5.0,
    webserver="http://127.0.0.1:3000",
    builds=(BuildNeed("cpu-amd", None, "linux/amd64"), BuildNeed("cpu-arm", None, "linux/arm64")),
    registries=(
        RegistryNeed("ecr", "localhost:5000", insecure=True),
        RegistryNeed("acr", "localhost:5001", insecure=True),
    ),
    base_image=ImageNeed("localhost:5000/base:1", insecure=True, platforms=("linux/amd64", "linux/arm64")),
    gpus=(GpuNeed("gpu-l40", None, 0),),
)


@dataclass
class Machine:
    """A machine that lacks nothing, until a test says otherwise."""

    python: tuple[int, ...] = (3, 12, 1)
    differences: list[str] = field(default_factory=list)
    cli: str | None = "Docker version 28.2.2"
    plugin: str | None = "buildx 0.13.1"
    daemons: dict[str | None, DaemonFacts] = field(
        default_factory=lambda: {
            None: DaemonFacts(
                "vm", "26.1.5", "linux/amd64", True, "/var/lib/docker", GpuSupport("none", told=True)
            )
        }
    )
    emulators: list[Interpreter] = field(default_factory=lambda: [QEMU])
    registries: dict[str, int] = field(default_factory=lambda: {"localhost:5000": 200, "localhost:5001": 200})
    images: dict[str, frozenset[str]] = field(
        default_factory=lambda: {"localhost:5000/base:1": frozenset({"linux/amd64", "linux/arm64"})}
    )
    heads: dict[str, str] = field(default_factory=lambda: {"/project": "a" * 40})
    free: dict[str, int] = field(
        default_factory=lambda: {"/var/lib/docker": 100 * GIB, "/project/.nightly": 100 * GIB}
    )
    cosign_path: str | None = "/usr/bin/cosign"
    holder: PortHolder = field(default_factory=lambda: PortHolder("free"))
    files: set[str] = field(
        default_factory=lambda: {
            "/project/dagster.yaml",
            "/project/workspace.yaml",
            "/project/requirements.lock",
        }
    )

    def python_version(self) -> tuple[int, ...]:
        return self.python

    def package_differences(self, lock: Path) -> list[str]:
        return self.differences

    def docker_cli(self) -> str | None:
        return self.cli

    def buildx(self) -> str | None:
        return self.plugin

    def cosign(self) -> str | None:
        return self.cosign_path

    def daemon(self, docker_host: str | None) -> DaemonFacts:
        if docker_host not in self.daemons:
            raise EnvironmentNotReady(f"the Docker daemon at {docker_host} does not answer")
        return self.daemons[docker_host]

    def interpreters(self, architecture: str) -> list[Interpreter]:
        return self.emulators if architecture == "arm64" else []

    def registry_status(self, host: str, *, insecure: bool) -> int:
        if host not in self.registries:
            raise RegistryUnavailable(f"{host} refused")
        return self.registries[host]

    def image_platforms(self, reference: str, *, insecure: bool) -> frozenset[str] | None:
        return self.images.get(reference)

    def head_of(self, repository: str) -> str | None:
        return self.heads.get(repository)

    def free_bytes(self, path: Path) -> int:
        return self.free[str(path)]

    def port_holder(self, address: str) -> PortHolder:
        return self.holder

    def is_file(self, path: Path) -> bool:
        return str(path) in self.files

    def with_daemon(self, **changes: object) -> Machine:
        self.daemons[None] = replace(self.daemons[None], **changes)
        return self


def look(machine: Machine, needs: HostNeeds = NEEDS) -> dict[str, Finding]:
    registries = {need.role: FakeRegistryProbe() for need in needs.registries}
    return {
        finding.name: finding
        for finding in doctor(checks_for(needs, machine, registries), deadline_s=PATIENT_S)
    }


def only_not_ok(machine: Machine, needs: HostNeeds = NEEDS) -> Finding:
    (finding,) = [finding for finding in look(machine, needs).values() if finding.status is not OK]
    return finding


def test_a_machine_that_lacks_nothing():
    findings = look(Machine())
    assert {finding.status for finding in findings.values()} == {OK}
    assert not any(finding.remedy for finding in findings.values())
    assert list(findings) == [
        "Python", "Python packages", "Docker command", "buildx", "Docker daemon (this machine)",
        "Image store (this machine)", "Platform linux/amd64 (this machine)", "Platform linux/arm64 (this machine)",
        "Registry ecr", "Registry acr", "Base image", "Source repository", "Disk (records)", "Disk (images)", "Dagster",
        "Webserver port", "GPUs (gpu-l40)", "Slack",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("machine", "name", "status", "detail"),
    [
        (Machine(python=(3, 10, 4)), "Python", MISSING, "3.10.4"),
        (Machine(differences=["dagster 1.12 instead of 1.13"]), "Python packages", WARNING, "dagster 1.12 instead"),
        (Machine(cli=None), "Docker command", MISSING, "not installed"),
        (Machine(plugin=None), "buildx", MISSING, "not installed"),
        (Machine().with_daemon(containerd_images=False), "Image store (this machine)", WARNING, "not containerd's"),
        (Machine(emulators=[]), "Platform linux/arm64 (this machine)", MISSING, "no emulation"),
        (
            Machine(emulators=[replace(QEMU, flags="P")]),
            "Platform linux/arm64 (this machine)",
            MISSING,
            "not in containers",
        ),
        (Machine(emulators=[replace(QEMU, enabled=False)]), "Platform linux/arm64 (this machine)", MISSING, "no emul"),
        (Machine(registries={"localhost:5000": 200}), "Registry acr", MISSING, "refused"),
        (Machine(registries={"localhost:5000": 200, "localhost:5001": 404}), "Registry acr", MISSING, "answers 404"),
        (Machine(images={}), "Base image", MISSING, "is not there"),
        (
            Machine(images={"localhost:5000/base:1": frozenset({"linux/amd64"})}),
            "Base image",
            MISSING,
            "lacks linux/arm64",
        ),
        (Machine(heads={}), "Source repository", MISSING, "no git repository"),
        (Machine(free={"/var/lib/docker": 4 * GIB, "/project/.nightly": 100 * GIB}), "Disk (images)", MISSING, "4 GiB"),
        (Machine(free={"/var/lib/docker": 8 * GIB, "/project/.nightly": 100 * GIB}), "Disk (images)", WARNING, "8 GiB"),
        (Machine(free={"/var/lib/docker": 100 * GIB, "/project/.nightly": 0}), "Disk (records)", MISSING, "0 GiB"),
        (Machine(files={"/project/dagster.yaml", "/project/requirements.lock"}), "Dagster", MISSING, "workspace.yaml"),
        (Machine(holder=PortHolder("other", " (HTTP)")), "Webserver port", WARNING, "another program"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_each_thing_that_is_not_there_is_named_alone_and_with_its_remedy(machine, name, status, detail):
    finding = only_not_ok(machine)
    assert (finding.name, finding.status) == (name, status)
    assert detail in finding.detail
    assert finding.remedy


def test_without_a_lock_file_nothing_is_claimed_about_packages():
    machine = Machine(files={"/project/dagster.yaml", "/project/workspace.yaml"})
    assert only_not_ok(machine).name == "Python packages"


def test_a_daemon_that_does_not_answer_is_missing_and_so_is_what_it_would_tell():
    findings = look(Machine(daemons={}))
    assert findings["Docker daemon (this machine)"].status is MISSING
    assert findings["Platform linux/arm64 (this machine)"].status is MISSING
    assert not is_ready(findings.values())


def test_a_registry_that_asks_for_a_login_answers():
    machine = Machine(registries={"localhost:5000": 401, "localhost:5001": 200})
    found = {
        finding.name: finding for finding in doctor(registry_checks(NEEDS, machine), deadline_s=PATIENT_S)
    }
    assert found["Registry ecr"].detail == "localhost:5000 answers, and asks for a login"


def test_a_native_platform_needs_no_emulation():
    machine = Machine(emulators=[]).with_daemon(platform="linux/arm64")
    arm_only = replace(NEEDS, builds=(BuildNeed("cpu-arm", None, "linux/arm64"),))
    assert look(machine, arm_only)["Platform linux/arm64 (this machine)"].detail == "native on vm"


def test_a_platform_the_profile_does_not_build_is_not_looked_at():
    amd_only = replace(NEEDS, builds=(BuildNeed("cpu-amd", None, "linux/amd64"),))
    assert not any("arm64" in name for name in look(Machine(emulators=[]), amd_only))


def test_docker_desktop_brings_its_emulation():
    machine = Machine(emulators=[]).with_daemon(emulates="Docker Desktop", local=False)
    assert look(machine)["Platform linux/arm64 (this machine)"].detail == "emulated by Docker Desktop"


def test_a_remote_daemon_is_named_by_its_runners_and_not_vouched_for():
    needs = replace(
        NEEDS,
        builds=(BuildNeed("cpu-arm", REMOTE, "linux/arm64"), BuildNeed("cpu-arm-2", REMOTE, "linux/arm64")),
    )
    machine = Machine()
    machine.daemons[REMOTE] = replace(machine.daemons[None], name="far", local=False)
    findings = look(machine, needs)
    assert findings["Docker daemon (cpu-arm, cpu-arm-2)"].status is OK
    assert findings["Platform linux/arm64 (cpu-arm, cpu-arm-2)"].status is WARNING


@pytest.mark.parametrize(
    ("support", "status", "detail"),
    [
        (GpuSupport("none", told=True), WARNING, "2 asked for; the daemon has 0"),
        (GpuSupport("cdi", ("nvidia.com/gpu=0",), told=True), WARNING, "2 asked for; the daemon has 1"),
        (GpuSupport("cdi"), WARNING, "cannot be seen from here"),
        (GpuSupport("cdi", ("nvidia.com/gpu=0", "nvidia.com/gpu=1"), told=True), OK, "nvidia.com/gpu=1"),
        (GpuSupport("nvidia"), OK, "NVIDIA's runtime"),
    ],
)
def test_gpus_are_found_or_not_and_unknown_is_not_found(support, status, detail):
    needs = replace(NEEDS, gpus=(GpuNeed("gpu-l40", None, 2),))
    finding = look(Machine().with_daemon(gpus=support), needs)["GPUs (gpu-l40)"]
    assert (finding.status, detail in finding.detail) == (status, True)


@pytest.mark.parametrize(("place", "detail"), [("#nightly", "goes to #nightly"), (None, "nothing is sent")])
def test_slack_is_information(place, detail):
    assert detail in look(Machine(), replace(NEEDS, slack=place))["Slack"].detail


def test_the_logins_in_an_address_are_not_shown():
    address = "https://user:token@example.org/project.git"
    findings = look(Machine(heads={address: "b" * 40}), replace(NEEDS, source=address))
    assert findings["Source repository"].detail == f"https://example.org/project.git at {'b' * 12}"


def test_a_base_image_that_is_not_ours_is_not_looked_at():
    assert "Base image" not in look(Machine(images={}), replace(NEEDS, base_image=None))


def test_the_few_checks_a_run_cannot_do_without_stand_alone():
    machine = Machine(daemons={})
    assert not is_ready(doctor(daemon_checks(NEEDS, machine), deadline_s=PATIENT_S))
    assert is_ready(doctor(registry_checks(NEEDS, machine), deadline_s=PATIENT_S))
