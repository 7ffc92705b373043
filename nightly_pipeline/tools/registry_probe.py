"""Asks a registry of the profile what a night will want of it: briefly, and without leaving anything behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urljoin

from nightly_pipeline.errors import (
    RegistryAbsent,
    RegistryError,
    RegistryForbidden,
    RegistryLoginExpired,
    RegistryUnavailable,
)
from nightly_pipeline.model.masking import mask
from nightly_pipeline.settings import Settings
from nightly_pipeline.settings_registries import RegistrySettings
from nightly_pipeline.tools.clouds import credentials_for
from nightly_pipeline.tools.ecr import aws_refusals, ecr_client
from nightly_pipeline.tools.registry import OciRegistry
from nightly_pipeline.tools.registry_auth import Credentials
from nightly_pipeline.tools.registry_client import Call, ClientSettings, Endpoint, RegistryClient

BRIEF = ClientSettings(
    connect_timeout_s=4.0, read_timeout_s=8.0, attempts=2, wait_initial_s=0.3, wait_max_s=1.0
)
"""For somebody who waits for the answer."""

_TAG = "nightly-doctor"  # need not exist
_OK, _ACCEPTED = 200, 202
_CANCELLED = frozenset({200, 202, 204})
_CANCELS_NONE = frozenset({400, 404, 405, 501})


def registry_probes(settings: Settings) -> dict[str, OciRegistryProbe]:
    """One for each registry of the profile, by its role. Nothing is asked yet."""
    return {role: OciRegistryProbe(role, registry) for role, registry in settings.registries.items()}


class OciRegistryProbe:
    """Implements `steps.host_probe.RegistryProbe`. The login is had once, and never shown.

    Args:
        role: the registry's name in the profile.
        registry: what the profile says of it.
        settings: how patient to be.
    """

    def __init__(self, role: str, registry: RegistrySettings, *, settings: ClientSettings = BRIEF) -> None:
        self._role = role
        self._registry = registry
        self._settings = settings
        self._login: Credentials | None = None
        self._was_asked = False

    def __repr__(self) -> str:
        return f"OciRegistryProbe({self._role!r}, {self._registry.host!r})"

    def log_in(self) -> bool:
        """Have the login of the profile; False where it names none."""
        provider = credentials_for(self._registry)
        with self._masked():
            self._login = provider() if provider is not None else None
        return self._login is not None

    def accepted(self) -> bool:
        """Send the login where the registry asks for one; whether it did."""
        scheme = "http" if self._registry.insecure else "https"
        address = f"{scheme}://{self._registry.host}/v2/"
        with self._masked(), self._client(self._registry.repository) as client:
            client.ask(Call("GET", address, "the login is not accepted", {_OK}))
        return self._was_asked

    def has_repository(self, repository: str) -> bool | None:
        """Whether the repository is there; None where pushing makes it, or where this login may not look."""
        if self._registry.kind != "ecr":
            return None
        account = self._registry.ecr_account
        whose = {"registryId": account} if account else {}
        try:
            with self._masked(), aws_refusals(self._registry, f"{repository} could not be looked for"):
                ecr_client(self._registry).describe_repositories(repositoryNames=[repository], **whose)
        except RegistryAbsent:
            return False
        except RegistryLoginExpired:
            raise
        except RegistryForbidden:
            return None
        return True

    def read(self, repository: str) -> None:
        """Read a tag that need not exist."""
        registry = OciRegistry(
            self._role,
            self._registry.host,
            repository,
            insecure=self._registry.insecure,
            credentials=self._credentials,
            settings=self._settings,
        )
        with self._masked(), registry:
            registry.digest_of(_TAG)

    def try_upload(self, repository: str) -> str:
        """Start an upload and cancel it; return why it could not be cancelled, empty when it was."""
        with self._masked(), self._client(repository) as client:
            what = f"an upload to {repository} could not be started"
            call = Call(
                "POST", "/blobs/uploads/", what, {_ACCEPTED}, (client.scope("pull,push"),), content=b""
            )
            response = client.ask(call)
            location = response.headers.get("Location")
            return _cancel(client, urljoin(str(response.url), location)) if location else "it has no address"

    def _credentials(self) -> Credentials | None:
        self._was_asked = True
        return self._login

    @contextmanager
    def _client(self, repository: str) -> Iterator[RegistryClient]:
        endpoint = Endpoint(self._role, self._registry.host, repository, self._registry.insecure)
        client = RegistryClient(endpoint, credentials=self._credentials, settings=self._settings)
        try:
            yield client
        finally:
            client.close()

    @contextmanager
    def _masked(self) -> Iterator[None]:
        """A registry, or what stands before it, may say back what it was sent."""
        try:
            yield
        except RegistryError as error:
            login = self._login
            secrets = [login.password, login.basic.removeprefix("Basic ")] if login else []
            message, next_step = mask(error.message, secrets), mask(error.next_step, secrets)
            raise type(error)(message, next_step=next_step) from None


def _cancel(client: RegistryClient, address: str) -> str:
    """Unfinished uploads go by themselves after a while, so no refusal here is worth more than a word."""
    repository = client.endpoint.repository
    what, scopes = f"the upload to {repository} could not be cancelled", (client.scope("pull,push"),)
    try:
        answer = client.ask(Call("DELETE", address, what, _CANCELLED | _CANCELS_NONE, scopes))
    except RegistryForbidden:
        return "this login may not cancel it, it expires by itself"
    except RegistryUnavailable:
        return "no answer when it was cancelled, it expires by itself"
    except RegistryError:
        return "it was not cancelled, it expires by itself"
    if answer.status_code in _CANCELLED:
        return ""
    return f"the registry cancels none ({answer.status_code}), it expires by itself"
