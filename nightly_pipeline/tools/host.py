"""Looks at this machine and at what it reaches, each look within a few seconds: what the doctor goes by."""

from __future__ import annotations

import shutil
import sys
import threading
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from packaging.requirements import InvalidRequirement, Requirement

from nightly_pipeline.errors import ProcessError
from nightly_pipeline.model.host import DaemonFacts, Interpreter, PortHolder
from nightly_pipeline.tools import process
from nightly_pipeline.tools.container_daemon import open_daemon
from nightly_pipeline.tools.container_gpus import gpu_support, is_on_this_machine
from nightly_pipeline.tools.git_command import CALM
from nightly_pipeline.tools.registry import OciRegistry
from nightly_pipeline.tools.registry_auth import CredentialProvider
from nightly_pipeline.tools.registry_client import ClientSettings
from nightly_pipeline.tools.registry_errors import Asked, interruption
from nightly_pipeline.tools.registry_manifests import parse_reference, read_manifest

LOOK_S = 4.0
"""Seconds one look may take."""

_BINFMT = Path("/proc/sys/fs/binfmt_misc")
_EMULATOR_NAMES = {"arm64": "aarch64", "amd64": "x86_64"}
_EMULATING = ("Docker Desktop", "OrbStack")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class LocalHostProbe:
    """Implements `steps.host_probe.HostProbe`. Daemons are asked once, however many checks go by them.

    Args:
        look_s: seconds one look may take.
        binfmt: where the kernel says what runs programs of other architectures.
        login_for: gives the login for a host that images are read from; None reads them without.
    """

    def __init__(
        self,
        *,
        look_s: float = LOOK_S,
        binfmt: Path = _BINFMT,
        login_for: Callable[[str], CredentialProvider] | None = None,
    ) -> None:
        self._look_s = look_s
        self._binfmt = binfmt
        self._login_for = login_for
        self._daemons: dict[str | None, DaemonFacts] = {}
        self._locks: dict[str | None, threading.Lock] = {}
        self._lock = threading.Lock()

    def python_version(self) -> tuple[int, ...]:
        """Of the interpreter that runs this."""
        return sys.version_info[:3]

    def package_differences(self, lock: Path) -> list[str]:
        """Where the installed packages differ from a lock file (requirements with `==`), in words."""
        locked = [_requirement(line) for line in lock.read_text(encoding="utf-8").splitlines()]
        differences = [_difference(requirement) for requirement in locked if requirement is not None]
        return [difference for difference in differences if difference]

    def docker_cli(self) -> str | None:
        """Version of the `docker` command; None when there is none."""
        return self._version("docker", "--version")

    def buildx(self) -> str | None:
        """Version of its buildx plugin; None when there is none."""
        return self._version("docker", "buildx", "version")

    def cosign(self) -> str | None:
        """Where the `cosign` command is; None when there is none."""
        return shutil.which("cosign")

    def _version(self, *argv: str) -> str | None:
        try:
            return process.run(argv, deadline_s=self._look_s, grace_s=0.5).stdout.strip()
        except ProcessError:
            return None

    def daemon(self, docker_host: str | None) -> DaemonFacts:
        """The daemon there. Raises EnvironmentNotReady when none answers."""
        with self._lock:
            lock = self._locks.setdefault(docker_host, threading.Lock())
        with lock:
            if docker_host not in self._daemons:
                self._daemons[docker_host] = self._ask(docker_host)
            return self._daemons[docker_host]

    def _ask(self, docker_host: str | None) -> DaemonFacts:
        with open_daemon(docker_host, timeout_s=int(self._look_s)) as client:
            return daemon_facts(client.info(), client.version())

    def interpreters(self, architecture: str) -> list[Interpreter]:
        """What runs programs of an architecture on this machine; empty where the kernel does not tell."""
        name = _EMULATOR_NAMES.get(architecture, architecture)
        if not self._binfmt.is_dir():
            return []
        entries = [
            entry for entry in sorted(self._binfmt.iterdir()) if entry.name not in ("register", "status")
        ]
        found = [_interpreter(entry.read_text(encoding="utf-8", errors="replace")) for entry in entries]
        return [one for one in found if name in Path(one.path).name]

    def registry_status(self, host: str, *, insecure: bool) -> int:
        """HTTP status of GET /v2/ without a login. Raises RegistryError when there is no answer."""
        scheme = "http" if insecure else "https"
        try:
            return self._get(f"{scheme}://{host}/v2/").status_code
        except httpx.TransportError as error:
            raise interruption(error, Asked("registry", host, "no answer")) from error

    def _get(self, address: str) -> httpx.Response:
        """Past proxies on this machine: they are for what is elsewhere."""
        is_elsewhere = urlsplit(address).hostname not in _LOOPBACK
        return httpx.get(address, timeout=self._look_s, trust_env=is_elsewhere)

    def image_platforms(self, reference: str, *, insecure: bool) -> frozenset[str] | None:
        """The platforms of an image in a registry; None when it is absent."""
        image = parse_reference(reference)
        settings = ClientSettings(
            connect_timeout_s=self._look_s, read_timeout_s=self._look_s, attempts=1, parallel_blobs=1
        )
        login = self._login_for(image.host) if self._login_for else None
        with OciRegistry(
            "base", image.host, image.repository, insecure=insecure, settings=settings, credentials=login
        ) as registry:
            found = registry.manifest(image.digest or image.tag or "latest")
            if found is None:
                return None
            manifest = read_manifest(*found)
            if manifest.is_index:
                return frozenset(str(child.platform) for child in manifest.platforms)
            config = registry.config_of(manifest.digest)
            return frozenset({f"{config.get('os')}/{config.get('architecture')}"})

    def head_of(self, repository: str) -> str | None:
        """The commit at the head of a git repository (a path or an address); None when it is none."""
        if Path(repository).exists():
            argv = ["git", "-C", repository, "rev-parse", "--verify", "HEAD^{commit}"]
        else:
            argv = ["git", "ls-remote", "--exit-code", "--", repository, "HEAD"]
        completed = process.run(argv, deadline_s=self._look_s, env=CALM, check=False, grace_s=0.5)
        words = completed.stdout.split()
        return words[0] if completed.exit_code == 0 and words else None

    def free_bytes(self, path: Path) -> int:
        """Free space where a path is, or would be made."""
        there = next(place for place in (path.absolute(), *path.absolute().parents) if place.exists())
        return shutil.disk_usage(there).free

    def port_holder(self, address: str) -> PortHolder:
        """Who answers at an http address: Dagster's webserver says so itself."""
        try:
            answer = self._get(f"{address.rstrip('/')}/server_info")
            document = answer.json()
        except httpx.ConnectError:
            return PortHolder("free")
        except (httpx.HTTPError, ValueError) as error:
            return PortHolder("other", f" ({type(error).__name__})")
        if isinstance(document, dict) and "dagster_webserver_version" in document:
            return PortHolder("dagster")
        return PortHolder("other")

    def is_file(self, path: Path) -> bool:
        """Whether there is such a file."""
        return path.is_file()


def daemon_facts(info: Mapping[str, Any], version: Mapping[str, Any]) -> DaemonFacts:
    """What `docker info` and `docker version` say, as facts."""
    system = str(info.get("OperatingSystem") or "")
    drivers = [tuple(pair) for pair in info.get("DriverStatus") or ()]
    return DaemonFacts(
        name=str(info.get("Name") or "?"),
        version=str(version.get("Version") or "?"),
        platform=f"{version.get('Os')}/{version.get('Arch')}",
        containerd_images=("driver-type", "io.containerd.snapshotter.v1") in drivers,
        data_root=str(info.get("DockerRootDir") or "?"),
        gpus=gpu_support(info),
        local=is_on_this_machine(info),
        emulates=next((name for name in _EMULATING if name in system), ""),
    )


def _requirement(line: str) -> Requirement | None:
    """The requirement on a line of a lock file; None for comments, hashes and what is for other systems."""
    try:
        requirement = Requirement(line.rstrip("\\ "))
    except InvalidRequirement:
        return None
    return requirement if requirement.marker is None or requirement.marker.evaluate() else None


def _difference(requirement: Requirement) -> str | None:
    try:
        installed = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return f"{requirement.name} is not installed"
    if requirement.specifier.contains(installed, prereleases=True):
        return None
    return f"{requirement.name} {installed} instead of {str(requirement.specifier).removeprefix('==')}"


def _interpreter(entry: str) -> Interpreter:
    """One file of binfmt_misc: `enabled`, then lines of `name value`."""
    lines = entry.splitlines()
    fields = dict(line.replace(":", "", 1).split(" ", 1) for line in lines[1:] if " " in line)
    return Interpreter(
        path=fields.get("interpreter", ""),
        flags=fields.get("flags", ""),
        enabled=bool(lines) and lines[0] == "enabled",
    )
