"""The profile's registries, opened, and logins for commands that talk to registries by themselves."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import stamina

from nightly_pipeline.errors import RegistryError, RegistryUnavailable, UsageError
from nightly_pipeline.settings import Settings
from nightly_pipeline.settings_registries import RegistrySettings
from nightly_pipeline.tools.base_images import registry_at
from nightly_pipeline.tools.buildx import BuildxBuilder
from nightly_pipeline.tools.buildx_lasting import LastingBuilder
from nightly_pipeline.tools.clouds import credentials_for, deletes_in, repositories_of
from nightly_pipeline.tools.docker_logins import HUB, HUB_KEY, users_folder
from nightly_pipeline.tools.registry import OciRegistry
from nightly_pipeline.tools.registry_auth import CredentialProvider, Credentials
from nightly_pipeline.tools.registry_login import docker_config, write_logins
from nightly_pipeline.tools.registry_manifests import parse_reference

_ATTEMPTS, _WAIT_S, _WAIT_MAX_S = 4, 1.0, 30.0


def open_registries(settings: Settings) -> dict[str, OciRegistry]:
    """Every registry of the profile by its role. Nothing is asked yet."""
    return {role: _open(role, registry) for role, registry in settings.registries.items()}


def _open(role: str, registry: RegistrySettings) -> OciRegistry:
    return OciRegistry(
        role,
        registry.host,
        registry.repository,
        insecure=registry.insecure,
        credentials=credentials_for(registry),
        delete_many=deletes_in(registry),
        before_writing=repositories_of(registry),
    )


def builder_of(settings: Settings, builder: BuildxBuilder, logins: RegistryLogins) -> LastingBuilder:
    """The builder, with what the profile's registries need of it: repositories first, logins that last."""
    primary = settings.registries[settings.primary]
    return LastingBuilder(builder, renew=logins.renew, prepare=repositories_of(primary))


class RegistryLogins:
    """Fresh logins in a DOCKER_CONFIG of a step's own, which is removed afterwards.

    Args:
        providers: host -> how to log in; hosts without a login are left out.
        optional: hosts whose login may be missing: whoever talks to them is refused there, and not everywhere.
        asked: hosts the user's own credential store is asked for, beside those that the user's configuration names.
    """

    def __init__(
        self,
        providers: Mapping[str, CredentialProvider],
        *,
        optional: Collection[str] = (),
        asked: Collection[str] = (),
    ) -> None:
        self._providers = providers
        self._optional = frozenset(optional)
        self._asked = tuple(asked)

    @classmethod
    def of(cls, settings: Settings) -> RegistryLogins:
        """The logins of all registries of a profile. Only the primary's must be had: it may be the only one up."""
        found = {registry.host: credentials_for(registry) for registry in settings.registries.values()}
        providers = {host: provider for host, provider in found.items() if provider is not None}
        return cls(providers, optional=found.keys() - {settings.registries[settings.primary].host})

    @classmethod
    def of_primary(cls, settings: Settings) -> RegistryLogins:
        """The primary registry's login: runners pull from there, and from nowhere else.

        The others are not asked: one of them may be down, and no stage waits or fails for it.
        """
        return cls.of_builds(settings, [])

    @classmethod
    def of_builds(cls, settings: Settings, bases: Iterable[str]) -> RegistryLogins:
        """The primary registry's login, where builds push to, and those of the profile that `bases` are read with.

        A registry that holds nothing a build needs is not asked. One that holds a base may do without its login: the
        build that is refused there says so. Bases elsewhere are read with what the user's configuration has for them.
        """
        primary = settings.registries[settings.primary].host
        hosts = dict.fromkeys([primary, *_hosts_of(bases)])
        registries = {host: registry_at(settings, host) for host in hosts}
        found = {host: credentials_for(own) for host, own in registries.items() if own is not None}
        providers = {host: provider for host, provider in found.items() if provider is not None}
        elsewhere = [HUB_KEY if host == HUB else host for host in hosts if host not in providers]
        return cls(providers, optional=providers.keys() - {primary}, asked=elsewhere)

    @contextmanager
    def docker_config(self) -> Iterator[Path | None]:
        """The folder, readable by this user alone; None when no registry needs a login.

        Raises:
            RegistryForbidden: a login is refused, or not configured.
            RegistryUnavailable: whoever gives it could not be asked, several times.
        """
        with docker_config(self._logins(), user_folder=users_folder(), asked=self._asked) as folder:
            yield folder

    def renew(self, folder: Path) -> None:
        """Put logins that are fresh now into a folder that `docker_config` gave. Raises like it."""
        write_logins(folder, self._logins(), user_folder=users_folder(), asked=self._asked)

    def _logins(self) -> dict[str, Credentials]:
        found = ((host, self._login(host, provider)) for host, provider in self._providers.items())
        return {host: login for host, login in found if login is not None}

    def _login(self, host: str, provider: CredentialProvider) -> Credentials | None:
        try:
            return _patiently(provider)
        except RegistryError:
            if host in self._optional:
                return None
            raise


def _hosts_of(references: Iterable[str]) -> list[str]:
    """The hosts of images; what is no reference has none, and its build says so."""
    hosts = []
    for reference in references:
        with suppress(UsageError):
            hosts.append(parse_reference(reference).host)
    return hosts


def _patiently(provider: CredentialProvider) -> Credentials | None:
    for attempt in stamina.retry_context(
        on=RegistryUnavailable, attempts=_ATTEMPTS, wait_initial=_WAIT_S, wait_max=_WAIT_MAX_S, timeout=None
    ):
        with attempt:
            return provider()
    raise AssertionError  # pragma: no cover - the loop returns or raises
