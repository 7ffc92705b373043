"""Logins of a profile: whose, how fresh, and what happens when one cannot be had."""

from __future__ import annotations

import base64
import json
import stat

import pytest

from nightly_pipeline.errors import RegistryForbidden, RegistryUnavailable
from nightly_pipeline.settings import load_settings
from nightly_pipeline.tools import logins as module
from nightly_pipeline.tools.logins import RegistryLogins, open_registries
from nightly_pipeline.tools.registry_auth import Credentials

FIRST, SECOND = "localhost:5000", "localhost:5001"


@pytest.fixture(autouse=True)
def _no_home_and_no_waiting(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "no-docker"))
    monkeypatch.setattr(module, "_WAIT_S", 0.001)


def password_of(folder, host: str) -> str | None:
    auth = json.loads((folder / "config.json").read_text())["auths"].get(host, {}).get("auth", "")
    return base64.b64decode(auth).decode().partition(":")[2] or None


class Provider:
    """Gives another password each time; raises what it is told first."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.asked = 0

    def __call__(self) -> Credentials:
        self.asked += 1
        if self.errors:
            raise self.errors.pop(0)
        return Credentials("AWS", f"password-{self.asked}")


def test_logins_are_had_when_they_are_needed_and_renewed_in_place():
    provider = Provider()
    logins = RegistryLogins({FIRST: provider})
    assert provider.asked == 0
    with logins.docker_config() as folder:
        assert password_of(folder, FIRST) == "password-1"
        logins.renew(folder)
        assert password_of(folder, FIRST) == "password-2"
        assert stat.S_IMODE((folder / "config.json").stat().st_mode) == 0o600
        assert [path.name for path in folder.iterdir()] == ["config.json"]
    assert not folder.exists()


def test_the_folder_goes_when_a_renewal_fails():
    logins = RegistryLogins({FIRST: Provider()})
    with pytest.raises(RuntimeError), logins.docker_config() as folder:
        raise RuntimeError
    assert not folder.exists()


def test_who_cannot_be_asked_is_asked_again():
    provider = Provider(RegistryUnavailable("503"), RegistryUnavailable("503"))
    with RegistryLogins({FIRST: provider}).docker_config() as folder:
        assert password_of(folder, FIRST) == "password-3"


def test_who_refuses_is_not_asked_again():
    provider = Provider(RegistryForbidden("no"))
    with pytest.raises(RegistryForbidden), RegistryLogins({FIRST: provider}).docker_config():
        pass
    assert provider.asked == 1


def test_an_optional_login_may_be_missing():
    providers = {FIRST: Provider(), SECOND: Provider(*[RegistryUnavailable("down")] * 9)}
    with RegistryLogins(providers, optional=[SECOND]).docker_config() as folder:
        assert password_of(folder, FIRST) == "password-1"
        assert password_of(folder, SECOND) is None


@pytest.fixture
def settings(tmp_path):
    profile = tmp_path / "own.yaml"
    profile.write_text(
        "extends: local\n"
        "registries: {ecr: {username: a}, acr: {username: b}, other: {host: 'localhost:5002'}}\n"
    )
    environment = {"NIGHTLY_REGISTRY_ECR_PASSWORD": "first-secret", "NIGHTLY_REGISTRY_ACR_PASSWORD": "second"}
    return load_settings(str(profile), environment=environment, root=tmp_path)


def test_builds_get_the_primary_registrys_login_alone(settings):
    with RegistryLogins.of_primary(settings).docker_config() as folder:
        assert password_of(folder, FIRST) == "first-secret"
        assert password_of(folder, SECOND) is None


@pytest.mark.parametrize(
    ("base", "has_it"),
    [
        ("localhost:5001/base:1", True),
        ("localhost:5002/base:1", False),
        ("vllm/vllm-openai:1", False),
        ("No Reference", False),
    ],
)
def test_builds_get_the_login_of_the_registry_their_base_is_in(settings, base, has_it):
    with RegistryLogins.of_builds(settings, [base]).docker_config() as folder:
        assert password_of(folder, FIRST) == "first-secret"
        assert password_of(folder, SECOND) == ("second" if has_it else None)


def test_a_base_registry_whose_login_cannot_be_had_stops_no_build(settings):
    second = settings.registries["acr"].model_copy(update={"password": None})
    settings.registries["acr"] = second
    with RegistryLogins.of_builds(settings, [f"{SECOND}/base:1"]).docker_config() as folder:
        assert password_of(folder, FIRST) == "first-secret"
        assert password_of(folder, SECOND) is None


def test_the_users_store_is_asked_for_bases_that_are_elsewhere(settings, tmp_path, monkeypatch):
    users = tmp_path / "users"
    users.mkdir()
    (users / "config.json").write_text(json.dumps({"credsStore": "desktop"}))
    monkeypatch.setenv("DOCKER_CONFIG", str(users))
    bases = ["nvcr.io/nvidia/pytorch:25.10-py3", "python:3.11", f"{SECOND}/base:1"]
    logins = RegistryLogins.of_builds(settings, bases)
    with logins.docker_config() as folder:
        written = json.loads((folder / "config.json").read_text())
        logins.renew(folder)
        assert json.loads((folder / "config.json").read_text()) == written
    helpers = {"nvcr.io": "desktop", "https://index.docker.io/v1/": "desktop"}
    assert written["credHelpers"] == helpers
    assert "credsStore" not in written
    assert written["auths"].keys() == {FIRST, SECOND}


def test_the_users_own_folder_is_the_one_docker_goes_by(settings, tmp_path, monkeypatch):
    users = tmp_path / "users"
    users.mkdir()
    (users / "config.json").write_text(json.dumps({"auths": {"nvcr.io": {"auth": "b3RoZXI6b25l"}}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(users))
    with RegistryLogins.of_primary(settings).docker_config() as folder:
        assert (password_of(folder, FIRST), password_of(folder, "nvcr.io")) == ("first-secret", "one")


def test_all_logins_of_a_profile_are_those_that_have_one(settings):
    with RegistryLogins.of(settings).docker_config() as folder:
        assert password_of(folder, FIRST) == "first-secret"
        assert password_of(folder, SECOND) == "second"
        assert password_of(folder, "localhost:5002") is None


def test_a_user_without_a_password_is_told_the_variable(tmp_path):
    profile = tmp_path / "own.yaml"
    profile.write_text("extends: local\nregistries: {ecr: {username: a}}\n")
    settings = load_settings(str(profile), environment={}, root=tmp_path)
    with (
        pytest.raises(RegistryForbidden, match="there is no password for a") as caught,
        RegistryLogins.of_primary(settings).docker_config(),
    ):
        pass
    assert "NIGHTLY_REGISTRY_{ROLE}_PASSWORD" in caught.value.next_step


def test_every_registry_of_a_profile_is_opened_and_none_is_asked(settings):
    assert {role: registry.host for role, registry in open_registries(settings).items()} == {
        "ecr": FIRST,
        "acr": SECOND,
        "other": "localhost:5002",
    }
