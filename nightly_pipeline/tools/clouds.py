"""Logins of the cloud registries. Fetched right before each use: a build can outlive a token."""

from __future__ import annotations

import base64

import httpx

from nightly_pipeline.errors import RegistryForbidden, RegistryUnavailable
from nightly_pipeline.settings_registries import RegistrySettings
from nightly_pipeline.tools.registry_auth import CredentialProvider, Credentials

ACR_USER = "00000000-0000-0000-0000-000000000000"
_ACR_SCOPE = "https://management.azure.com/.default"
_TIMEOUT_S = 30.0


def credentials_for(registry: RegistrySettings) -> CredentialProvider | None:
    """How to log in to a registry of the profile; None is anonymous."""
    if registry.kind == "ecr":
        return lambda: ecr_credentials(registry)
    if registry.kind == "acr":
        return lambda: acr_credentials(registry)
    return None


def ecr_credentials(registry: RegistrySettings) -> Credentials:
    """A token of GetAuthorizationToken, good for 12 hours.

    Raises:
        RegistryForbidden: AWS knows us and refuses, or no AWS credentials are configured.
        RegistryUnavailable: AWS could not be asked.
    """
    import boto3  # slow to import, and needed where ECR is
    from botocore.exceptions import BotoCoreError, ClientError

    arguments = {"registryIds": [registry.account]} if registry.account else {}
    try:
        answer = boto3.client("ecr", region_name=registry.region).get_authorization_token(**arguments)
    except ClientError as error:
        raise RegistryForbidden(f"{registry.host}: AWS refused a login: {error}") from error
    except BotoCoreError as error:
        raise RegistryUnavailable(f"{registry.host}: AWS could not be asked for a login: {error}") from error
    token = base64.b64decode(answer["authorizationData"][0]["authorizationToken"]).decode()
    username, _, password = token.partition(":")
    return Credentials(username, password)


def acr_credentials(registry: RegistrySettings) -> Credentials:
    """An Entra ID token exchanged for a refresh token of the registry, good for about three hours.

    Raises:
        RegistryForbidden: no Azure credentials are configured, or the registry refuses them.
        RegistryUnavailable: Azure or the registry could not be asked.
    """
    from azure.core.exceptions import AzureError, ClientAuthenticationError
    from azure.identity import DefaultAzureCredential

    try:
        access = DefaultAzureCredential().get_token(_ACR_SCOPE).token
        answer = httpx.post(
            f"https://{registry.host}/oauth2/exchange",
            data={"grant_type": "access_token", "service": registry.host, "access_token": access},
            timeout=_TIMEOUT_S,
        )
        answer.raise_for_status()
    except (ClientAuthenticationError, httpx.HTTPStatusError) as error:
        raise RegistryForbidden(f"{registry.host}: Azure refused a login: {type(error).__name__}") from None
    except (AzureError, httpx.HTTPError) as error:
        raise RegistryUnavailable(
            f"{registry.host}: could not be asked for a login: {type(error).__name__}"
        ) from None
    return Credentials(ACR_USER, answer.json()["refresh_token"])
