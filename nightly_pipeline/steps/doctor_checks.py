"""The prerequisites of a night, each with what is seen of it and how to mend it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from nightly_pipeline.model.host import (
    BuildNeed,
    GpuNeed,
    HostNeeds,
    ImageNeed,
    Interpreter,
)
from nightly_pipeline.model.masking import without_credentials
from nightly_pipeline.steps.doctor import Check, Finding, Readiness
from nightly_pipeline.steps.doctor_registries import ACCESS_S, access_checks
from nightly_pipeline.steps.doctor_supply_chain import supply_chain_checks
from nightly_pipeline.steps.host_probe import HostProbe, RegistryProbe

OLDEST_PYTHON = (3, 11)
SETUP = "Run `make setup`."
_GIB = 1024**3


def checks_for(needs: HostNeeds, probe: HostProbe, registries: Mapping[str, RegistryProbe]) -> list[Check]:
    """All checks, in the order of a table for people: tools first, then services, then information.

    Args:
        needs: of the night.
        probe: looks at the machine.
        registries: ask each registry of the needs, by its role.
    """
    return [
        Check("Python", partial(_python, probe)),
        Check("Python packages", partial(_packages, probe, needs.root / "requirements.lock")),
        Check("Docker command", partial(_docker_cli, probe)),
        Check("buildx", partial(_buildx, probe)),
        *daemon_checks(needs, probe),
        *_platform_checks(needs, probe),
        *access_checks(needs, probe, registries),
        *_base_image_checks(needs, probe),
        *supply_chain_checks(needs, probe),
        Check("Source repository", partial(_source, probe, needs.source)),
        *_disk_checks(needs, probe),
        Check("Dagster", partial(_dagster, probe, needs.root)),
        Check("Webserver port", partial(_port, probe, needs.webserver)),
        *(Check(f"GPUs ({gpus.runner})", partial(_gpus, probe, gpus)) for gpus in needs.gpus),
        Check("Slack", partial(_slack, needs.slack)),
    ]


def daemon_checks(needs: HostNeeds, probe: HostProbe) -> list[Check]:
    """That every daemon answers, and keeps images as multi-platform builds need it."""
    checks: list[Check] = []
    for docker_host, place in _places(needs).items():
        checks += [
            Check(f"Docker daemon ({place})", partial(_daemon, probe, docker_host, place)),
            Check(f"Image store ({place})", partial(_image_store, probe, docker_host, place)),
        ]
    return checks


def _places(needs: HostNeeds) -> dict[str | None, str]:
    """Each daemon, and how a table names it: one that is not here by its runners."""
    wanted: list[BuildNeed | GpuNeed] = [*needs.builds, *needs.gpus]
    runners: dict[str | None, dict[str, None]] = {}
    for need in wanted:
        runners.setdefault(need.docker_host, {})[need.runner] = None
    return {host: ", ".join(names) if host else "this machine" for host, names in runners.items()}


def _platform_checks(needs: HostNeeds, probe: HostProbe) -> list[Check]:
    places = _places(needs)
    wanted = dict.fromkeys((need.docker_host, need.platform) for need in needs.builds)
    return [
        Check(
            f"Platform {platform} ({places[host]})", partial(_platform, probe, host, platform, places[host])
        )
        for host, platform in wanted
    ]


def _base_image_checks(needs: HostNeeds, probe: HostProbe) -> list[Check]:
    if needs.base_image is None:
        return []
    return [Check("Base image", partial(_base_image, probe, needs.base_image), deadline_s=ACCESS_S)]


def _disk_checks(needs: HostNeeds, probe: HostProbe) -> list[Check]:
    return [
        Check("Disk (records)", partial(_disk_of_records, probe, needs)),
        Check("Disk (images)", partial(_disk_of_images, probe, needs)),
    ]


def _ok(name: str, detail: str) -> Finding:
    return Finding(name, Readiness.OK, detail)


def _missing(name: str, detail: str, remedy: str) -> Finding:
    return Finding(name, Readiness.MISSING, detail, remedy)


def _warning(name: str, detail: str, remedy: str) -> Finding:
    return Finding(name, Readiness.WARNING, detail, remedy)


def _python(probe: HostProbe) -> Finding:
    version = probe.python_version()
    written = ".".join(map(str, version[:3]))
    if version[:2] < OLDEST_PYTHON:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        return _missing(
            "Python", written, f"Install Python {oldest} or newer, remove .venv, run `make setup`."
        )
    return _ok("Python", written)


def _packages(probe: HostProbe, lock: Path) -> Finding:
    name = "Python packages"
    if not probe.is_file(lock):
        return _warning(name, f"{lock} is not there to compare with", "Start from the project's root.")
    differences = probe.package_differences(lock)
    if differences:
        return _warning(name, f"not as locked: {_listed(differences)}", SETUP)
    return _ok(name, f"as in {lock.name}")


def _listed(items: list[str], shown: int = 5) -> str:
    more = len(items) - shown
    return ", ".join(items[:shown]) + (f" and {more} more" if more > 0 else "")


def _docker_cli(probe: HostProbe) -> Finding:
    version = probe.docker_cli()
    return _ok("Docker command", version) if version else _missing("Docker command", "not installed", SETUP)


def _buildx(probe: HostProbe) -> Finding:
    version = probe.buildx()
    return _ok("buildx", version) if version else _missing("buildx", "not installed", SETUP)


def _daemon(probe: HostProbe, docker_host: str | None, place: str) -> Finding:
    facts = probe.daemon(docker_host)
    return _ok(f"Docker daemon ({place})", f"{facts.version} on {facts.name}, {facts.platform}")


def _image_store(probe: HostProbe, docker_host: str | None, place: str) -> Finding:
    name = f"Image store ({place})"
    if probe.daemon(docker_host).containerd_images:
        return _ok(name, "containerd's")
    return _warning(
        name,
        "not containerd's: the default builder builds one platform and exports no cache",
        "Set `features.containerd-snapshotter` in the daemon's configuration, or name a builder of the"
        " docker-container driver as `build.builder` in the profile.",
    )


def _platform(probe: HostProbe, docker_host: str | None, platform: str, place: str) -> Finding:
    name = f"Platform {platform} ({place})"
    facts = probe.daemon(docker_host)
    if facts.platform == platform:
        return _ok(name, f"native on {facts.name}")
    if facts.emulates:
        return _ok(name, f"emulated by {facts.emulates}")
    if not facts.local:
        return _warning(
            name,
            f"{facts.name} is {facts.platform}; whether it emulates cannot be seen from here",
            "Make sure of it there, or give the runner a native daemon.",
        )
    return _emulated(name, probe.interpreters(platform.split("/")[1]))


def _emulated(name: str, interpreters: list[Interpreter]) -> Finding:
    enabled = [interpreter for interpreter in interpreters if interpreter.enabled]
    usable = [interpreter for interpreter in enabled if "F" in interpreter.flags]
    if usable:
        return _ok(name, f"emulated by {usable[0].path}")
    if enabled:
        detail = f"emulated by {enabled[0].path}, but not in containers: its flag F is not set"
        return _missing(name, detail, SETUP)
    return _missing(name, "no emulation", SETUP)


def _base_image(probe: HostProbe, image: ImageNeed) -> Finding:
    found = probe.image_platforms(image.reference, insecure=image.insecure)
    if found is None:
        return _missing("Base image", f"{image.reference} is not there", SETUP)
    lacking = sorted(set(image.platforms) - found)
    if lacking:
        return _missing("Base image", f"{image.reference} lacks {', '.join(lacking)}", SETUP)
    return _ok("Base image", f"{image.reference} for {', '.join(sorted(image.platforms))}")


def _source(probe: HostProbe, repository: str) -> Finding:
    head, shown = probe.head_of(repository), without_credentials(repository)
    if head is None:
        return _missing(
            "Source repository",
            f"{shown} is no git repository with a commit",
            "Set `source.repository` in the profile (NIGHTLY_SOURCE_REPOSITORY).",
        )
    return _ok("Source repository", f"{shown} at {head[:12]}")


def _disk_of_records(probe: HostProbe, needs: HostNeeds) -> Finding:
    return _space("Disk (records)", probe.free_bytes(needs.home), needs.free_gib / 10, str(needs.home))


def _disk_of_images(probe: HostProbe, needs: HostNeeds) -> Finding:
    name = "Disk (images)"
    facts = probe.daemon(None)
    if not facts.local:
        return _ok(name, f"{facts.data_root} on {facts.name}, not seen from here")
    return _space(name, probe.free_bytes(Path(facts.data_root)), needs.free_gib, facts.data_root)


def _space(name: str, free: int, needed_gib: float, place: str) -> Finding:
    """Enough for two nights is enough; for one it is a warning."""
    free_gib = free / _GIB
    detail = f"{free_gib:.0f} GiB free at {place}; a night takes about {needed_gib:g} GiB"
    remedy = "Free space: `docker system df`, `docker system prune`, `nightly prune`."
    if free_gib < needed_gib:
        return _missing(name, detail, remedy)
    return _warning(name, detail, remedy) if free_gib < 2 * needed_gib else _ok(name, detail)


def _dagster(probe: HostProbe, root: Path) -> Finding:
    absent = [name for name in ("dagster.yaml", "workspace.yaml") if not probe.is_file(root / name)]
    if absent:
        return _missing(
            "Dagster", f"no {' and no '.join(absent)} in {root}", "Start from the project's root."
        )
    return _ok("Dagster", f"configured in {root}")


def _port(probe: HostProbe, address: str) -> Finding:
    holder = probe.port_holder(address)
    if holder.who == "other":
        return _warning(
            "Webserver port",
            f"another program answers at {address}{holder.detail}",
            "Stop it, or `make ui` cannot serve Dagster's pages there.",
        )
    return _ok("Webserver port", f"{address} {_HOLDERS[holder.who]}")


_HOLDERS = {"free": "is free", "dagster": "is Dagster's webserver"}


def _gpus(probe: HostProbe, need: GpuNeed) -> Finding:
    name = f"GPUs ({need.runner})"
    if need.count == 0:
        return _ok(name, "none are asked for")
    support = probe.daemon(need.docker_host).gpus
    if support.way == "nvidia":
        return _ok(name, f"{need.count}, asked for by NVIDIA's runtime")
    if not support.told:
        return _warning(
            name, f"{need.count}, asked for by CDI device names that cannot be seen from here", _GPU_REMEDY
        )
    if len(support.devices) < need.count:
        return _warning(name, f"{need.count} asked for; the daemon has {len(support.devices)}", _GPU_REMEDY)
    return _ok(name, f"{need.count}, asked for by CDI device names ({', '.join(support.devices)})")


_GPU_REMEDY = (
    "Without them stages fail as infra_error. Use a runner with GPUs, or give the daemon access to them with NVIDIA's"
    " container toolkit."
)


def _slack(place: str | None) -> Finding:
    detail = f"the message goes to {place}" if place else "not configured: nothing is sent"
    return _ok("Slack", detail)
