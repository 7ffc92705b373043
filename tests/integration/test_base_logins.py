"""Builds from a base image behind a login that the user has and the profile does not."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nightly_pipeline.errors import BuildError
from nightly_pipeline.model.requests import BuildRequest, BuildResult
from nightly_pipeline.settings import Settings, load_settings
from nightly_pipeline.steps.bases import pin_bases, pinned_arguments
from nightly_pipeline.tools.base_images import digests_behind
from nightly_pipeline.tools.buildx import BuildxBuilder
from nightly_pipeline.tools.logins import RegistryLogins
from nightly_pipeline.tools.registry_auth import Credentials
from nightly_pipeline.tools.registry_login import docker_config
from tests.fakes.registry import FakeRegistry

pytestmark = [pytest.mark.integration, pytest.mark.docker]

READER = ("reader", "planted-base-password-0123456789")
PUBLISHER = ("publisher", "planted-push-password-0123456789")
HELPER = f"""#!{sys.executable}
import json, sys
host = sys.stdin.read().strip()
user, password = {READER!r} if sys.argv[1] == "get" and host == "HOST" else ("", "")
if not user:
    print("credentials not found in native keychain")
    sys.exit(1)
print(json.dumps({{"ServerURL": host, "Username": user, "Secret": password}}))
"""


@pytest.fixture
def users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own configuration, which is empty."""
    folder = tmp_path / "users"
    folder.mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    return folder


@pytest.fixture(params=["basic", "bearer"])
def elsewhere(request) -> Iterator[FakeRegistry]:
    """Where the base is: a registry that the profile does not know."""
    with FakeRegistry(auth=request.param, login=READER).running() as registry:
        yield registry


@pytest.fixture(params=["auths", "credHelpers", "credsStore"])
def login(request, elsewhere, users, monkeypatch) -> None:
    """The user's login for it: in the file, or kept by a helper for one host or for all."""
    host = f"localhost:{elsewhere.port}"
    auth = base64.b64encode(":".join(READER).encode()).decode()
    config = {"auths": {host: {"auth": auth}}, "credHelpers": {host: "planted"}, "credsStore": "planted"}
    (users / "config.json").write_text(json.dumps({request.param: config[request.param]}))
    helper = users / "docker-credential-planted"
    helper.write_text(HELPER.replace("HOST", host))
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", str(users), prepend=":")


@pytest.fixture
def primary() -> Iterator[FakeRegistry]:
    """Where builds push to."""
    with FakeRegistry(auth="basic", login=PUBLISHER).running() as registry:
        yield registry


@pytest.fixture
def settings(primary, tmp_path) -> Settings:
    own = {"host": f"localhost:{primary.port}", "username": PUBLISHER[0], "cache_repository": None}
    (tmp_path / "own.yaml").write_text(json.dumps({"extends": "local", "registries": {"ecr": own}}))
    password = {"NIGHTLY_REGISTRY_ECR_PASSWORD": PUBLISHER[1]}
    return load_settings(str(tmp_path / "own.yaml"), environment=password, root=tmp_path)


@pytest.fixture
def base(machine, elsewhere, users, tmp_path) -> str:
    """The base, pushed by somebody who may."""
    reference = f"localhost:{elsewhere.port}/team/base:1"
    logins = {f"localhost:{elsewhere.port}": Credentials(*READER)}
    with docker_config(logins, user_folder=users) as folder:
        build(
            tmp_path / "base", "FROM scratch AS runtime\nCOPY file /base\n", reference, docker_config=folder
        )
    return reference


def build(folder: Path, dockerfile: str, push: str, **fields: object) -> BuildResult:
    folder.mkdir(exist_ok=True)
    (folder / "Dockerfile").write_text(dockerfile)
    (folder / "file").write_text(push)
    request = BuildRequest(
        dockerfile=folder / "Dockerfile",
        context=folder,
        target="runtime",
        platform="linux/amd64",
        labels={},
        push_reference=push,
        deadline_s=300.0,
        **{"build_args": {}, **fields},
    )
    return BuildxBuilder(attempts=2, wait_s=0.05).build(request, [].append)


def build_from(base: str, settings: Settings, folder: Path) -> tuple[dict[str, str], BuildResult]:
    """Pin the base and build from it, as a night does; what was pinned, and the result."""
    image, tag = base.rsplit(":", 1)
    pinned = pin_bases([base], digests_behind(settings), [].append)
    arguments = pinned_arguments({"BASE_IMAGE": image, "BASE_IMAGE_TAG": tag}, pinned)
    dockerfile = (
        "ARG BASE_IMAGE\nARG BASE_IMAGE_TAG\n"
        "FROM ${BASE_IMAGE}:${BASE_IMAGE_TAG} AS runtime\nCOPY file /derived\n"
    )
    push = f"{settings.registries['ecr'].host}/nightly:x"
    with RegistryLogins.of_builds(settings, [base]).docker_config() as logins:
        return pinned, build(folder, dockerfile, push, build_args=arguments, docker_config=logins)


@pytest.mark.usefixtures("login")
def test_a_base_is_pinned_and_built_from_with_the_users_own_login(
    base, elsewhere, primary, settings, tmp_path
):
    pinned, result = build_from(base, settings, tmp_path / "derived")
    assert pinned == {base: elsewhere.repository("team/base").tags["1"]}
    assert result.digest in primary.repository("nightly").manifests


def test_without_a_login_the_base_is_not_pinned_and_its_build_says_why(base, settings, tmp_path):
    with pytest.raises(BuildError, match=r"401|authorization|credentials|unauthorized"):
        build_from(base, settings, tmp_path / "derived")
