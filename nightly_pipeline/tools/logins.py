"""The profile's registries, opened, and logins for commands that talk to registries by themselves."""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from nightly_pipeline.settings import Settings
from nightly_pipeline.tools.clouds import credentials_for
from nightly_pipeline.tools.registry import OciRegistry
from nightly_pipeline.tools.registry_auth import CredentialProvider


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
        if not self._providers:
            yield None
            return
        with tempfile.TemporaryDirectory(prefix="nightly-login-") as folder:
            file = Path(folder) / "config.json"
            file.touch(mode=0o600)
            file.write_text(json.dumps({"auths": self._auths()}))
            yield Path(folder)

    def _auths(self) -> dict[str, dict[str, str]]:
        auths = {}
        for host, provider in self._providers.items():
            login = provider()
            if login is not None:
                pair = f"{login.username}:{login.password}".encode()
                auths[host] = {"auth": base64.b64encode(pair).decode()}
        return auths
