"""The builder against a `docker` that replays what the real one wrote."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from nightly_pipeline.errors import BuildError, BuildTimedOut, DiskFull, EnvironmentNotReady
from nightly_pipeline.model.requests import BuildRequest
from nightly_pipeline.tools import pipes
from nightly_pipeline.tools.buildx import BuildxBuilder
from nightly_pipeline.tools.buildx_errors import RegistryTrafficError

SAMPLES = Path(__file__).parent / "data" / "rawjson"
DIGEST = "sha256:" + "a" * 64
DOCKER = """#!/bin/sh
echo "$*" >> "$0.calls"
case "$2" in
inspect)
    cat "$0.inspect" ;;
imagetools)
    for name; do :; done
    if [ -e "$0.absent" ]; then echo "ERROR: $name: not found" >&2; exit 1; fi
    cat "$0.manifest.${name#*@}" ;;
build)
    attempt=$(grep -c '^buildx build' "$0.calls")
    for word; do case "$word" in --metadata-file=*) metadata=${word#*=} ;; esac; done
    cat "$0.progress.$attempt" >&2
    [ -e "$0.hangs" ] && touch "$0.hanging" && exec sleep 600
    [ -e "$0.metadata" ] && cp "$0.metadata" "$metadata"
    [ ! -e "$0.progress.$((attempt + 1))" ] && exit "$(cat "$0.exit")"
    exit 1 ;;
esac
"""
NODE = "Name: default\nDriver: docker\n\nNodes:\nName: default\nPlatforms: linux/amd64, linux/arm64\n"


class FakeDocker:
    """A `docker` on the PATH."""

    def __init__(self, folder):
        self.path = folder / "docker"
        self.path.write_text(DOCKER)
        self.path.chmod(0o755)
        self.write("inspect", NODE)
        self.write("metadata", json.dumps({"containerimage.digest": DIGEST}))
        self.ends("cached")

    def write(self, name, content):
        self.path.with_name(f"docker.{name}").write_text(content)

    def ends(self, *samples, exit_code=0):
        """Each call of `build` writes the next sample (a name, or text); the last ends like this."""
        for number, sample in enumerate(samples, 1):
            file = SAMPLES / f"{sample}.rawjson"
            known = "\n" not in sample and file.exists()
            self.write(f"progress.{number}", file.read_text() if known else sample)
        self.write("exit", str(exit_code))

    @property
    def calls(self):
        return self.path.with_name("docker.calls").read_text().splitlines()


@pytest.fixture
def docker(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return FakeDocker(tmp_path)


@pytest.fixture
def request_(tmp_path):
    return BuildRequest(
        dockerfile=tmp_path / "Dockerfile",
        context=tmp_path,
        target="runtime",
        platform="linux/arm64",
        build_args={},
        labels={},
        push_reference="localhost:5000/nightly:run-1",
        deadline_s=300,
    )


def build(request, log=lambda _: None, attempts=3):
    return BuildxBuilder(attempts=attempts, wait_s=0.01).build(request, log)


def failing_push(message):
    step = {"digest": "sha256:x", "name": "exporting to image", "started": "2026-11-20T08:00:00Z"}
    end = {**step, "completed": "2026-11-20T08:00:01Z", "error": message}
    events = [json.dumps({"vertexes": [vertex]}) for vertex in (step, end)]
    return "\n".join([*events, f"ERROR: failed to solve: {message}", ""])


def test_a_build_answers_its_digest_and_metrics(docker, request_):
    lines = []
    result = build(request_, lines.append)
    assert result.digest == DIGEST
    assert (result.metrics.steps, result.metrics.hit_rate) == (4, 1.0)
    assert any(line.endswith("CACHED") for line in lines)


def test_a_build_that_says_no_digest_is_not_taken_for_good(docker, request_):
    docker.write("metadata", "{}")
    with pytest.raises(BuildError, match="did not say its digest") as caught:
        build(request_)
    assert caught.value.metrics.steps == 4


def test_a_failing_instruction_is_named_with_its_exit_code_and_output(docker, request_):
    docker.ends("failed", exit_code=1)
    with pytest.raises(BuildError, match="failed with exit code 7") as caught:
        build(request_)
    assert "[linux/amd64 broken 1/1] RUN echo about to fail" in caught.value.message
    assert "    oh no" in caught.value.message.splitlines()
    assert [step.status for step in caught.value.metrics.build_steps].count("failed") == 1
    assert len([call for call in docker.calls if call.startswith("buildx build")]) == 1


def test_a_build_beyond_its_deadline(docker, request_, monkeypatch):
    docker.ends("killed")
    docker.write("hangs", "")
    hanging = docker.path.with_name("docker.hanging")
    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + (10_000 if hanging.exists() else 0))
    monkeypatch.setattr(pipes, "time", clock)
    with pytest.raises(BuildTimedOut, match=r"not built within 300 s.*sleep 600") as caught:
        build(request_)
    assert caught.value.metrics.steps == 5


def test_a_push_that_may_pass_is_repeated(docker, request_):
    lines = []
    docker.ends(
        failing_push("failed to push x: unexpected status from PUT request to x: 503 Unavailable"), "cached"
    )
    assert build(request_, lines.append).digest == DIGEST
    assert "Registry traffic failed: attempt 2 of 3." in lines


def test_a_push_is_not_repeated_for_ever(docker, request_):
    push = failing_push("failed to push x: read: connection reset by peer")
    docker.ends(push, push, push, exit_code=1)
    with pytest.raises(RegistryTrafficError, match="connection reset") as caught:
        build(request_)
    assert caught.value.metrics is not None
    assert len([call for call in docker.calls if call.startswith("buildx build")]) == 3


@pytest.mark.parametrize(
    "message",
    [
        "failed to push x: failed to do request: Head y: dial tcp [::1]:5000: connect: connection refused",
        "failed to push x: unexpected status from PUT request to y: 500 Internal Server Error",
        "failed to push x: unexpected status from HEAD request to y: 429 Too Many Requests",
        'failed to push x: failed to do request: Put "y": EOF',
        "failed to push x: net/http: TLS handshake timeout",
    ],
)
def test_what_may_pass(docker, request_, message):
    docker.ends(failing_push(message), exit_code=1)
    with pytest.raises(RegistryTrafficError):
        build(request_, attempts=1)


@pytest.mark.parametrize(
    ("message", "kind", "said"),
    [
        (
            "failed to push x: unexpected status from HEAD request to y: 403 Forbidden",
            BuildError,
            "credentials",
        ),
        (
            "failed to push x: server message: insufficient_scope: authorization failed",
            BuildError,
            "credentials",
        ),
        ("failed to push x: unexpected status: 507 Insufficient Storage", DiskFull, "Free space"),
        ("write /var/lib/x: no space left on device", DiskFull, "Free space"),
        ("failed to push x: unexpected status from PUT request to y: 400 Bad Request", BuildError, "400"),
    ],
)
def test_what_does_not_pass_is_not_repeated(docker, request_, message, kind, said):
    docker.ends(failing_push(message), exit_code=1)
    with pytest.raises(kind) as caught:
        build(request_)
    assert said in str(caught.value)
    assert not isinstance(caught.value, RegistryTrafficError)


def test_a_full_disk_in_an_instruction(docker, request_):
    docker.ends("full", exit_code=1)
    with pytest.raises(DiskFull, match="No space left on device") as caught:
        build(request_)
    assert caught.value.metrics.steps > 0


def test_a_command_that_only_mentions_a_full_disk_is_not_one(docker, request_):
    text = (
        (SAMPLES / "failed.rawjson")
        .read_text()
        .replace("echo about to fail", "grep 'No space left on device'")
    )
    docker.ends(text, exit_code=1)
    with pytest.raises(BuildError, match="exit code 7"):
        build(request_)


def test_missing_emulation_is_named(docker, request_):
    text = (SAMPLES / "emulated.rawjson").read_text()
    error = 'process \\"/bin/sh -c uname\\" did not complete successfully: exec /bin/sh: exec format error'
    text = text.replace(
        'uname -m \\u003e /arch \\u0026\\u0026 cat /arch",', f'uname",\n      "error": "{error}",'
    )
    docker.ends(text, exit_code=1)
    with pytest.raises(EnvironmentNotReady, match="cannot run programs for linux/arm64"):
        build(request_)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (
            "ERROR: Cannot connect to the Docker daemon at unix:///x.\n",
            EnvironmentNotReady,
        ),
        ("ERROR: failed to receive status: rpc error: code = Unavailable desc = EOF\n", EnvironmentNotReady),
        ('ERROR: failed to solve: target stage "x" could not be found\n', BuildError),
        ("\n", BuildError),
    ],
)
def test_builds_that_end_before_any_step(docker, request_, said, kind):
    docker.ends(said, exit_code=1)
    with pytest.raises(kind):
        build(request_)


@pytest.mark.parametrize(
    ("inspect", "said"),
    [
        ("Name: default\nError: Cannot connect to the Docker daemon at tcp://x.\n", "Cannot connect"),
        ("Name: default\nNodes:\nStatus: inactive\n", "does not say which platforms"),
    ],
)
def test_a_builder_that_cannot_be_used(docker, request_, inspect, said):
    docker.write("inspect", inspect)
    with pytest.raises(EnvironmentNotReady, match=said):
        build(request_)
    assert not any(call.startswith("buildx build") for call in docker.calls)


def test_docker_that_is_not_installed(request_, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentNotReady, match="not installed"):
        build(request_)


def test_a_builder_with_a_native_node_emulates_nothing(docker, request_):
    docker.ends("emulated")
    assert build(request_).metrics.emulated_steps == 1
    docker.write("inspect", NODE + "\nName: arm\nPlatforms: linux/arm64*, linux/arm/v7\n")
    docker.path.with_name("docker.calls").unlink()
    assert build(request_).metrics.emulated_steps == 0
