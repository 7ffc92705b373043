"""ACR on one machine: a real docker-registry that wants signed tokens, and the token service that gives them.

The service speaks /oauth2/exchange (a token of Entra ID for a refresh token) and /oauth2/token (a refresh token, or a
user and password, for a token with a scope); tags are listed and deleted as Azure's own client asks for it.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.fakes.certificates import Signer, make_signer
from tests.fakes.entra_server import EntraServer
from tests.fakes.registry_door import Answer, Asked, Door, error
from tests.fakes.registry_program import RegistryProgram
from tests.registries import ACCEPT

ISSUER, REFRESH = "Azure Container Registry", "refresh"
NULL_USER = "00000000-0000-0000-0000-000000000000"
TOKEN_USER, TOKEN_PASSWORD = "nightly-token", "planted/acr/token/password/0123456789"


class AcrServer(Door):
    """The registry and its token service, behind one address.

    Attributes:
        access_s: how long a token for a scope is good.
        refresh_s: how long a login is good.
        exchanges, tokens: how many of each were given.
        given: every token and login.
        denied: actions that no token carries: `push`, `delete`.
    """

    def __init__(self, signer: Signer, entra: EntraServer) -> None:
        super().__init__("")
        self.access_s = 300.0
        self.refresh_s = 3 * 3600.0
        self.exchanges = self.tokens = 0
        self.given: list[str] = []
        self.denied: set[str] = set()
        self.entra = entra
        self._signer = signer
        self._serial = 0

    def registry_auth(self) -> dict[str, Any]:
        """How docker-registry is told to want our tokens."""
        return {
            "token": {
                "realm": f"http://{self.host}/oauth2/token",
                "service": self.host,
                "issuer": ISSUER,
                "rootcertbundle": str(self._signer.certificate_file),
            }
        }

    def revoke(self) -> None:
        """No token that was given so far is good any more."""
        with self.lock:
            self._serial += 1

    def wants_content(self, asked: Asked) -> bool:
        return asked.path.startswith("/oauth2/")

    def answer(self, asked: Asked) -> Answer | None:
        if asked.path == "/oauth2/exchange":
            return self._exchange(asked.form())
        if asked.path == "/oauth2/token":
            return self._token(asked)
        if asked.path.startswith("/acr/v1/"):
            return self._own_api(asked)
        bearer = asked.headers.get("authorization", "").removeprefix("Bearer ")
        claims = self._signer.read(bearer, self.host) if bearer else None
        if claims is not None and claims["serial"] != self._serial:
            realm = (
                f'Bearer realm="http://{self.host}/oauth2/token",service="{self.host}",error="invalid_token"'
            )
            return error(401, "UNAUTHORIZED", "authentication required", **{"WWW-Authenticate": realm})
        return None  # docker-registry checks it itself

    def read(self, name: str, reference: str) -> httpx.Response:
        """A manifest over the real registry's HTTP API, behind the door and its troubles, with a token of its own."""
        token = self._access(f"repository:{name}:pull")
        address = f"http://{self.upstream}/v2/{name}/manifests/{reference}"
        return httpx.get(
            address,
            headers={"Authorization": f"Bearer {token}", "Accept": ACCEPT},
            trust_env=False,
            timeout=120,
        )

    def _exchange(self, form: dict[str, str]) -> Answer:
        wanted = form.get("grant_type") == "access_token" and form.get("service") == self.host
        if not wanted or not self.entra.knows(form.get("access_token", "")):
            return error(401, "UNAUTHORIZED", "authentication required")
        self.exchanges += 1
        refresh = self._signer.token(self.refresh_s, aud=REFRESH, planted="acr-refresh-token")
        self.given.append(refresh)
        return _document({"refresh_token": refresh})

    def _token(self, asked: Asked) -> Answer:
        form = asked.form() if asked.method == "POST" else {}
        scopes = asked.query.get("scope", []) or ([form["scope"]] if "scope" in form else [])
        if form.get("grant_type") == "refresh_token":
            user, password = NULL_USER, form.get("refresh_token", "")
        elif form.get("grant_type") == "password":
            user, password = form.get("username", ""), form.get("password", "")
        else:
            basic = asked.headers.get("authorization", "").removeprefix("Basic ")
            user, _, password = base64.b64decode(basic).decode().partition(":")
        if not self._is_known(user, password):
            return error(401, "UNAUTHORIZED", "authentication required")
        self.tokens += 1
        self.given.append(self._access(*scopes))
        return _document({"access_token": self.given[-1], "expires_in": self.access_s})

    def _is_known(self, user: str, password: str) -> bool:
        if user == NULL_USER:
            return self._signer.read(password, REFRESH) is not None
        return (user, password) == (TOKEN_USER, TOKEN_PASSWORD)

    def _access(self, *scopes: str) -> str:
        access = [
            {"type": kind, "name": name, "actions": [a for a in actions.split(",") if a not in self.denied]}
            for scope in " ".join(scopes).split()
            for kind, name, actions in [re.fullmatch(r"(\w+):(.+):([\w,*]+)", scope).groups()]  # type: ignore[union-attr]
            if kind == "repository"
        ]
        return self._signer.token(
            self.access_s, iss=ISSUER, aud=self.host, sub="nightly", access=access, serial=self._serial
        )

    def _own_api(self, asked: Asked) -> Answer:
        """`/acr/v1/NAME/_tags`: tags with their digests, as Azure's client lists them."""
        found = re.fullmatch(r"/acr/v1/(.+)/_tags", asked.path)
        if found is None or asked.method != "GET":
            return error(404, "NAME_UNKNOWN")
        if not asked.headers.get("authorization"):
            scope = f"repository:{found[1]}:metadata_read"
            realm = f'Bearer realm="http://{self.host}/oauth2/token",service="{self.host}",scope="{scope}"'
            return error(401, "UNAUTHORIZED", **{"WWW-Authenticate": realm})
        headers = {"Authorization": f"Bearer {self._access(f'repository:{found[1]}:pull')}", "Accept": ACCEPT}
        with httpx.Client(
            base_url=f"http://{self.upstream}/v2/{found[1]}", headers=headers, trust_env=False, timeout=120
        ) as http:
            names = http.get("/tags/list").json().get("tags") or []
            digests = {
                name: http.head(f"/manifests/{name}").headers["Docker-Content-Digest"] for name in names
            }
        tags = [
            {"name": name, "digest": digest, "changeableAttributes": {}}
            for name, digest in sorted(digests.items())
        ]
        return _document({"registry": self.host, "imageName": found[1], "tags": tags})


def _document(document: dict[str, Any]) -> Answer:
    return Answer(200, {}, json.dumps(document).encode())


@contextmanager
def acr_server(folder: Path) -> Iterator[AcrServer]:
    """ACR and Entra ID, running."""
    with ExitStack() as stack:
        signer = make_signer(folder)
        entra = stack.enter_context(EntraServer(signer))
        acr = AcrServer(signer, entra)
        program = stack.enter_context(RegistryProgram(folder / "registry", auth=acr.registry_auth()))
        acr.upstream = program.host
        acr.program = program
        stack.enter_context(acr)
        yield acr
