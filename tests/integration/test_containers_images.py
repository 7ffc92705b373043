from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest

from nightly_pipeline.errors import ContainerError
from nightly_pipeline.tools.container_images import Patience
from nightly_pipeline.tools.containers import RunnerLimits
from tests.fakes.registry_door import Answer, Asked, Door, Trouble, error
from tests.integration.containers_support import (
    INDEX,
    Bench,
    base_image,
    never_pulled,
    push_manifest,
    python,
    reference,
)
from tests.registries import ECR

pytestmark = [pytest.mark.integration, pytest.mark.docker]

IMPATIENT = RunnerLimits(pull=Patience(deadline_s=200, attempts=3, first_wait_s=0.05))
MACHINE = python("import platform; print(platform.machine())")


@pytest.fixture
def bench(tmp_path, variants) -> Iterator[Bench]:
    bench = Bench(tmp_path / "results", limits=IMPATIENT)
    yield bench
    assert bench.left_behind() == []


@pytest.fixture
def disposable() -> Iterator[Callable[[str], str]]:
    """Has images removed from the daemon after the test."""
    images: list[str] = []
    yield lambda image: images.append(image) or image
    client = docker.from_env()
    for image in images:
        client.api.remove_image(image)
    client.close()


@pytest.fixture
def fresh_image(disposable) -> str:
    return disposable(never_pulled())


def test_an_image_is_pulled_when_it_is_missing_and_only_then(bench, fresh_image):
    bench.run("true", image=fresh_image)
    assert bench.notes.count("pulled in") == 1
    bench.run("true", image=fresh_image)
    assert bench.notes.count("pulling") == bench.notes.count("pulled in") == 1


def test_arm64_runs_on_an_amd64_host(bench):
    result = bench.run(*MACHINE, platform="linux/arm64")
    assert (result.exit_code, bench.output) == (0, ["aarch64"])


def test_one_index_gives_each_platform_its_own_image(bench):
    bench.run(*MACHINE, platform="linux/amd64")
    bench.run(*MACHINE, platform="linux/arm64")
    assert bench.output == ["x86_64", "aarch64"]


def test_an_image_of_another_platform_never_runs_in_its_place(bench, fresh_image):
    bench.run("true", image=fresh_image)
    with pytest.raises(ContainerError, match="linux/arm64"):
        bench.run("true", image=fresh_image, platform="linux/arm64")


def test_an_image_that_is_not_there_is_said_at_once(bench):
    absent = f"{base_image().partition('@')[0]}@sha256:{'0' * 64}"
    with pytest.raises(ContainerError, match="not in its registry"):
        bench.run("true", image=absent)
    assert bench.notes.count("pull failed") == 1


def test_a_registry_that_does_not_answer_is_asked_again_and_then_given_up(bench):
    with pytest.raises(ContainerError, match="could not be pulled"):
        bench.run("true", image=f"localhost:1/nothing@sha256:{'0' * 64}")
    assert bench.notes.count("pull failed") == 3


def test_a_registry_that_fails_once_costs_one_attempt(bench, disposable):
    with Door(ECR) as registry:
        registry.troubles.append(Trouble(path="/manifests/", answer=error(503, "UNAVAILABLE")))
        image = disposable(at(registry, never_pulled()))
        assert bench.run("true", image=image).exit_code == 0
    assert bench.notes.count("pull failed") == 1


class Guarded(Door):
    """A door that lets one user in."""

    login = base64.b64encode(b"user:secret-password").decode()

    def answer(self, asked: Asked) -> Answer | None:
        if asked.headers.get("authorization") == f"Basic {self.login}":
            return None
        return error(401, "UNAUTHORIZED", **{"WWW-Authenticate": 'Basic realm="test"'})


def at(door: Door, image: str) -> str:
    """The same image, asked for at a door."""
    return image.replace(ECR, door.host)


def test_a_login_comes_from_the_given_folder(bench, tmp_path, disposable):
    with Guarded(ECR) as registry:
        image = disposable(at(registry, never_pulled()))
        with pytest.raises(ContainerError, match="may not be read"):
            bench.run("true", image=image, docker_config=_docker_config(tmp_path / "empty", registry, None))
        logged_in = _docker_config(tmp_path / "login", registry, registry.login)
        assert bench.run("true", image=image, docker_config=logged_in).exit_code == 0
    assert "secret-password" not in "\n".join(bench.lines)


def _docker_config(folder: Path, registry: Door, auth: str | None) -> Path:
    folder.mkdir()
    auths = {registry.host: {"auth": auth}} if auth else {}
    (folder / "config.json").write_text(json.dumps({"auths": auths}))
    return folder


def test_an_index_without_the_platform_is_said_so(bench):
    index = push_manifest({"schemaVersion": 2, "mediaType": INDEX, "manifests": []})
    with pytest.raises(ContainerError, match="linux/amd64"):
        bench.run("true", image=reference(index))
