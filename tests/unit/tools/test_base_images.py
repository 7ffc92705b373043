"""Base images behind a login: whose login they are asked for with."""

from __future__ import annotations

import base64
import json

import pytest

from nightly_pipeline.errors import RegistryForbidden
from nightly_pipeline.settings import load_settings
from nightly_pipeline.steps.bases import pin_bases
from nightly_pipeline.tools.base_images import digests_behind, login_for, registry_at
from nightly_pipeline.tools.registry_auth import Credentials
from tests.fakes.registry import FakeRegistry

USER, SECRET = "reader", "planted-base-password-0123456789"


@pytest.fixture(params=("basic", "bearer"))
def registry(request):
    with FakeRegistry(auth=request.param, login=(USER, SECRET)).running() as registry:
        yield registry


@pytest.fixture
def docker(tmp_path, monkeypatch):
    """Writes Docker's own configuration, which has no login until then."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setenv("HOME", str(tmp_path))

    def write(host: str, password: str = SECRET) -> None:
        auth = base64.b64encode(f"{USER}:{password}".encode()).decode()
        (tmp_path / "docker").mkdir(exist_ok=True)
        (tmp_path / "docker" / "config.json").write_text(json.dumps({"auths": {host: {"auth": auth}}}))

    return write


@pytest.fixture
def profile(tmp_path):
    """Reads a profile whose registries are these, beside the local ones."""

    def load(**registries: dict[str, object]):
        file = tmp_path / "own.yaml"
        file.write_text(json.dumps({"extends": "local", "registries": registries}))
        users = [role for role, registry in registries.items() if "username" in registry]
        passwords = {f"NIGHTLY_REGISTRY_{role.upper()}_PASSWORD": SECRET for role in users}
        return load_settings(str(file), environment=passwords, root=tmp_path)

    return load


def own(registry: FakeRegistry, **fields: object) -> dict[str, object]:
    return {"host": registry.host, "insecure": True, "username": USER, **fields}


@pytest.mark.usefixtures("docker")
def test_a_base_in_a_registry_of_the_profile_is_asked_for_with_its_login(registry, profile):
    digest = registry.add_image("team/base", "1")
    assert digests_behind(profile(private=own(registry)))(f"{registry.host}/team/base:1") == digest


def test_a_base_elsewhere_is_asked_for_with_dockers_login(registry, profile, docker):
    digest = registry.add_image("team/base", "1")
    docker(registry.host)
    look_up = digests_behind(profile())
    assert look_up(f"{registry.host}/team/base:1") == digest
    assert look_up(f"{registry.host}/team/base:absent") is None


def test_a_base_in_a_registry_of_the_profile_that_has_no_login_is_too(registry, profile, docker):
    digest = registry.add_image("team/base", "1")
    docker(registry.host)
    settings = profile(private={"host": registry.host, "insecure": True})
    assert digests_behind(settings)(f"{registry.host}/team/base:1") == digest


def test_the_profiles_login_goes_before_dockers(registry, profile, docker):
    digest = registry.add_image("team/base", "1")
    docker(registry.host, password="wrong-but-secret")  # noqa: S106 - of a test
    assert digests_behind(profile(private=own(registry)))(f"{registry.host}/team/base:1") == digest


@pytest.mark.usefixtures("docker")
def test_a_base_nobody_has_a_login_for_is_asked_for_without(profile):
    with FakeRegistry(auth="bearer").running() as registry:
        digest = registry.add_image("base", "1")
        assert digests_behind(profile())(f"{registry.host}/base:1") == digest


def test_a_base_that_is_refused_is_left_to_its_build_and_shows_no_secret(registry, profile, docker):
    docker(registry.host, password="wrong-but-secret")  # noqa: S106 - of a test
    lines: list[str] = []
    assert pin_bases([f"{registry.host}/base:1"], digests_behind(profile()), lines.append) == {}
    assert "is not pinned" in lines[0]
    assert "wrong-but-secret" not in str(lines)


def test_a_configuration_that_cannot_be_read_is_left_to_the_build_too(registry, profile, docker, tmp_path):
    docker(registry.host)
    (tmp_path / "docker" / "config.json").write_text(json.dumps({"auths": {registry.host: {"auth": "?"}}}))
    lines: list[str] = []
    assert pin_bases([f"{registry.host}/base:1"], digests_behind(profile()), lines.append) == {}
    assert "cannot be read" in lines[0]


def test_the_primary_goes_before_another_role_of_the_same_host(profile, docker):
    docker("localhost:5000")
    settings = profile(aaa={"host": "localhost:5000", "insecure": True, "username": "other"})
    assert registry_at(settings, "localhost:5000") is settings.registries["ecr"]
    assert login_for(settings, "localhost:5000")() == Credentials(USER, SECRET)
    assert registry_at(settings, "nvcr.io") is None


def test_a_password_that_is_not_set_is_said_rather_than_gone_without(registry, profile, docker):
    docker(registry.host)
    settings = profile(private=own(registry))
    settings.registries["private"] = settings.registries["private"].model_copy(update={"password": None})
    with pytest.raises(RegistryForbidden, match=f"no password for {USER}"):
        digests_behind(settings)(f"{registry.host}/team/base:1")
