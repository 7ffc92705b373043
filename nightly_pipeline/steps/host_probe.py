"""What the doctor needs to see of a machine, as a Protocol: the tools implement it, tests bring a fake of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from nightly_pipeline.model.host import DaemonFacts, Interpreter, PortHolder


class HostProbe(Protocol):
    """Looks at a machine. Each method raises NightlyError or OSError when it cannot find out."""

    def python_version(self) -> tuple[int, ...]:
        """Of the interpreter that runs this."""
        ...

    def package_differences(self, lock: Path) -> list[str]:
        """Where the installed packages differ from a lock file, in words."""
        ...

    def docker_cli(self) -> str | None:
        """Version of the `docker` command; None when there is none."""
        ...

    def buildx(self) -> str | None:
        """Version of its buildx plugin; None when there is none."""
        ...

    def cosign(self) -> str | None:
        """Where the `cosign` command is; None when there is none."""
        ...

    def daemon(self, docker_host: str | None) -> DaemonFacts:
        """The daemon there. Raises EnvironmentNotReady when none answers."""
        ...

    def interpreters(self, architecture: str) -> list[Interpreter]:
        """What runs programs of an architecture (`arm64`) on this machine."""
        ...

    def registry_status(self, host: str, *, insecure: bool) -> int:
        """HTTP status of GET /v2/."""
        ...

    def image_platforms(self, reference: str, *, insecure: bool) -> frozenset[str] | None:
        """The platforms of an image in a registry; None when it is absent."""
        ...

    def head_of(self, repository: str) -> str | None:
        """The commit at the head of a git repository (a path or an address); None when it is none."""
        ...

    def free_bytes(self, path: Path) -> int:
        """Free space where a path is, or would be made."""
        ...

    def port_holder(self, address: str) -> PortHolder:
        """Who answers at an http address."""
        ...

    def is_file(self, path: Path) -> bool:
        """Whether there is such a file."""
        ...
