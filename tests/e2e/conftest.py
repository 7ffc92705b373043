"""Whole small nights: a profile, a repository and a home of their own, the real engine and registries."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import pytest
import yaml

from tests.clock import stay_in_one_day
from tests.fakes.slack_server import FakeSlack
from tests.registries import ACR, BUSY_S, ECR, empty_repository, read_manifest

ROOT = Path(__file__).parents[2]
NIGHTLY = ROOT / ".venv" / "bin" / "nightly"
PROFILE = "small.yaml"
A_MODULE_S = 900
"""How long the nights of a module take, on a busy machine."""
PATIENCE_S = 900
"""When something that is waited for is given up: late is no error, never is."""
A_TEST_S = 2400
"""When a test is given up. The first one of a module waits for a new day, for servers, and for whole nights."""


@dataclass(frozen=True)
class SmallNight:
    """A place where small nights run: nothing in it is shared with the checkout's own nights."""

    folder: Path
    repository: str
    source: Path
    profile: Path
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def nightly(self, *arguments: str, expect: int | None = 0, timeout_s: float = PATIENCE_S) -> str:
        """Call the command as a person does; its standard output."""
        verb, *rest = arguments
        done = subprocess.run(
            [str(NIGHTLY), verb, "--profile", str(self.profile), *rest],
            cwd=ROOT,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if expect is not None:
            assert done.returncode == expect, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def environment(self) -> dict[str, str]:
        own = {"NIGHTLY_HOME": str(self.home), "NIGHTLY_PROFILE": str(self.profile)}
        return {**os.environ, **own, **self.variables}

    def report(self, *arguments: str) -> dict:
        return json.loads(self.nightly("report", "--format", "json", *arguments))

    def instance(self) -> dg.DagsterInstance:
        """Dagster's own records, read without the code under test."""
        return dg.DagsterInstance.from_config(str(self.home / "dagster_home"))


def manifest(host: str, repository: str, reference: str) -> tuple[str, dict] | None:
    """What a registry answers over its HTTP API: digest and document; None when absent."""
    separator = "@" if reference.startswith("sha256:") else ":"
    answer = read_manifest(f"{host}/{repository}{separator}{reference}")
    if answer.status_code == 404:
        return None
    answer.raise_for_status()
    return answer.headers["Docker-Content-Digest"], answer.json()


def config_of(host: str, repository: str, digest: str) -> dict:
    """The configuration of an image, through its index when it has one."""
    found = manifest(host, repository, digest)
    assert found is not None
    document = found[1]
    if "manifests" in document:
        real = [child for child in document["manifests"] if child["platform"]["architecture"] != "unknown"]
        assert len(real) == 1
        return config_of(host, repository, real[0]["digest"])
    blob = httpx.get(
        f"http://{host}/v2/{repository}/blobs/{document['config']['digest']}",
        follow_redirects=True,
        timeout=BUSY_S,
    )
    return blob.json()


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.com"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def make_night(
    folder: Path, frameworks: tuple[str, ...], table: Mapping[str, Any] | None = None
) -> SmallNight:
    """A repository with this checkout's docker/ folder in one commit, and a profile of some frameworks."""
    source = folder / "source"
    source.mkdir(parents=True)
    shutil.copytree(ROOT / "docker", source / "docker", ignore=shutil.ignore_patterns("__pycache__", ".venv"))
    git(source, "init", "-q", "-b", "main")
    git(source, "add", "-A")
    git(source, "commit", "-q", "-m", "Start")
    repository = f"test-{uuid.uuid4().hex[:12]}"
    table = dict(table or {})
    absent = {name: None for name in ("vllm", "sglang", "trtllm") if name not in frameworks}
    profile = folder / PROFILE
    profile.write_text(
        yaml.safe_dump(
            {
                "extends": "local",
                "source": {"repository": str(source), "ref": "main"},
                "registries": {
                    "ecr": {"repository": repository, "cache_repository": f"{repository}-cache"},
                    "acr": {"repository": repository},
                },
                "table": {**table, "frameworks": {**absent, **table.get("frameworks", {})}},
            }
        )
    )
    return SmallNight(folder=folder, repository=repository, source=source, profile=profile)


def empty_registries(folder: Path) -> None:
    """Delete what the nights below a folder pushed to the registries of this machine."""
    for profile in folder.rglob(PROFILE):
        for registry in yaml.safe_load(profile.read_text())["registries"].values():
            for name in {registry["repository"], registry.get("cache_repository", registry["repository"])}:
                assert name.startswith("test-"), name
                empty_repository(ECR, name)
                empty_repository(ACR, name)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for one module's nights, all of one day; what they pushed goes when the module is done."""
    stay_in_one_day(A_MODULE_S)
    folder = tmp_path_factory.mktemp("night")
    yield folder
    empty_registries(folder)


@pytest.fixture(scope="module")
def slack() -> Iterator[FakeSlack]:
    """Slack, for all nights of one module."""
    with FakeSlack() as server:
        yield server


@pytest.fixture(scope="module")
def report(night: SmallNight) -> dict:
    """What the night's report says, asked for once."""
    return night.report()
