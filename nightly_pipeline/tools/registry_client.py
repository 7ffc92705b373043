"""HTTP with one repository of one registry: logins, repetitions, and errors that say what was asked."""

from __future__ import annotations

import random
import ssl
import weakref
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import stamina

from nightly_pipeline.errors import RegistryError, RegistryUnavailable
from nightly_pipeline.tools.registry_auth import Authorizer, CredentialProvider, Scopes, parse_challenge
from nightly_pipeline.tools.registry_errors import Asked, interruption, refusal, says_expired
from nightly_pipeline.tools.registry_manifests import is_digest

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_RENEWALS = 2
"""How often a refused request is sent again with a new login: one may end between being had and being used."""


@dataclass(frozen=True)
class ClientSettings:
    """How patient a client is.

    Attributes:
        connect_timeout_s: seconds until a connection stands.
        read_timeout_s: seconds without a single byte.
        attempts: how often a request is sent in all, when the registry could not be asked.
        wait_initial_s: seconds before the first repetition; it doubles with each, with jitter.
        wait_max_s: the longest wait, also when the registry asks for a longer one.
        ca_file: CA bundle for registries whose certificate the usual ones do not sign.
        parallel_blobs: how many blobs a copy moves at a time.
    """

    connect_timeout_s: float = 10.0
    read_timeout_s: float = 120.0
    attempts: int = 6
    wait_initial_s: float = 0.5
    wait_max_s: float = 60.0
    ca_file: Path | None = None
    parallel_blobs: int = 3


@dataclass(frozen=True)
class Endpoint:
    """One repository of one registry.

    Attributes:
        role: the registry's name in the profile, for messages.
        host: host[:port].
        repository: the repository's name.
        insecure: plain HTTP instead of HTTPS.
    """

    role: str
    host: str
    repository: str
    insecure: bool = False

    def reference(self, tag_or_digest: str) -> str:
        """host/repository:tag, or host/repository@digest."""
        return f"{self.host}/{self.repository}{'@' if is_digest(tag_or_digest) else ':'}{tag_or_digest}"

    def address(self, path: str) -> str:
        """The address of a path below the repository, `/manifests/TAG`; a whole address stays as it is."""
        if "://" in path:
            return path
        return f"{'http' if self.insecure else 'https'}://{self.host}/v2/{self.repository}{path}"


@dataclass(frozen=True)
class Call:
    """One request.

    Attributes:
        method: of HTTP.
        path: below the repository, or a whole address.
        what: what could not be done if it fails, for messages.
        expect: the status codes that are answers; all others are errors.
        scopes: what the token must allow; reading when empty.
        headers: to send along.
        content: to send; chunks are opened anew each time they are sent.
    """

    method: str
    path: str
    what: str
    expect: Collection[int]
    scopes: Scopes = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | Callable[[], Iterable[bytes]] | None = None


class RegistryClient:
    """Sends requests to one repository.

    Args:
        endpoint: which repository of which registry.
        credentials: gives the login; None is anonymous.
        settings: how patient to be.
    """

    def __init__(
        self, endpoint: Endpoint, *, credentials: CredentialProvider | None, settings: ClientSettings
    ) -> None:
        self.endpoint = endpoint
        self.settings = settings
        self._http = _http_client(endpoint.host, settings)
        self.close = weakref.finalize(self, self._http.close)  # also when nobody calls it
        self._authorizer = Authorizer(credentials, self._fetch_token, self._may_send_login_to)

    def attempts(self) -> Iterable[stamina.Attempt]:
        """Repeat a block while the registry cannot be asked: `for attempt in ...: with attempt: ...`."""
        return stamina.retry_context(
            on=self._wait_before_next,
            attempts=self.settings.attempts,
            timeout=None,
            wait_initial=self.settings.wait_initial_s,
            wait_max=self.settings.wait_max_s,
            wait_jitter=self.settings.wait_initial_s,
        )

    def ask(self, call: Call) -> httpx.Response:
        """Send a request, again while the registry cannot be asked, and return its answer, read."""
        for attempt in self.attempts():
            with attempt, self.stream(call) as response:
                response.read()
                return response
        raise AssertionError  # pragma: no cover - the loop returns or raises

    @contextmanager
    def stream(self, call: Call) -> Iterator[httpx.Response]:
        """Send a request once; the answer's body is still to be read."""
        asked = self._asked(call.what)
        with _interruptions(asked):
            response = self._send(call, call.scopes or (self.scope("pull"),))
            try:
                if response.status_code not in call.expect:
                    response.read()
                    raise refusal(response, asked)
                yield response
            finally:
                response.close()

    def scope(self, actions: str, repository: str | None = None) -> str:
        """A token's scope, as registries write it."""
        return f"repository:{repository or self.endpoint.repository}:{actions}"

    def _asked(self, what: str) -> Asked:
        return Asked(self.endpoint.role, self.endpoint.host, what)

    def _send(self, call: Call, scopes: Scopes) -> httpx.Response:
        if urlsplit(self.endpoint.address(call.path)).netloc != self.endpoint.host:
            return self._transmit(call, None)  # a signed address elsewhere: our login is not for it
        header = self._authorizer.header(scopes)
        response = self._transmit(call, header)
        for _ in range(_RENEWALS):
            renewed = self._renewed(response, scopes, header)
            if renewed is None:
                break
            response.close()
            header, response = renewed, self._transmit(call, renewed)
        return response

    def _renewed(self, response: httpx.Response, scopes: Scopes, refused: str | None) -> str | None:
        if not _wants_login(response):
            return None
        challenge = parse_challenge(response.headers.get("WWW-Authenticate", ""))
        return self._authorizer.answer(challenge, scopes, refused)

    def _transmit(self, call: Call, authorization: str | None) -> httpx.Response:
        headers = {**call.headers, **({"Authorization": authorization} if authorization else {})}
        address = self.endpoint.address(call.path)
        content = call.content() if callable(call.content) else call.content
        request = self._http.build_request(call.method, address, headers=headers, content=content)
        return self._http.send(request, stream=True, follow_redirects=call.method in {"GET", "HEAD"})

    def _fetch_token(
        self, realm: str, parameters: dict[str, list[str]], authorization: str | None
    ) -> httpx.Response:
        asked = self._asked(f"{self.endpoint.repository}: no token from {urlsplit(realm).netloc}")
        headers = {"Authorization": authorization} if authorization else {}
        with _interruptions(asked):
            response = self._http.get(realm, params=parameters, headers=headers)
        if response.status_code != httpx.codes.OK:
            raise refusal(response, asked)
        return response

    def _may_send_login_to(self, realm: str) -> bool:
        return realm.startswith("https://") or self.endpoint.insecure

    def _wait_before_next(self, error: Exception) -> bool | float:
        if not isinstance(error, RegistryUnavailable):
            return False
        if error.retry_after_s is None:
            return True
        asked = min(error.retry_after_s, self.settings.wait_max_s)
        return asked + random.uniform(0, self.settings.wait_initial_s)  # noqa: S311 - so that not all come back at once


def _http_client(host: str, settings: ClientSettings) -> httpx.Client:
    name = urlsplit(f"//{host}").hostname
    return httpx.Client(
        timeout=httpx.Timeout(settings.read_timeout_s, connect=settings.connect_timeout_s),
        verify=ssl.create_default_context(cafile=settings.ca_file) if settings.ca_file else True,
        trust_env=name not in _LOOPBACK,  # no proxy on the way to this very machine
        headers={"User-Agent": "nightly-pipeline", "Accept-Encoding": "identity"},
    )


def _wants_login(response: httpx.Response) -> bool:
    """Whether a new login may help. ECR says 403 for one that has expired, and to HEAD it says no more."""
    if response.status_code == httpx.codes.FORBIDDEN:
        response.read()
        return says_expired(response) or not response.content
    return response.status_code == httpx.codes.UNAUTHORIZED


@contextmanager
def _interruptions(asked: Asked) -> Iterator[None]:
    try:
        yield
    except httpx.TransportError as error:
        raise interruption(error, asked) from error
    except (httpx.RequestError, httpx.InvalidURL) as error:
        raise RegistryError(f"{asked}: {error}") from error
