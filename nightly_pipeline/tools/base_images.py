"""The images that builds start from, asked for with the login a build has: the profile's, else Docker's own."""

from __future__ import annotations

from collections.abc import Callable

from nightly_pipeline.settings import Settings
from nightly_pipeline.settings_registries import RegistrySettings
from nightly_pipeline.tools.clouds import credentials_for
from nightly_pipeline.tools.docker_logins import HUB, users_login
from nightly_pipeline.tools.registry import OciRegistry
from nightly_pipeline.tools.registry_auth import CredentialProvider
from nightly_pipeline.tools.registry_manifests import parse_reference

_HUB_REGISTRY = "registry-1.docker.io"
_LOCAL = frozenset({"localhost", "127.0.0.1"})


def digests_behind(settings: Settings) -> Callable[[str], str | None]:
    """What asks for the digest behind `host/repository:tag`; None when there is no such tag.

    It raises RegistryError when the registry, or who gives the login, refuses or cannot be asked.
    """

    def digest_behind(reference: str) -> str | None:
        found = parse_reference(reference)
        host = _HUB_REGISTRY if found.host == HUB else found.host
        own, login = registry_at(settings, found.host), login_for(settings, found.host)
        insecure = own.insecure if own is not None else found.host.partition(":")[0] in _LOCAL
        with OciRegistry("base", host, found.repository, insecure=insecure, credentials=login) as registry:
            return registry.digest_of(found.digest or found.tag or "latest")

    return digest_behind


def login_for(settings: Settings, host: str) -> CredentialProvider:
    """How to log in to a host that images are read from.

    As a registry of the profile where it is one that has a login, else as Docker's own configuration says, which a
    build goes by too; else it is anonymous.
    """
    own = registry_at(settings, host)
    of_profile = credentials_for(own) if own is not None else None
    return of_profile or (lambda: users_login(host))


def registry_at(settings: Settings, host: str) -> RegistrySettings | None:
    """The registry of the profile at a host, the primary before others; None where there is none."""
    roles = (settings.primary, *settings.registries)
    return next((settings.registries[role] for role in roles if settings.registries[role].host == host), None)
