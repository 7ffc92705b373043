"""The profile's registries, opened, and logins for commands that talk to registries by themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from nightly_pipeline.settings import Settings
from nightly_pipeline.tools.clouds import credentials_for
from nightly_pipeline.tools.registry import OciRegistry
from nightly_pipeline.tools.registry_auth import CredentialProvider
from nightly_pipeline.tools.registry_login import docker_config
from nightly_pipeline.tools.registry_manifests import parse_reference


def open_registries(settings: Settings) -> dict[str, OciRegistry]:
    """Every registry of the profile by its role. Nothing is asked yet."""
    return {
        role: OciRegistry(
            role,
            registry.host,
            registry.repository,
            insecure=registry.insecure,
            credentials=credentials_for(registry),
        )
        for role, registry in settings.registries.items()
    }


def digest_behind(reference: str) -> str | None:
    """The digest behind `host/repository:tag`, asked for without a login; None when there is no such tag.

    Raises:
        RegistryError: the registry refused, or could not be asked.
    """
    found = parse_reference(reference)
    local = found.host.split(":")[0] in {"localhost", "127.0.0.1"}
    host = "registry-1.docker.io" if found.host == "docker.io" else found.host
    registry = OciRegistry("base", host, found.repository, insecure=local)
    return registry.digest_of(found.digest or found.tag or "latest")


class RegistryLogins:
    """Fresh logins in a DOCKER_CONFIG of a step's own, which is removed afterwards.

    Args:
        providers: host -> how to log in; hosts without a login are left out.
    """

    def __init__(self, providers: Mapping[str, CredentialProvider]) -> None:
        self._providers = providers

    @classmethod
    def of(cls, settings: Settings) -> RegistryLogins:
        """The logins of a profile's registries."""
        pairs = ((registry.host, credentials_for(registry)) for registry in settings.registries.values())
        return cls({host: provider for host, provider in pairs if provider is not None})

    @contextmanager
    def docker_config(self) -> Iterator[Path | None]:
        """The folder, readable by this user alone; None when no registry needs a login."""
        found = ((host, provider()) for host, provider in self._providers.items())
        logins = {host: login for host, login in found if login is not None}
        with docker_config(logins, user_folder=Path.home() / ".docker") as folder:
            yield folder
