"""What the doctor needs to see, as Protocols: the tools implement them, tests bring fakes of their own."""

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
        """HTTP status of GET /v2/ without a login. Raises RegistryError when there is no answer."""
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


class RegistryProbe(Protocol):
    """Asks one registry of the profile, briefly, and leaves nothing behind.

    Each method raises RegistryForbidden when it is refused, RegistryUnavailable when there is no answer, and another
    RegistryError for what else the registry says. No message holds a secret.
    """

    def log_in(self) -> bool:
        """Have the login of the profile; False where it names none."""
        ...

    def accepted(self) -> bool:
        """Send the login where the registry asks for one; whether it did."""
        ...

    def has_repository(self, repository: str) -> bool | None:
        """Whether the repository is there; None where pushing makes it, or where this login may not look."""
        ...

    def read(self, repository: str) -> None:
        """Read a tag that need not exist."""
        ...

    def try_upload(self, repository: str) -> str:
        """Start an upload and cancel it; return why it could not be cancelled, empty when it was."""
        ...
