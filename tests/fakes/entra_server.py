"""Entra ID, as far as azure-identity asks it: over TLS, tokens for a client's secret or its federated token."""

from __future__ import annotations

import json
import ssl
from typing import Any
from urllib.parse import parse_qs

from tests.fakes.certificates import Signer
from tests.fakes.http_server import Handler, HttpServer

TENANT, CLIENT = "11111111-2222-3333-4444-555555555555", "66666666-7777-8888-9999-000000000000"
CLIENT_SECRET = "planted~azure~client~secret~0123456789"  # noqa: S105 - of a test
FEDERATED_TOKEN = "planted.federated.token"  # noqa: S105 - likewise


class EntraServer(HttpServer):
    """The server.

    Attributes:
        given: every token.
        grants: what each token was given for: `secret` or `assertion`, and the scope.
        refusal: an AADSTS code every request is refused with; None refuses wrong secrets only.
    """

    def __init__(self, signer: Signer) -> None:
        self.signer = signer
        self.given: list[str] = []
        self.grants: list[tuple[str, str]] = []
        self.refusal: str | None = None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(signer.certificate_file, signer.key_file)
        super().__init__(_Handler, context=context)

    @property
    def environment(self) -> dict[str, str]:
        """What azure-identity needs to find it and to be a service principal."""
        return {
            "AZURE_TENANT_ID": TENANT,
            "AZURE_CLIENT_ID": CLIENT,
            "AZURE_CLIENT_SECRET": CLIENT_SECRET,
            "REQUESTS_CA_BUNDLE": str(self.signer.certificate_file),
        }

    def knows(self, access_token: str) -> bool:
        """Whether this is a token of ours for a registry."""
        return self.signer.read(access_token, "https://containerregistry.azure.net") is not None

    def answer(self, path: str, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        tenant = f"https://{self.host}/{TENANT}"
        if path.endswith("/.well-known/openid-configuration"):
            return 200, {
                "token_endpoint": f"{tenant}/oauth2/v2.0/token",
                "authorization_endpoint": f"{tenant}/oauth2/v2.0/authorize",
                "device_authorization_endpoint": f"{tenant}/oauth2/v2.0/devicecode",
                "issuer": f"{tenant}/v2.0",
            }
        good = {("client_secret", CLIENT_SECRET), ("client_assertion", FEDERATED_TOKEN)}
        shown = good.intersection(form.items())
        if self.refusal or not shown or form.get("client_id") != CLIENT:
            code = self.refusal or "AADSTS7000215: Invalid client secret provided."
            return 401, {"error": "invalid_client", "error_description": f"{code} Trace ID: 1"}
        self.grants.append((shown.pop()[0], form["scope"]))
        audience = form["scope"].removesuffix("/.default")
        token = self.signer.token(3600, aud=audience, sub=CLIENT, planted="entra-token")
        self.given.append(token)
        return 200, {"token_type": "Bearer", "expires_in": 3599, "access_token": token}


class _Handler(Handler):
    def any_method(self) -> None:
        form = {name: values[0] for name, values in parse_qs(self.read_body().decode()).items()}
        status, document = self.server.owner.answer(self.path, form)
        self.give(status, json.dumps(document).encode(), {"Content-Type": "application/json"})
