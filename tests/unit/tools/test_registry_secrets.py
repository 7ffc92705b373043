"""A registry, or what stands before it, may say back what it was sent: nothing of that is shown."""

from __future__ import annotations

import base64
from types import SimpleNamespace

import pytest

from nightly_pipeline.errors import NightlyError, RegistryError
from nightly_pipeline.settings_registries import RegistrySettings
from nightly_pipeline.tools import acr
from nightly_pipeline.tools.registry import ClientSettings, Credentials, OciRegistry
from tests.fakes.registry import FakeRegistry, Fault

ONCE = ClientSettings(attempts=1, connect_timeout_s=60, read_timeout_s=60)
PASSWORD = "a-secret-password"  # noqa: S105 - a test's own
LOGIN = ("AWS", PASSWORD)
SENT = base64.b64encode(":".join(LOGIN).encode()).decode()


def opened(fake: FakeRegistry) -> OciRegistry:
    credentials = Credentials(*LOGIN)
    return OciRegistry(
        "ecr", fake.host, "nightly", insecure=True, credentials=lambda: credentials, settings=ONCE
    )


def refused(registry: OciRegistry) -> str:
    with pytest.raises(NightlyError) as caught:
        registry.manifest("new")
    return f"{caught.value} {caught.value!r}"


@pytest.mark.parametrize("status", [400, 403, 409, 429, 500])
def test_a_token_that_is_said_back_is_not_shown(status):
    with FakeRegistry(auth="bearer", login=LOGIN).running() as fake:
        fake.add_image("nightly", "new")
        registry = opened(fake)
        assert registry.manifest("new")
        [token] = fake.tokens
        echo = f'{{"errors": [{{"code": "NONE", "message": "Bearer {token} may not"}}]}}'
        fake.faults = [Fault(status=status, body=echo.encode(), path="/manifests/")]
        said = refused(registry)
    assert "Bearer *** may not" in said
    assert token not in said


@pytest.mark.parametrize("auth", ["basic", "bearer"])
def test_a_login_that_is_said_back_is_not_shown(auth):
    """By the registry itself, or by the server that gives its tokens."""
    body = f"{SENT}, that is {':'.join(LOGIN)}: may not".encode()
    path = "/token" if auth == "bearer" else "/manifests/"
    with FakeRegistry(auth=auth, login=LOGIN).running() as fake:
        if auth == "basic":
            fake.faults = [Fault(status=401, headers={"WWW-Authenticate": 'Basic realm="x"'})]
        fake.faults.append(Fault(status=403, body=body, path=path))
        said = refused(opened(fake))
    assert "***, that is AWS:***: may not" in said
    assert PASSWORD not in said
    assert SENT not in said


def test_a_token_that_no_header_can_carry_is_none(monkeypatch):
    with FakeRegistry(auth="bearer", login=LOGIN).running() as fake:
        monkeypatch.setattr(fake, "new_token", lambda _: {"token": "a-secret-token\n"})
        with pytest.raises(RegistryError, match="answered without a token") as caught:
            opened(fake).manifest("new")
    assert "a-secret-token" not in f"{caught.value!r} {caught.value.__cause__!r}"


def test_a_token_of_entra_that_is_said_back_is_not_shown(monkeypatch):
    given = SimpleNamespace(token="a-token-of-entra")  # noqa: S106 - a test's own
    monkeypatch.setattr(acr, "azure_credential", lambda _: SimpleNamespace(get_token=lambda _: given))
    with FakeRegistry().running() as fake:
        fake.faults = [Fault(status=401, body=b"access_token=a-token-of-entra", path="/oauth2/exchange")]
        registry = RegistrySettings(kind="acr", host=fake.host, repository="nightly", insecure=True)
        with pytest.raises(RegistryError, match=r"access_token=\*\*\*"):
            acr.acr_login(registry)
