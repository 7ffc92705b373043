"""The machine that integration tests need: a running engine and both local registries.

What is missing fails the test rather than skips it: a suite that skips what it is for is green for nothing.
"""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from nightly_pipeline.tools.registry import OciRegistry
from tests.integration.containers_support import (
    READY,
    Bench,
    deadlines_from_ready,
    remove_what_was_pushed,
)
from tests.registries import ACR, BUSY_S, ECR, empty_repository, read_manifest

BASE_IMAGE = f"{ECR}/nightly-base:python-3.11-bookworm"


def _missing(what: str) -> None:
    pytest.fail(f"{what}: run make setup", pytrace=False)


def _docker(*arguments: str) -> str:
    try:
        done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=300, check=True)
    except FileNotFoundError:
        _missing("docker is not installed")
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        _missing(f"`docker {' '.join(arguments)}` does not work ({(error.stderr or '').strip()})")
    return done.stdout


@pytest.fixture(scope="session")
def machine() -> None:
    """An engine that answers, both registries, and the base image."""
    _docker("version", "--format", "{{.Server.Version}}")
    _docker("buildx", "version")
    for host in (ECR, ACR):
        try:
            httpx.get(f"http://{host}/v2/", timeout=BUSY_S, trust_env=False).raise_for_status()
        except httpx.HTTPError as error:
            _missing(f"no registry answers at {host} ({error})")
    if not _base_is_there():
        _missing(f"the base image {BASE_IMAGE} is not there")


@pytest.fixture(autouse=True)
def _machine_for_docker_tests(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("docker"):
        request.getfixturevalue("machine")


@pytest.fixture(scope="session")
def base_image(machine: None) -> str:
    """Debian with Python for both architectures."""
    return BASE_IMAGE


@pytest.fixture(scope="session")
def repository(machine: None) -> Iterator[str]:
    """A repository name of this session's own, in both registries; what is in it goes at the end."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    yield name
    for host in (ECR, ACR):
        empty_repository(host, name)
    images = _docker("image", "ls", "--quiet", "--filter", f"reference={ECR}/{name}").split()
    if images:
        subprocess.run(["docker", "image", "rm", "--force", *set(images)], capture_output=True, check=False)


@pytest.fixture(scope="session")
def variants() -> Iterator[None]:
    """What a session's container tests push goes at the end."""
    yield
    remove_what_was_pushed()


@pytest.fixture
def ecr(repository: str) -> Iterator[OciRegistry]:
    """The session's repository in the registry with the role of ECR."""
    with OciRegistry("ecr", ECR, repository, insecure=True) as registry:
        yield registry


@pytest.fixture
def acr(repository: str) -> Iterator[OciRegistry]:
    """The session's repository in the registry with the role of ACR."""
    with OciRegistry("acr", ACR, repository, insecure=True) as registry:
        yield registry


@pytest.fixture
def bench(tmp_path: Path, variants: None) -> Iterator[Bench]:
    """A place to run containers in, none of which may be left behind."""
    bench = Bench(tmp_path / "results")
    yield bench
    assert bench.left_behind() == []


@pytest.fixture
def from_ready(bench: Bench) -> Iterator[None]:
    """Lets the deadlines of a bench's containers count from when they have said READY."""
    with deadlines_from_ready(lambda _watch: READY in bench.lines):
        yield


def _base_is_there() -> bool:
    return read_manifest(BASE_IMAGE).status_code == httpx.codes.OK
