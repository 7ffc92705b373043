"""Who we are to a registry: logins, and the tokens that are had for them.

A registry answers 401 and says in `WWW-Authenticate` how to log in: with the login itself (Basic; ECR), or
with a token for a scope, had from a token server for the login (Bearer; ACR and most others). What differs
between clouds is only where the login comes from, so a cloud is a `CredentialProvider` and nothing else.
"""

from __future__ import annotations

import base64
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

from nightly_pipeline.errors import RegistryError

Scopes = tuple[str, ...]

_CHALLENGE = re.compile(r"(?P<scheme>basic|bearer)\b(?P<parameters>.*)", re.IGNORECASE | re.DOTALL)
_PARAMETER = re.compile(r'(?P<name>\w+)="(?P<value>[^"]*)"')
_TOKEN = re.compile(r"[\x21-\x7e]+")
_SHORTEST_TOKEN_S = 60.0  # what the protocol says where a token server names no time
_RENEW_BEFORE_END = 0.1  # of a token's time


@dataclass(frozen=True)
class Credentials:
    """A login. For ECR the user is AWS with a token; for ACR the null user with a refresh token."""

    username: str
    password: str = field(repr=False)

    @property
    def basic(self) -> str:
        """As an Authorization header."""
        encoded = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        return f"Basic {encoded}"


CredentialProvider = Callable[[], Credentials | None]
"""Gives a login that is valid now; asked again when the registry refuses the last one. None is anonymous."""


@dataclass(frozen=True)
class Challenge:
    """How a registry wants us to log in."""

    scheme: str
    realm: str = ""
    service: str = ""
    scopes: Scopes = ()


def parse_challenge(header: str) -> Challenge | None:
    """Read `WWW-Authenticate`; None when it names no way we know."""
    match = _CHALLENGE.search(header)
    if match is None:
        return None
    parameters = {p["name"].lower(): p["value"] for p in _PARAMETER.finditer(match["parameters"])}
    return Challenge(
        scheme=match["scheme"].lower(),
        realm=parameters.get("realm", ""),
        service=parameters.get("service", ""),
        scopes=tuple(filter(None, [parameters.get("scope")])),
    )


@dataclass(frozen=True)
class _Granted:
    header: str = field(repr=False)
    until: float


class Authorizer:
    """Keeps the Authorization header for each scope, and gets a new one when the registry refuses it.

    Args:
        credentials: gives the login.
        fetch: sends a token server's request and returns its answer, read; raises on a refusal.
        may_use: whether a login may be sent to this address.
    """

    def __init__(
        self,
        credentials: CredentialProvider | None,
        fetch: Callable[[str, dict[str, list[str]], str | None], httpx.Response],
        may_use: Callable[[str], bool],
    ) -> None:
        self._credentials = credentials
        self._fetch = fetch
        self._may_use = may_use
        self._lock = threading.Lock()
        self._challenge: Challenge | None = None
        self._granted: dict[Scopes, _Granted] = {}

    def header(self, scopes: Scopes) -> str | None:
        """What to send along; None as long as the registry has not asked for anything."""
        with self._lock:
            granted = self._still_good(scopes)
            if granted is not None:
                return granted.header
            return self._renew(scopes, self._challenge) if self._challenge else None

    def answer(self, challenge: Challenge | None, scopes: Scopes, refused: str | None) -> str | None:
        """What to send after a refusal of `refused`; None when there is nothing new to try."""
        with self._lock:
            self._challenge = challenge or self._challenge
            granted = self._still_good(scopes)
            if granted is not None and granted.header != refused:
                return granted.header  # another thread has renewed it meanwhile
            header = self._renew(scopes, self._challenge) if self._challenge else None
            return header if header != refused else None

    def _still_good(self, scopes: Scopes) -> _Granted | None:
        granted = self._granted.get(self._kept_for(scopes))
        return granted if granted is not None and time.monotonic() < granted.until else None

    def _renew(self, scopes: Scopes, challenge: Challenge) -> str | None:
        self._granted.pop(self._kept_for(scopes), None)
        login = self._credentials() if self._credentials else None
        granted = (
            self._basic(login) if challenge.scheme == "basic" else self._bearer(scopes, challenge, login)
        )
        if granted is not None:
            self._granted[self._kept_for(scopes)] = granted
        return granted.header if granted else None

    def _kept_for(self, scopes: Scopes) -> Scopes:
        """A token is for its scopes; a login (Basic) is for everything, and asked for once."""
        return () if self._challenge is not None and self._challenge.scheme == "basic" else scopes

    def _basic(self, login: Credentials | None) -> _Granted | None:
        return _Granted(login.basic, until=float("inf")) if login else None

    def _bearer(self, scopes: Scopes, challenge: Challenge, login: Credentials | None) -> _Granted:
        if not self._may_use(challenge.realm):
            raise RegistryError(
                f"The registry sends logins to {challenge.realm}, which is not encrypted; ours was not sent."
            )
        wanted = list(dict.fromkeys((*scopes, *challenge.scopes)))
        parameters = {"service": [challenge.service], "scope": wanted}
        response = self._fetch(challenge.realm, parameters, login.basic if login else None)
        return _read_token(response)


def _read_token(response: httpx.Response) -> _Granted:
    try:
        document = response.json()
        token = document.get("token") or document["access_token"]
        if not _TOKEN.fullmatch(token):  # no header could carry it, and whoever says so would quote it
            raise ValueError("no token")  # noqa: TRY301 - like what is no document at all
        lifetime = max(float(document.get("expires_in") or 0.0), 0.0) or _SHORTEST_TOKEN_S
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RegistryError(f"The token server {response.url.host} answered without a token.") from error
    until = time.monotonic() + lifetime * (1 - _RENEW_BEFORE_END)
    return _Granted(f"Bearer {token}", until)
