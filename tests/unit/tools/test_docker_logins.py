"""What Docker's own configuration holds: logins in its file, and those of credential helpers."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path

import pytest

from nightly_pipeline.errors import RegistryForbidden, RegistryUnavailable
from nightly_pipeline.tools import docker_logins
from nightly_pipeline.tools.acr import ACR_USER
from nightly_pipeline.tools.docker_logins import users_folder
from nightly_pipeline.tools.registry_auth import Credentials

HOST, SECRET = "registry.example:5000", "planted-docker-password-0123456789"
HUB = "https://index.docker.io/v1/"


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    return tmp_path


def users_login(host: str, *, within_s: float = 300.0) -> Credentials | None:
    """A helper of these tests is a program that may be slow to start."""
    return docker_logins.users_login(host, within_s=within_s)


def write(folder: Path, **config: object) -> None:
    (folder / "config.json").write_text(json.dumps(config))


def auth(text: str = f"me:{SECRET}") -> dict[str, str]:
    return {"auth": base64.b64encode(text.encode()).decode()}


@pytest.fixture
def helper(folder, monkeypatch):
    """Puts a credential helper on the path, which runs this code with the host in `host`."""

    def put(code: str, name: str = "planted") -> None:
        program = folder / f"docker-credential-{name}"
        program.write_text(f"#!{sys.executable}\nimport json, sys, time\nhost = sys.stdin.read()\n{code}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    return put


GIVES = f"print(json.dumps({{'ServerURL': host, 'Username': 'me-at-' + host, 'Secret': {SECRET!r}}}))"
HAS_NONE = "print('credentials not found in native keychain'); sys.exit(1)"


def test_a_login_in_the_file(folder):
    write(folder, auths={HOST: auth(), "other.example": auth("you:other")})
    login = users_login(HOST)
    assert login == Credentials("me", SECRET)
    assert SECRET not in repr(login)


@pytest.mark.parametrize(
    "config", [{}, {"auths": {}}, {"auths": {HOST: {}}}, {"auths": {"a.example": auth()}}]
)
def test_a_host_without_a_login(folder, config):
    write(folder, **config)
    assert users_login(HOST) is None


def test_without_any_configuration_there_is_no_login(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "absent"))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert users_login(HOST) is None


@pytest.mark.parametrize(
    ("host", "key"), [("docker.io", HUB), (HOST, f"https://{HOST}"), (HOST, f"https://{HOST}/v2/")]
)
def test_hosts_are_found_as_docker_writes_them(folder, host, key):
    write(folder, auths={key: auth()})
    assert users_login(host) == Credentials("me", SECRET)


@pytest.mark.parametrize("config", [{"credsStore": "planted"}, {"credHelpers": {HOST: "planted"}}])
def test_a_login_of_a_helper(folder, helper, config):
    helper(GIVES)
    write(folder, **config)
    assert users_login(HOST) == Credentials(f"me-at-{HOST}", SECRET)


def test_a_helper_is_for_its_host_alone(folder, helper):
    helper(GIVES)
    write(folder, auths={HOST: auth()}, credHelpers={"other.example": "planted"})
    assert users_login(HOST) == Credentials("me", SECRET)


def test_docker_hub_in_a_store(folder, helper):
    helper(GIVES)
    write(folder, credsStore="planted")
    assert users_login("docker.io") == Credentials(f"me-at-{HUB}", SECRET)


def test_a_helper_that_has_none_leaves_it_to_the_file(folder, helper):
    helper(HAS_NONE)
    write(folder, credsStore="planted")
    assert users_login(HOST) is None
    write(folder, credsStore="planted", auths={HOST: auth()})
    assert users_login(HOST) == Credentials("me", SECRET)


def test_an_identity_token_goes_by_the_null_user(folder, helper):
    write(folder, auths={HOST: {"identitytoken": SECRET}})
    assert users_login(HOST) == Credentials(ACR_USER, SECRET)
    helper(GIVES.replace("'me-at-' + host", "'<token>'"))
    write(folder, credsStore="planted")
    assert users_login(HOST) == Credentials(ACR_USER, SECRET)


@pytest.mark.parametrize(
    "code",
    [
        f"print({SECRET!r}); sys.exit(1)",
        f"print({SECRET!r})",
        f"print(json.dumps({{'Secret': {SECRET!r}}}))",
        f"print(json.dumps([{SECRET!r}]))",
    ],
)
def test_a_helper_that_fails_is_told_without_its_words(folder, helper, code):
    helper(code)
    write(folder, credsStore="planted")
    with pytest.raises(RegistryForbidden, match=HOST) as caught:
        users_login(HOST)
    assert str(folder / "config.json") in caught.value.message
    assert f"docker login {HOST}" in caught.value.next_step
    assert caught.value.__cause__ is None
    assert SECRET not in f"{caught.value}{caught.value.args}"


def test_a_helper_that_is_not_installed(folder, monkeypatch):
    monkeypatch.setenv("PATH", str(folder))
    write(folder, credsStore="planted")
    with pytest.raises(RegistryForbidden, match="docker-credential-planted is not installed"):
        users_login(HOST)


def test_a_helper_that_waits_for_somebody_is_not_waited_for(folder, helper, tmp_path):
    somebody = tmp_path / "somebody"
    helper(f"import os\nwhile not os.path.exists({str(somebody)!r}): time.sleep(0.05)")
    write(folder, credsStore="planted")
    try:
        with pytest.raises(RegistryUnavailable, match=r"gave no answer within 0\.2 s"):
            users_login(HOST, within_s=0.2)
    finally:
        somebody.touch()


@pytest.mark.parametrize(
    "entry", [{"auth": "no base64!"}, {"auth": base64.b64encode(SECRET.encode()).decode()}, 1]
)
def test_an_entry_that_cannot_be_read_is_told_without_what_is_in_it(folder, entry):
    write(folder, auths={HOST: entry})
    with pytest.raises(RegistryForbidden, match="cannot be read") as caught:
        users_login(HOST)
    assert SECRET not in f"{caught.value}{caught.value.args}"


@pytest.mark.parametrize("named", [True, False])
def test_the_folder_is_docker_config_or_the_one_at_home(tmp_path, monkeypatch, named):
    monkeypatch.setenv("HOME", str(tmp_path))
    if named:
        monkeypatch.setenv("DOCKER_CONFIG", "/run/logins")
    else:
        monkeypatch.delenv("DOCKER_CONFIG", raising=False)
    assert users_folder() == (Path("/run/logins") if named else tmp_path / ".docker")
