"""What the container tests share: images made by the registry's API, and a runner with an owner of its own."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import httpx
import pytest

from nightly_pipeline.model.requests import ContainerResult, ContainerSpec
from nightly_pipeline.tools.container_end import Ended, EndWatch
from nightly_pipeline.tools.containers import DockerContainerRunner, RunnerLimits
from nightly_pipeline.tools.ownership import OWNER_LABEL
from tests.registries import BUSY_S

REGISTRY = "localhost:5000"
BASE_REPOSITORY = "nightly-base"
# Of this process's own: docker-registry writes the links of a layer anew each time it is mounted, and not at once.
OWN_REPOSITORY = f"test-containers-{uuid.uuid4().hex[:12]}"
BASE_TAG = "python-3.11-bookworm"
OWN = f"http://{REGISTRY}/v2/{OWN_REPOSITORY}"
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_PUSHED: set[str] = set()
_ANY = {
    "Accept": f"{INDEX},{MANIFEST},application/vnd.docker.distribution.manifest.list.v2+json,"
    "application/vnd.docker.distribution.manifest.v2+json"
}


def sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def push_manifest(document: dict[str, Any]) -> str:
    content = json.dumps(document).encode()
    url = f"{OWN}/manifests/{sha256(content)}"
    httpx.put(
        url, content=content, headers={"Content-Type": document["mediaType"]}, timeout=BUSY_S
    ).raise_for_status()
    _PUSHED.add(sha256(content))
    return sha256(content)


def remove_what_was_pushed() -> None:
    """From the registry and from the daemon."""
    with contextlib.closing(docker.from_env()) as client:
        for digest in _PUSHED:
            httpx.delete(f"{OWN}/manifests/{digest}", timeout=BUSY_S)
            with contextlib.suppress(docker.errors.APIError):  # most were never pulled
                client.api.remove_image(reference(digest))
    _PUSHED.clear()


def mount_blob(digest: str) -> None:
    query = {"mount": digest, "from": BASE_REPOSITORY}
    assert httpx.post(f"{OWN}/blobs/uploads/", params=query, timeout=BUSY_S).status_code == 201


def push_blob(content: bytes) -> dict[str, Any]:
    place = httpx.post(f"{OWN}/blobs/uploads/", timeout=BUSY_S).headers["location"]
    separator = "&" if "?" in place else "?"
    httpx.put(
        f"{place}{separator}digest={sha256(content)}", content=content, timeout=BUSY_S
    ).raise_for_status()
    return {"digest": sha256(content), "size": len(content)}


def fetch(kind: str, name: str) -> httpx.Response:
    url = f"http://{REGISTRY}/v2/{BASE_REPOSITORY}/{kind}/{name}"
    return httpx.get(url, headers=_ANY, follow_redirects=True, timeout=BUSY_S).raise_for_status()


@functools.cache
def base_image() -> str:
    """The local base image, both platforms, by digest."""
    digest = fetch("manifests", BASE_TAG).headers["docker-content-digest"]
    return f"{REGISTRY}/{BASE_REPOSITORY}@{digest}"


def reference(digest: str) -> str:
    return f"{REGISTRY}/{OWN_REPOSITORY}@{digest}"


def manifest_of(arch: str) -> dict[str, Any]:
    index = fetch("manifests", BASE_TAG).json()
    (digest,) = [m["digest"] for m in index["manifests"] if m["platform"]["architecture"] == arch]
    return dict(fetch("manifests", digest).json())


def variant_of_base(arch: str = "amd64", **config: Any) -> str:
    """The base image with another configuration (`User="1000"`), by digest; pushed, not pulled."""
    manifest = manifest_of(arch)
    for layer in manifest["layers"]:
        mount_blob(layer["digest"])
    settings = fetch("blobs", manifest["config"]["digest"]).json()
    settings["config"] = {**(settings.get("config") or {}), **config}
    blob = push_blob(json.dumps(settings).encode())
    changed = {**manifest, "config": {**manifest["config"], **blob}}
    return reference(push_manifest({"mediaType": MANIFEST, **changed}))


def never_pulled(arch: str = "amd64") -> str:
    """An image no daemon has seen."""
    return variant_of_base(arch, Labels={"made-for": uuid.uuid4().hex})


def python(code: str) -> tuple[str, ...]:
    return ("python3", "-u", "-c", code)


def spec(*command: str, **changes: Any) -> ContainerSpec:
    fields: dict[str, Any] = {
        "image": base_image(),
        "command": command,
        "run_id": "0f1e2d3c4b5a",
        "step": "vllm/amd64/unit_tests",
        "platform": "linux/amd64",
        "deadline_s": 300.0,
        "grace_s": 2.0,
        "environment": {"PYTHONDONTWRITEBYTECODE": "1"},
    }
    return ContainerSpec(**{**fields, **changes})


READY = "READY"
"""What a program says when it has come to the point that a test is about."""


def until(condition: Callable[[], object], seconds: float = 500) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


@contextlib.contextmanager
def deadlines_from_ready(is_ready: Callable[[EndWatch], bool]) -> Iterator[None]:
    """Count deadlines from when a program is ready: how long it takes to start says how busy the machine is."""
    wait = EndWatch.wait

    def wait_from_ready(watch: EndWatch) -> Ended:
        until(lambda: is_ready(watch) or not watch._state()["Running"])
        watch._started = time.monotonic()
        return wait(watch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EndWatch, "wait", wait_from_ready)
        yield


@dataclass
class Bench:
    """A runner of its own, what its containers wrote, and what it has left on the daemon."""

    workspace: Path
    owner: str = field(default_factory=lambda: f"test-{uuid.uuid4().hex[:12]}")
    lines: list[str] = field(default_factory=list)
    limits: RunnerLimits = field(default_factory=RunnerLimits)

    def run(self, *command: str, **changes: Any) -> ContainerResult:
        runner = DockerContainerRunner(owner=self.owner, limits=self.limits)
        return runner.run(spec(*command, **changes), workspace=self.workspace, log=self.lines.append)

    @property
    def output(self) -> list[str]:
        return [line for line in self.lines if not line.startswith("[nightly]")]

    @property
    def notes(self) -> str:
        return "\n".join(line for line in self.lines if line.startswith("[nightly]"))

    def left_behind(self) -> list[str]:
        return containers_of(self.owner)

    def started_elsewhere(self, code: str) -> list[str]:
        """The command line of another process that has a runner of this bench's owner and `spec` at hand."""
        prelude = (
            "import sys; from pathlib import Path\n"
            "from tests.integration.containers_support import *\n"
            f"runner = DockerContainerRunner(owner={self.owner!r})\n"
            f"workspace = Path({str(self.workspace)!r})\n"
        )
        return [sys.executable, "-c", prelude + code]


def containers_of(owner: str) -> list[str]:
    client = docker.from_env()
    try:
        found = client.api.containers(all=True, filters={"label": f"{OWNER_LABEL}={owner}"})
        return [container["Id"] for container in found]
    finally:
        client.close()
