"""AWS ECR through boto3: logins, missing repositories, and what its refusals mean.

Everything AWS's own libraries read from the environment counts here too: AWS_PROFILE, AWS_ENDPOINT_URL,
AWS_REGION, web identity tokens, instance roles. Throttling is waited for by botocore, with jitter.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nightly_pipeline.errors import (
    NightlyError,
    RegistryAbsent,
    RegistryError,
    RegistryForbidden,
    RegistryFull,
    RegistryLoginExpired,
    RegistryThrottled,
    RegistryUnavailable,
)
from nightly_pipeline.model.masking import mask
from nightly_pipeline.settings_registries import RegistrySettings
from nightly_pipeline.tools.registry_auth import Credentials

_CONNECT_S, _READ_S, _ATTEMPTS = 10, 30, 5
_SESSION_NAME = "nightly-pipeline"
_KINDS: dict[str, tuple[type[RegistryError], str | None]] = {
    "RepositoryNotFoundException": (
        RegistryAbsent,
        "Create the repository, or let the profile do it: a `create:` section for this registry.",
    ),
    "ExpiredToken": (RegistryLoginExpired, None),
    "ExpiredTokenException": (RegistryLoginExpired, None),
    "RequestExpired": (RegistryLoginExpired, None),
    "LimitExceededException": (RegistryFull, None),
    "ThrottlingException": (RegistryThrottled, None),
    "Throttling": (RegistryThrottled, None),
    "TooManyRequestsException": (RegistryThrottled, None),
    "RequestLimitExceeded": (RegistryThrottled, None),
    "ServerException": (RegistryUnavailable, None),
    "ServiceUnavailable": (RegistryUnavailable, None),
    "InternalFailure": (RegistryUnavailable, None),
    "KmsException": (RegistryForbidden, "Check `create.kms_key` and that this role may use the key."),
}
_REFUSED = ("AccessDenied", "UnrecognizedClient", "InvalidSignature", "InvalidClientToken", "AuthFailure")


def ecr_login(registry: RegistrySettings) -> Credentials:
    """A login by GetAuthorizationToken, good for 12 hours.

    Raises:
        RegistryForbidden: AWS refuses, or no AWS credentials are configured.
        RegistryUnavailable: AWS could not be asked.
    """
    with aws_refusals(registry, "no login could be had"):
        account = registry.ecr_account
        answer = ecr_client(registry).get_authorization_token(
            **({"registryIds": [account]} if account else {})
        )
        return _read(answer, registry)


def ecr_client(registry: RegistrySettings) -> Any:
    """boto3's client for ECR, as the role the profile names.

    Raises:
        NightlyError: as `aws_refusals` says, when a role cannot be assumed.
    """
    import boto3

    session = boto3.Session(region_name=registry.ecr_region)
    if registry.role_arn is None:
        return session.client("ecr", config=_patience())
    external = {"ExternalId": registry.external_id} if registry.external_id else {}
    with aws_refusals(registry, f"{registry.role_arn} could not be assumed"):
        found = session.client("sts", config=_patience()).assume_role(
            RoleArn=registry.role_arn, RoleSessionName=_SESSION_NAME, **external
        )["Credentials"]
    return session.client(
        "ecr",
        config=_patience(),
        aws_access_key_id=found["AccessKeyId"],
        aws_secret_access_key=found["SecretAccessKey"],
        aws_session_token=found["SessionToken"],
    )


class EcrRepositories:
    """The repositories of one registry, which must exist before anything is pushed to them.

    Args:
        registry: of the profile; its `create` says whether missing ones are made, and how.
    """

    def __init__(self, registry: RegistrySettings) -> None:
        self._registry = registry
        self._known: set[str] = set()

    def require(self) -> None:
        """See that the repositories for images and for caches are there; asks once a process.

        Raises:
            RegistryAbsent: one is missing, and the profile makes none.
            RegistryError: AWS refuses, or could not be asked.
        """
        caches = self._registry.cache_repository
        for name in (self._registry.repository, *([caches] if caches else [])):
            if name not in self._known:
                self._require(name)
                self._known.add(name)

    def _require(self, name: str) -> None:
        try:
            with aws_refusals(self._registry, f"repository {name} was not found"):
                ecr_client(self._registry).describe_repositories(repositoryNames=[name], **self._whose())
        except RegistryAbsent:
            if self._registry.create is None:
                raise
            self._create(name)
        except RegistryForbidden:  # who may not look may push all the same, and the push will tell
            if self._registry.create is not None:
                raise

    def _create(self, name: str) -> None:
        ecr = ecr_client(self._registry)
        with aws_refusals(self._registry, f"repository {name} could not be created"):
            try:
                ecr.create_repository(repositoryName=name, **self._whose(), **self._properties(name))
            except ecr.exceptions.RepositoryAlreadyExistsException:
                return  # another step was faster

    def _properties(self, name: str) -> dict[str, Any]:
        create = self._registry.create
        if create is None:  # pragma: no cover - asked for only where there is a section
            return {}
        properties: dict[str, Any] = {
            "imageScanningConfiguration": {"scanOnPush": create.scan_on_push},
            "encryptionConfiguration": {
                "encryptionType": create.encryption,
                **({"kmsKey": create.kms_key} if create.kms_key else {}),
            },
            "imageTagMutability": "MUTABLE",
        }
        if not create.immutable_tags or name == self._registry.cache_repository:
            return properties  # a cache's tags move with every build
        properties["imageTagMutability"] = "IMMUTABLE"
        if create.moving_tags:
            filters = [{"filterType": "WILDCARD", "filter": pattern} for pattern in create.moving_tags]
            properties["imageTagMutability"] = "IMMUTABLE_WITH_EXCLUSION"
            properties["imageTagMutabilityExclusionFilters"] = filters
        return properties

    def _whose(self) -> dict[str, str]:
        return {"registryId": self._registry.ecr_account} if self._registry.ecr_account else {}


@contextmanager
def aws_refusals(registry: RegistrySettings, what: str) -> Iterator[None]:
    """Turn what AWS's libraries raise into our errors.

    Raises:
        RegistryAbsent, RegistryForbidden, RegistryLoginExpired, RegistryFull: what AWS says.
        RegistryThrottled, RegistryUnavailable: AWS could not be asked.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        raise _refusal(error.response, f"ecr ({registry.host}): {what}") from None
    except BotoCoreError as error:
        raise _not_asked(error, f"ecr ({registry.host}): {what}: {mask(str(error))}") from None


def _refusal(response: dict[str, Any], message: str) -> NightlyError:
    said = response.get("Error", {})
    code, status = str(said.get("Code", "")), response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    message = f"{message}: {code}: {mask(str(said.get('Message', '')))}"
    if code in _KINDS:
        kind, next_step = _KINDS[code]
        return kind(message, next_step=next_step)
    if code.startswith(_REFUSED):
        return RegistryForbidden(message, next_step="Check the AWS credentials and the role's policy.")
    return RegistryUnavailable(message) if status >= 500 else RegistryError(message)  # noqa: PLR2004 - HTTP


def _not_asked(error: Exception, message: str) -> NightlyError:
    from botocore import exceptions as aws

    missing = (
        aws.NoCredentialsError,
        aws.PartialCredentialsError,
        aws.CredentialRetrievalError,
        aws.ProfileNotFound,
        aws.TokenRetrievalError,
        aws.SSOError,
    )
    if isinstance(error, missing):
        next_step = (
            "Give this machine AWS credentials: a role, a profile, or AWS_ACCESS_KEY_ID and its secret."
        )
        return RegistryForbidden(message, next_step=next_step)
    if isinstance(error, aws.NoRegionError):
        return RegistryError(message, next_step="Set `region` for this registry in the profile.")
    return RegistryUnavailable(message)


def _read(answer: Any, registry: RegistrySettings) -> Credentials:
    try:
        token = base64.b64decode(answer["authorizationData"][0]["authorizationToken"]).decode()
        username, password = token.split(":", 1)
    except (LookupError, ValueError, binascii.Error):
        raise RegistryError(f"ecr ({registry.host}): AWS answered without a login.") from None
    return Credentials(username, password)


def _patience() -> Any:
    from botocore.config import Config

    retries = {"mode": "standard", "total_max_attempts": _ATTEMPTS}
    return Config(connect_timeout=_CONNECT_S, read_timeout=_READ_S, retries=retries)
