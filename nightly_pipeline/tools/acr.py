"""Azure ACR: logins through azure-identity, deleting through azure-containerregistry.

Images are copied, tagged and read by our own client, as everywhere: Azure's takes a new token for every single
request, holds manifests parsed rather than as bytes, and uploads from seekable files only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import httpx

from nightly_pipeline.errors import (
    NightlyError,
    RegistryError,
    RegistryForbidden,
    RegistryLoginExpired,
    RegistryThrottled,
    RegistryUnavailable,
)
from nightly_pipeline.settings_registries import RegistrySettings
from nightly_pipeline.tools.registry_auth import Credentials
from nightly_pipeline.tools.registry_errors import Asked, interruption, refusal
from nightly_pipeline.tools.registry_tags import delete_each

ACR_USER = "00000000-0000-0000-0000-000000000000"
_TIMEOUT_S = 30.0
_CHOICES = {
    "service_principal": ("tenant_id", "client_id", "client_secret"),
    "workload_identity": (),
    "managed_identity": (),
    "default": (),
}
_VARIABLES = {
    "tenant_id": "AZURE_TENANT_ID",
    "client_id": "AZURE_CLIENT_ID",
    "client_secret": "AZURE_CLIENT_SECRET",
}


def acr_login(registry: RegistrySettings) -> Credentials:
    """A login for docker and for the distribution protocol.

    A token of the registry has its own password. Everybody else is known to Entra ID, whose token is exchanged
    for one of the registry's own, good for about three hours.

    Raises:
        RegistryForbidden: no Azure credentials are configured, or Entra ID or the registry refuses them.
        RegistryUnavailable: Entra ID or the registry could not be asked.
    """
    with azure_refusals(registry, "no token could be had from Entra ID"):
        access = azure_credential(registry).get_token(f"{registry.audience}/.default").token
    return Credentials(ACR_USER, _exchanged(registry, access))


def azure_credential(registry: RegistrySettings) -> Any:
    """The credential of azure-identity that the profile's `login` names.

    Raises:
        RegistryForbidden: what it needs is not configured.
    """
    from azure import identity

    _require(registry, _CHOICES[registry.login])
    authority: dict[str, Any] = {}
    if registry.authority:
        # Of a cloud that Azure's libraries may not know: they shall not ask the public one about it.
        authority = {"authority": f"https://{registry.authority}", "disable_instance_discovery": True}
    client = {"client_id": registry.client_id} if registry.client_id else {}
    tenant = {"tenant_id": registry.tenant_id} if registry.tenant_id else {}
    if registry.login == "service_principal" and registry.client_secret is not None:
        secret = registry.client_secret.get_secret_value()
        return identity.ClientSecretCredential(**tenant, **client, client_secret=secret, **authority)
    if registry.login == "workload_identity":
        with azure_refusals(registry, "no workload identity"):
            return identity.WorkloadIdentityCredential(**tenant, **client, **authority)
    if registry.login == "managed_identity":
        return identity.ManagedIdentityCredential(client_id=registry.client_id)
    return identity.DefaultAzureCredential(exclude_interactive_browser_credential=True, **authority)


def acr_client(registry: RegistrySettings) -> Any:
    """Azure's own client of the registry. For one short task: it keeps no token."""
    from azure.containerregistry import ContainerRegistryClient

    endpoint = f"{'http' if registry.insecure else 'https'}://{registry.host}"
    return ContainerRegistryClient(endpoint, azure_credential(registry), audience=registry.audience)


def delete_from_acr(registry: RegistrySettings, digests: Sequence[str]) -> Mapping[str, str]:
    """Delete manifests with all their tags, in this order; return why, for those that are still there.

    What was not there is gone, too. A registry that could not be asked is not asked again for the rest.
    """
    with acr_client(registry) as client:

        def delete(digest: str) -> None:
            with azure_refusals(registry, f"{registry.repository}@{digest} could not be deleted"):
                client.delete_manifest(registry.repository, digest, **plain_http(registry))

        return delete_each(delete, digests)


def plain_http(registry: RegistrySettings) -> dict[str, bool]:
    """What Azure's client wants to be told with each call to a registry that speaks plain HTTP."""
    return {"enforce_https": False} if registry.insecure else {}


@contextmanager
def azure_refusals(registry: RegistrySettings, what: str) -> Iterator[None]:
    """Turn what Azure's libraries raise into our errors. What they say may quote a request: its codes are kept.

    Raises:
        RegistryForbidden, RegistryLoginExpired: Entra ID or the registry refuses.
        RegistryThrottled, RegistryUnavailable: it could not be asked.
    """
    from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

    asked = f"acr ({registry.host}): {what}"
    try:
        yield
    except ClientAuthenticationError as error:
        raise _forbidden(error, asked) from None
    except HttpResponseError as error:
        raise _refused(error, asked) from None
    except AzureError as error:
        raise RegistryUnavailable(f"{asked}: {type(error).__name__}") from None
    except ValueError as error:  # azure-identity's, for what is not configured; it quotes no secret
        raise RegistryForbidden(f"{asked}: {_first_line(error)}") from None


def _forbidden(error: Exception, asked: str) -> NightlyError:
    from azure.core.exceptions import ServiceRequestError, ServiceResponseError

    said = _first_line(error)
    # azure-identity calls it a refusal, too, when nobody answers.
    if isinstance(error.__cause__, ServiceRequestError | ServiceResponseError):
        return RegistryUnavailable(f"{asked}: {said}")
    if "AADSTS7000222" in said or "expired" in said.lower():
        return RegistryLoginExpired(f"{asked}: {said}", next_step="Renew the client secret in Entra ID.")
    return RegistryForbidden(
        f"{asked}: {said}",
        next_step="Check `login` of this registry and Azure's variables; see docs/registries.md.",
    )


def _refused(error: Any, asked: str) -> NightlyError:
    status = error.status_code or 0
    message = f"{asked}: {status} {error.reason or ''}".rstrip()
    if status == httpx.codes.TOO_MANY_REQUESTS:
        return RegistryThrottled(message)
    if status in {401, 403}:
        return RegistryForbidden(
            message, next_step="Give this identity the role: AcrPush, and AcrDelete to prune."
        )
    if status == httpx.codes.METHOD_NOT_ALLOWED:
        return RegistryError(
            message, next_step="Deleting is not allowed here: the image, or the registry, is locked."
        )
    return RegistryUnavailable(message) if status >= 500 or not status else RegistryError(message)  # noqa: PLR2004


def _exchanged(registry: RegistrySettings, access: str) -> str:
    """A refresh token of the registry for a token of Entra ID."""
    asked = Asked("acr", registry.host, "no login could be had")
    scheme = "http" if registry.insecure else "https"
    form = {"grant_type": "access_token", "service": registry.host, "access_token": access}
    if registry.tenant_id:
        form["tenant"] = registry.tenant_id
    try:
        answer = httpx.post(f"{scheme}://{registry.host}/oauth2/exchange", data=form, timeout=_TIMEOUT_S)
    except httpx.TransportError as error:
        raise interruption(error, asked) from None
    if answer.status_code != httpx.codes.OK:
        raise refusal(answer, asked, [access])
    try:
        return str(answer.json()["refresh_token"])
    except (ValueError, LookupError, TypeError):
        raise RegistryError(f"{asked}: what answered gives no token") from None


def _require(registry: RegistrySettings, fields: Sequence[str]) -> None:
    missing = [name for name in fields if getattr(registry, name) is None]
    if missing:
        raise RegistryForbidden(
            f"acr ({registry.host}): login {registry.login!r} needs {', '.join(missing)}",
            next_step=f"Set {', '.join(_VARIABLES[name] for name in missing)}.",
        )


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0].split(" Trace ID:")[0][:300]
