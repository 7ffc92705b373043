"""The registries of a profile: where they are, how to log in, and what may be made in them. Pure.

Secrets come from the environment only: `NIGHTLY_REGISTRY_{ROLE}_PASSWORD`, and Azure's own variables.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PlainSerializer, SecretStr, model_validator

from nightly_pipeline.model.catalog import Strict
from nightly_pipeline.model.consoles import aws_console, azure_portal
from nightly_pipeline.model.plan import ImageKind
from nightly_pipeline.model.tags import framework_tag, index_tag, known_good_tag, nightly_tag

Secret = Annotated[SecretStr, PlainSerializer(str)]
Repository = Annotated[str, Field(pattern=r"^[a-z0-9]+([._/-]+[a-z0-9]+)*$")]
TagFilter = Annotated[str, Field(pattern=r"^[0-9a-zA-Z._-]*(\*[0-9a-zA-Z._-]*){0,2}$", min_length=1)]

AzureLogin = Literal["default", "service_principal", "workload_identity", "managed_identity", "token"]

_ECR_HOST = re.compile(r"(?P<account>\d{12})\.dkr[.-]ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\..+")
_SECRETS = ("password", "client_secret")
_OF_EACH_REGISTRY = ("host", "username", "password")
_OF_AZURE = {
    "AZURE_TENANT_ID": "tenant_id",
    "AZURE_CLIENT_ID": "client_id",
    "AZURE_CLIENT_SECRET": "client_secret",
}
_ONLY_FOR = {
    "ecr": ("region", "account", "role_arn", "external_id", "create"),
    "acr": ("login", "tenant_id", "client_id", "client_secret", "authority", "audience", "resource_id"),
}


class RepositoryCreation(Strict):
    """How ECR repositories that are missing are made. Without this section a missing one is an error.

    Attributes:
        scan_on_push: look for known vulnerabilities in what is pushed.
        immutable_tags: tags cannot be moved, except those that `moving_tags` match. Caches always move.
        moving_tags: at most five patterns with at most two `*` each: what ECR takes as exclusion filters.
        encryption: who keeps the key: AES256 (ECR), KMS or KMS_DSSE (AWS KMS).
        kms_key: the key's ARN, id or alias; None with KMS is AWS's own key for ECR.
    """

    scan_on_push: bool = True
    immutable_tags: bool = True
    moving_tags: tuple[TagFilter, ...] = Field(
        default=("*-amd64", "*-arm64", "*-vllm", "*-sglang", "*-trtllm"), max_length=5
    )
    encryption: Literal["AES256", "KMS", "KMS_DSSE"] = "AES256"
    kms_key: str | None = None

    @model_validator(mode="after")
    def _a_key_needs_kms(self) -> Self:
        if self.kms_key is not None and self.encryption == "AES256":
            msg = "kms_key is for encryption KMS or KMS_DSSE only"
            raise ValueError(msg)
        return self

    def may_move(self, tag: str) -> bool:
        """Whether a tag can be moved in a repository that was made like this."""
        return not self.immutable_tags or any(fnmatchcase(tag, pattern) for pattern in self.moving_tags)


class RegistrySettings(Strict):
    """One registry, named in the profile by its role.

    Attributes:
        kind: `oci` is any registry by the distribution protocol; `ecr` and `acr` add their own logins.
        host: host or host:port, without a scheme.
        images: which kinds of image belong in it.
        insecure: plain HTTP.
        username, password: of an `oci` registry, or of an `acr` token (`login: token`).
        region, account: of ECR; None is what the host says, and then what AWS's own configuration says.
        role_arn, external_id: a role to assume first, for a registry of another account.
        create: make missing ECR repositories like this; None makes none.
        login: which of azure-identity's credentials logs in to ACR.
        tenant_id, client_id, client_secret: of a service principal or an identity.
        authority: Entra ID of another cloud, `login.microsoftonline.us`.
        audience: what an Entra ID token for the registry is asked for.
        resource_id: of the registry in Azure, for links to the portal.
    """

    kind: Literal["oci", "ecr", "acr"] = "oci"
    host: str = Field(pattern=r"^[A-Za-z0-9.-]+(:[0-9]+)?$")
    repository: Repository = "nightly"
    cache_repository: Repository | None = None
    images: tuple[ImageKind, ...] = ("runtime",)
    insecure: bool = False
    username: str | None = None
    password: Secret | None = None
    region: str | None = None
    account: str | None = Field(default=None, pattern=r"^\d{12}$")
    role_arn: str | None = Field(default=None, pattern=r"^arn:[a-z-]+:iam::\d{12}:role/.+$")
    external_id: str | None = None
    create: RepositoryCreation | None = None
    login: AzureLogin = "default"
    tenant_id: str | None = None
    client_id: str | None = None
    client_secret: Secret | None = None
    authority: str | None = Field(default=None, pattern=r"^[A-Za-z0-9.-]+(:[0-9]+)?$")
    audience: str = "https://containerregistry.azure.net"
    resource_id: str | None = Field(
        default=None,
        pattern=r"^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.ContainerRegistry/registries/[^/]+$",
    )

    @model_validator(mode="after")
    def _fields_belong_to_the_kind(self) -> Self:
        for kind, fields in _ONLY_FOR.items():
            wrong = [name for name in fields if name in self.model_fields_set and self.kind != kind]
            if wrong:
                raise ValueError(f"{', '.join(wrong)}: only for kind {kind!r} (given: kind {self.kind!r})")
        return self

    @model_validator(mode="after")
    def _the_host_says_the_same(self) -> Self:
        found = _ECR_HOST.fullmatch(self.host) if self.kind == "ecr" else None
        for name, said in (found.groupdict() if found else {}).items():
            given = getattr(self, name)
            if given not in {None, said}:
                raise ValueError(f"{name} {given!r} is not that of the host, {said!r}; leave it out")
        return self

    @model_validator(mode="after")
    def _a_password_has_a_user(self) -> Self:
        by_password = self.kind == "oci" or (self.kind == "acr" and self.login == "token")
        if self.username is not None and not by_password:
            msg = f"username is for kind 'oci', or 'acr' with login 'token' (given: kind {self.kind!r})"
            raise ValueError(msg)
        if self.username is None and (self.password is not None or self.login == "token"):
            msg = "username is needed where the login is by password"
            raise ValueError(msg)
        return self

    @property
    def ecr_region(self) -> str | None:
        """The region, as the profile or the host says; None leaves it to AWS's own configuration."""
        return self.region or self._of_the_host("region")

    @property
    def ecr_account(self) -> str | None:
        """The account that owns the registry, likewise."""
        return self.account or self._of_the_host("account")

    def console(self, digest: str | None = None) -> str | None:
        """Where a person sees the repository, or an image of it, in the cloud's console; None where there is none."""
        if self.kind == "ecr" and self.ecr_region and self.ecr_account:
            return aws_console(self.ecr_region, self.ecr_account, self.repository, digest)
        return azure_portal(self.resource_id, self.repository) if self.kind == "acr" else None

    def _of_the_host(self, what: str) -> str | None:
        found = _ECR_HOST.fullmatch(self.host)
        return found[what] if found else None


def registry_variables(document: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Environment variable -> the field of a profile's registry it takes the place of.

    >>> registry_variables({"registries": {"ecr": {}}})["NIGHTLY_REGISTRY_ECR_HOST"]
    ('registries', 'ecr', 'host')
    """
    variables: dict[str, tuple[str, ...]] = {}
    for role, registry in _registries(document):
        prefix = f"NIGHTLY_REGISTRY_{re.sub(r'[^A-Z0-9]', '_', role.upper())}"
        variables |= {f"{prefix}_{name.upper()}": ("registries", role, name) for name in _OF_EACH_REGISTRY}
        if registry.get("kind") == "acr" and registry.get("login", "default") not in {"default", "token"}:
            variables |= {variable: ("registries", role, name) for variable, name in _OF_AZURE.items()}
    return variables


def secrets_in_registries(document: Mapping[str, Any]) -> dict[str, str]:
    """Field with a secret in a profile's text -> where it has to come from instead."""
    return {
        f"registries.{role}.{name}": "secrets come from the environment: "
        f"set {'AZURE_CLIENT_SECRET' if name == 'client_secret' else _password_variable(role)}"
        for role, registry in _registries(document)
        for name in _SECRETS
        if name in registry
    }


def tags_that_could_not_move(
    creation: RepositoryCreation, frameworks: Iterable[str], architectures: Iterable[str]
) -> list[str]:
    """The tags of a night that have to move, and could not in a repository that was made like this."""
    moving = [
        tag
        for framework in frameworks
        for tag in (
            index_tag(framework),
            known_good_tag(framework),
            *(
                of(framework, arch)
                for arch in architectures
                for of in (nightly_tag, framework_tag, known_good_tag)
            ),
        )
    ]
    return [tag for tag in moving if not creation.may_move(tag)]


def _password_variable(role: str) -> str:
    names = registry_variables({"registries": {role: {}}})
    return next(name for name, path in names.items() if path[-1] == "password")


def _registries(document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    found = document.get("registries")
    for role, registry in found.items() if isinstance(found, Mapping) else ():
        if isinstance(registry, Mapping):
            yield str(role), registry
