"""Entra ID, as far as azure-identity asks it: over TLS, tokens for a client's secret or its federated token."""

from __future__ import annotations

import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs

from tests.fakes.certificates import Signer

TENANT, CLIENT = "11111111-2222-3333-4444-555555555555", "66666666-7777-8888-9999-000000000000"
CLIENT_SECRET = "planted~azure~client~secret~0123456789"  # noqa: S105 - of a test
FEDERATED_TOKEN = "planted.federated.token"  # noqa: S105 - likewise


class EntraServer:
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
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(signer.certificate_file, signer.key_file)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def host(self) -> str:
        return f"localhost:{self._server.server_port}"

    @property
    def environment(self) -> dict[str, str]:
        """What azure-identity needs to find it and to be a service principal."""
        return {
            "AZURE_TENANT_ID": TENANT,
            "AZURE_CLIENT_ID": CLIENT,
            "AZURE_CLIENT_SECRET": CLIENT_SECRET,
            "REQUESTS_CA_BUNDLE": str(self.signer.certificate_file),
        }

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

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

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        entra = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._give(entra.answer(self.path, {}))

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                form = {name: values[0] for name, values in parse_qs(content.decode()).items()}
                self._give(entra.answer(self.path, form))

            def _give(self, answer: tuple[int, dict[str, Any]]) -> None:
                status, document = answer
                content = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Keep the tests' output to the tests."""

        return Handler
