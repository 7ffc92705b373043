"""Real builds by the real engine, pushed to the real local registries and read back by plain HTTP."""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from contextlib import suppress
from pathlib import Path

import pytest

from nightly_pipeline.errors import BuildError, BuildTimedOut, EnvironmentNotReady
from nightly_pipeline.model.requests import BuildRequest
from nightly_pipeline.tools.buildx import BuildxBuilder
from nightly_pipeline.tools.buildx_errors import RegistryTrafficError
from nightly_pipeline.tools.registry import Credentials
from nightly_pipeline.tools.registry_login import docker_config
from tests.fakes.registry import FakeRegistry, Fault
from tests.registries import ECR, read_manifest

pytestmark = [pytest.mark.integration, pytest.mark.docker]

DOCKERFILE = """
ARG BASE
FROM --platform=$BUILDPLATFORM ${BASE} AS install
ARG TARGETARCH SALT
RUN mkdir /out && echo "$SALT for $TARGETARCH" > /out/made && uname -m

FROM ${BASE} AS runtime
COPY --from=install /out /opt/out
COPY file.txt /file.txt

FROM runtime AS emulated
ARG SALT
RUN echo "$SALT" && uname -m

FROM runtime AS secret
ARG SALT
RUN --mount=type=secret,id=ca wc -c < /run/secrets/ca

FROM runtime AS broken
ARG SALT
RUN echo "about to fail $SALT" && exit 7

FROM runtime AS endless
ARG SALT
RUN echo "$SALT" && sleep 8${SALT}

FROM scratch AS tiny
ARG SALT
COPY file.txt /
"""


class Bench:
    """Makes requests for one Dockerfile whose steps no other test has built."""

    def __init__(self, folder, base_image, repository):
        self.salt = f"{uuid.uuid4().int:039}"
        self.repository = repository
        self.base_image = base_image
        self.folder = folder
        self.lines = []
        (folder / "Dockerfile").write_text(DOCKERFILE)
        (folder / "file.txt").write_text(self.salt)

    def request(self, target, platform="linux/amd64", **rest):
        defaults = {
            "build_args": {"BASE": self.base_image, "SALT": self.salt},
            "labels": {"org.example.salt": self.salt},
            "push_reference": f"{ECR}/{self.repository}:{target}-{self.salt[:8]}",
            "deadline_s": 500.0,
        }
        dockerfile = self.folder / "Dockerfile"
        return BuildRequest(dockerfile, self.folder, target, platform, **{**defaults, **rest})

    def build(self, target, *arguments, attempts=3, **rest):
        builder = BuildxBuilder(attempts=attempts, wait_s=0.05)
        return builder.build(self.request(target, *arguments, **rest), self.lines.append)


@pytest.fixture
def bench(tmp_path, base_image, repository):
    return Bench(tmp_path, base_image, repository)


def test_an_image_is_in_the_registry_under_the_digest_that_was_answered(bench, repository):
    result = bench.build("tiny")
    answer = read_manifest(f"{ECR}/{repository}:tiny-{bench.salt[:8]}")
    assert f"sha256:{hashlib.sha256(answer.content).hexdigest()}" == result.digest
    assert answer.headers["Docker-Content-Digest"] == result.digest
    platforms = [child["platform"]["architecture"] for child in answer.json()["manifests"]]
    assert platforms == ["amd64", "unknown"]  # the image and its provenance


def test_labels_and_compression_are_those_asked_for(bench, ecr, repository):
    result = bench.build("runtime")
    (child,) = [
        child
        for child in read_manifest(f"{ECR}/{repository}@{result.digest}").json()["manifests"]
        if child["platform"]["architecture"] == "amd64"
    ]
    manifest = read_manifest(f"{ECR}/{repository}@{child['digest']}").json()
    assert manifest["layers"][-1]["mediaType"].endswith("tar+zstd")
    assert ecr.config_of(result.digest)["config"]["Labels"]["org.example.salt"] == bench.salt


def test_nothing_is_executed_the_second_time(bench):
    first = bench.build("runtime").metrics
    assert (first.steps, first.cached_steps) == (3, 0)
    again = bench.build("runtime").metrics
    assert (again.steps, again.cached_steps, again.hit_rate) == (3, 3, 1.0)


def test_another_architecture_is_made_without_emulation(bench, ecr):
    result = bench.build("runtime", "linux/arm64")
    assert ecr.config_of(result.digest)["architecture"] == "arm64"
    assert result.metrics.emulated_steps == 0
    assert any(line.endswith("x86_64") for line in bench.lines)  # what ran was this machine's


def test_what_is_emulated_is_counted(bench):
    result = bench.build("emulated", "linux/arm64")
    assert result.metrics.emulated_steps == 1
    assert any(line.endswith("aarch64") for line in bench.lines)


def test_the_cache_is_an_image_manifest_as_ecr_wants_it(bench, repository):
    cache = f"{ECR}/{repository}:cache-{bench.salt[:8]}"
    bench.build("runtime", cache_to=cache, cache_from=(cache,))
    manifest = read_manifest(cache).json()
    assert manifest["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
    assert manifest["config"]["mediaType"] == "application/vnd.buildkit.cacheconfig.v0"


def test_a_cache_that_cannot_be_written_loses_no_image(bench):
    assert bench.build("tiny", cache_to="localhost:9/cache:x", cache_from=("localhost:9/cache:x",)).digest


def test_a_secret_is_there_for_a_step_and_nowhere_else(bench, ecr, tmp_path):
    content = uuid.uuid4().hex * 3
    secret = tmp_path.with_suffix(".secret")
    secret.write_text(content)
    result = bench.build("secret", secrets={"ca": secret})
    assert any(line.endswith(" 96") for line in bench.lines)
    assert content not in json.dumps(ecr.config_of(result.digest))
    assert not any(content in line for line in bench.lines)


def test_a_failing_step_is_named(bench, repository):
    with pytest.raises(BuildError, match="failed with exit code 7") as caught:
        bench.build("broken")
    assert f"about to fail {bench.salt}" in caught.value.message
    assert "broken 1/1] RUN" in caught.value.message
    assert caught.value.metrics.build_steps[-1].status == "failed"
    assert read_manifest(f"{ECR}/{repository}:broken-{bench.salt[:8]}").status_code == 404


class Clock:
    """Time as it is until a moment comes; from then on, so many seconds later."""

    def __init__(self, has_come, ahead_s):
        self._has_come, self._ahead_s = has_come, ahead_s
        self._came = False

    def monotonic(self):
        self._came = self._came or self._has_come()
        return time.monotonic() + (self._ahead_s if self._came else 0.0)


@pytest.mark.slow
def test_a_build_beyond_its_deadline_is_ended_everywhere(bench, monkeypatch):
    bench.build("runtime")  # so that the deadline finds the endless step alone
    sleeping = f"sleep\x008{bench.salt}\x00".encode()

    def it_sleeps():
        return any(line.endswith(f" {bench.salt}") for line in bench.lines) and sleeping in commands()

    monkeypatch.setattr("nightly_pipeline.tools.pipes.time", Clock(it_sleeps, ahead_s=500.0))
    with pytest.raises(BuildTimedOut, match=f"sleep 8{bench.salt}") as caught:
        bench.build("endless", deadline_s=500.0)
    assert [step.status for step in caught.value.metrics.build_steps].count("cancelled") == 1
    end = time.monotonic() + 300
    while sleeping in commands():
        assert time.monotonic() < end, "it sleeps on"
        time.sleep(0.1)


def test_a_target_that_is_not_there(bench):
    with pytest.raises(BuildError, match="nonesuch"):
        bench.build("nonesuch")


def test_a_base_image_that_is_not_there(bench):
    with pytest.raises(BuildError, match="not found"):
        bench.build("runtime", build_args={"BASE": f"{ECR}/no-such-image:x", "SALT": "x"})


def test_an_engine_that_is_not_there(bench):
    with pytest.raises(EnvironmentNotReady, match="Cannot connect"):
        bench.build("tiny", docker_host="tcp://127.0.0.1:9")


def test_a_build_without_a_push(bench):
    assert bench.build("tiny", push_reference=None).digest.startswith("sha256:")


@pytest.fixture
def unreliable():
    with FakeRegistry().running() as fake:
        yield fake


def test_a_push_goes_on_when_the_registry_comes_back(bench, unreliable):
    unreliable.faults = [Fault(method="POST", status=500, times=1)]
    result = bench.build("tiny", push_reference=f"localhost:{unreliable.port}/x:y")
    assert result.digest in unreliable.repository("x").manifests


@pytest.mark.slow
def test_a_registry_that_never_recovers_is_not_the_dockerfiles_fault(bench, unreliable):
    unreliable.faults = [Fault(method="POST", status=503, times=10_000)]
    with pytest.raises(RegistryTrafficError, match="503") as caught:
        bench.build("tiny", push_reference=f"localhost:{unreliable.port}/x:y", attempts=2)
    assert "Registry traffic failed: attempt 2 of 2." in bench.lines
    assert caught.value.metrics.cached_steps == 1


def test_a_login_of_the_runs_own(bench):
    with FakeRegistry(auth="basic", login=("AWS", "token")).running() as fake:
        push = f"localhost:{fake.port}/x:y"
        with pytest.raises(BuildError) as caught:
            bench.build("tiny", push_reference=push)
        assert "credentials" in caught.value.next_step
        logins = {f"localhost:{fake.port}": Credentials("AWS", "token")}
        with docker_config(logins, user_folder=None) as folder:
            result = bench.build("tiny", push_reference=push, docker_config=folder)
        assert result.digest in fake.repository("x").manifests


def commands():
    """The command lines of all processes of this machine."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended
            found.add(path.read_bytes())
    return found
