"""Which cloud a registry of the profile is in, and so how to log in to it. Fetched right before each use."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from nightly_pipeline.errors import RegistryForbidden
from nightly_pipeline.settings_registries import RegistrySettings
from nightly_pipeline.tools.acr import acr_login, delete_from_acr
from nightly_pipeline.tools.ecr import EcrRepositories, ecr_client, ecr_login
from nightly_pipeline.tools.registry_auth import CredentialProvider, Credentials
from nightly_pipeline.tools.registry_tags import DeleteMany, delete_from_ecr


def credentials_for(registry: RegistrySettings) -> CredentialProvider | None:
    """How to log in to a registry of the profile; None is anonymous."""
    if registry.username is not None:
        return lambda: _by_password(registry)
    if registry.kind == "ecr":
        return lambda: ecr_login(registry)
    if registry.kind == "acr":
        return lambda: acr_login(registry)
    return None


def repositories_of(registry: RegistrySettings) -> Callable[[], None]:
    """What makes sure of a registry's repositories before something is written. Only ECR wants them made."""
    return EcrRepositories(registry).require if registry.kind == "ecr" else _nothing


def deletes_in(registry: RegistrySettings) -> DeleteMany | None:
    """How manifests are deleted by the cloud's own means; None where the distribution protocol can."""
    if registry.kind == "ecr":

        def from_ecr(digests: Sequence[str]) -> Mapping[str, str]:
            client, account = ecr_client(registry), registry.ecr_account
            return delete_from_ecr(client, registry.repository, digests, account=account)

        return from_ecr
    if registry.kind == "acr" and registry.login != "token":
        return lambda digests: delete_from_acr(registry, digests)
    return None


def _nothing() -> None:
    """Nothing has to be there first."""


def _by_password(registry: RegistrySettings) -> Credentials:
    if registry.password is None:
        raise RegistryForbidden(
            f"{registry.host}: there is no password for {registry.username}",
            next_step="Set NIGHTLY_REGISTRY_{ROLE}_PASSWORD, with the registry's role in the profile.",
        )
    return Credentials(registry.username or "", registry.password.get_secret_value())
