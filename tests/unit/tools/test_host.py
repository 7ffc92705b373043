from __future__ import annotations

import hashlib
import socket
import subprocess
import threading
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from nightly_pipeline.errors import EnvironmentNotReady, RegistryError, RegistryForbidden, RegistryUnavailable
from nightly_pipeline.model.host import GpuSupport, Interpreter, PortHolder
from nightly_pipeline.tools.host import LocalHostProbe, daemon_facts
from nightly_pipeline.tools.registry_auth import Credentials
from tests.fakes.http_server import Handler, HttpServer
from tests.fakes.registry import FakeRegistry

PATIENT_S = 300.0
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@pytest.fixture
def probe() -> LocalHostProbe:
    return LocalHostProbe(look_s=PATIENT_S)


@pytest.fixture
def served() -> Iterator[tuple[str, dict[str, tuple[int, bytes]]]]:
    """An HTTP server on this machine: its address, and path -> (status, content)."""
    pages: dict[str, tuple[int, bytes]] = {}

    class Pages(Handler):
        def any_method(self) -> None:
            self.give(*pages.get(self.path, (404, b"")))

    with HttpServer(Pages) as server:
        yield f"127.0.0.1:{server.port}", pages


def test_installed_packages_are_compared_with_the_lock(probe, tmp_path):
    lock = tmp_path / "requirements.lock"
    lock.write_text(
        "# made by a tool\n"
        f"httpx=={metadata.version('httpx')} \\\n    --hash=sha256:00\n    # via nightly-pipeline\n"
        "pydantic==0.0.1 \\\n    --hash=sha256:00\n"
        "no-such-package==1.0\n"
        "pywin32==312 ; sys_platform == 'win32' \\\n    --hash=sha256:00\n"
        f"docker[ssh]=={metadata.version('docker')}\n"
    )
    assert probe.package_differences(lock) == [
        f"pydantic {metadata.version('pydantic')} instead of 0.0.1",
        "no-such-package is not installed",
    ]


def test_a_command_that_is_not_installed_has_no_version(probe, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert probe.docker_cli() is None
    assert probe.buildx() is None


def test_a_command_that_fails_or_hangs_has_no_version(monkeypatch, tmp_path):
    docker = tmp_path / "docker"
    docker.write_text('#!/bin/sh\n[ "$1" = buildx ] && exec sleep 600\nexit 1\n')
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    quick = LocalHostProbe(look_s=0.3)
    assert quick.docker_cli() is None
    assert quick.buildx() is None


def test_a_daemon_that_does_not_answer_is_said(probe):
    with pytest.raises(EnvironmentNotReady, match="tcp://127"):
        probe.daemon("tcp://127.0.0.1:1")


def test_what_a_daemon_says_becomes_facts():
    info = {
        "Name": "far",
        "DockerRootDir": "/var/lib/docker",
        "DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]],
        "OperatingSystem": "Docker Desktop",
        "Runtimes": {"nvidia": {}},
    }
    facts = daemon_facts(info, {"Version": "28.0", "Os": "linux", "Arch": "arm64"})
    assert (facts.name, facts.version, facts.platform) == ("far", "28.0", "linux/arm64")
    assert facts.containerd_images
    assert not facts.local
    assert facts.emulates == "Docker Desktop"
    assert facts.gpus == GpuSupport("nvidia")


def test_a_daemon_with_the_classic_store_that_says_little(tmp_path):
    info = {
        "Name": socket.gethostname(),
        "DockerRootDir": str(tmp_path),
        "DriverStatus": [["Backing Filesystem", "extfs"]],
    }
    facts = daemon_facts(info, {})
    assert not facts.containerd_images
    assert facts.local
    assert facts.emulates == ""


def test_interpreters_are_those_of_the_architecture(tmp_path):
    (tmp_path / "register").write_text("")
    (tmp_path / "status").write_text("enabled\n")
    (tmp_path / "qemu-aarch64").write_text(
        "enabled\ninterpreter /usr/bin/qemu-aarch64-static\nflags: OCF\noffset 0\nmagic 7f45\nmask ffff\n"
    )
    (tmp_path / "qemu-arm").write_text("disabled\ninterpreter /usr/bin/qemu-arm-static\nflags: \noffset 0\n")
    probe = LocalHostProbe(binfmt=tmp_path)
    assert probe.interpreters("arm64") == [
        Interpreter("/usr/bin/qemu-aarch64-static", flags="OCF", enabled=True)
    ]
    assert probe.interpreters("s390x") == []
    assert [one.enabled for one in probe.interpreters("arm")] == [False]


def test_a_kernel_that_does_not_tell_has_no_interpreters(tmp_path):
    assert LocalHostProbe(binfmt=tmp_path / "absent").interpreters("arm64") == []


def test_a_registry_is_asked_for_its_status(probe, served):
    host, pages = served
    pages["/v2/"] = (401, b"")
    assert probe.registry_status(host, insecure=True) == 401


def test_a_registry_that_does_not_answer_is_unavailable_and_named(probe):
    with pytest.raises(RegistryUnavailable, match=r"127\.0\.0\.1:1\): no answer: ConnectError"):
        probe.registry_status("127.0.0.1:1", insecure=True)


def test_a_registry_that_speaks_plain_http_says_what_to_set(probe, served):
    host, _ = served
    with pytest.raises(RegistryError) as caught:
        probe.registry_status(host, insecure=False)
    assert "insecure: true" in caught.value.next_step


def test_an_image_of_one_platform_is_known_by_its_configuration(probe, served):
    host, pages = served
    config = b'{"os": "linux", "architecture": "arm64"}'
    digest = f"sha256:{hashlib.sha256(config).hexdigest()}"
    manifest = (
        f'{{"schemaVersion": 2, "mediaType": "{MANIFEST}", "config": {{"mediaType": '
        f'"application/vnd.oci.image.config.v1+json", "digest": "{digest}", "size": {len(config)}}}, "layers": []}}'
    ).encode()
    own = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
    pages |= {
        "/v2/base/manifests/1": (200, manifest),
        f"/v2/base/manifests/{own}": (200, manifest),
        f"/v2/base/blobs/{digest}": (200, config),
    }
    assert probe.image_platforms(f"{host}/base:1", insecure=True) == {"linux/arm64"}


def test_an_image_behind_a_login_is_read_with_the_login_for_its_host():
    user, password = "reader", "planted-password-0123456789"
    with FakeRegistry(auth="basic", login=(user, password)).running() as registry:
        registry.add_image("base", "1", architecture="arm64")
        logins = {registry.host: lambda: Credentials(user, password)}
        probe = LocalHostProbe(look_s=PATIENT_S, login_for=logins.__getitem__)
        assert probe.image_platforms(f"{registry.host}/base:1", insecure=True) >= {"linux/arm64"}
        with pytest.raises(RegistryForbidden):
            LocalHostProbe(look_s=PATIENT_S).image_platforms(f"{registry.host}/base:1", insecure=True)


def test_the_head_of_a_repository(probe, tmp_path):
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    assert probe.head_of(str(tmp_path)) is None
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(
        ["git", "-C", str(tmp_path), *identity, "commit", "-q", "--allow-empty", "-m", "x"], check=True
    )
    head = subprocess.run(
        ["git", "-C", str(tmp_path), "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    )
    assert probe.head_of(str(tmp_path)) == head.stdout.strip()
    assert probe.head_of(f"file://{tmp_path}") == head.stdout.strip()
    assert probe.head_of(f"file://{tmp_path}/absent") is None


def test_space_is_that_of_the_place_or_of_where_it_would_be_made(probe, tmp_path):
    assert probe.free_bytes(tmp_path / "not" / "yet") > 0
    assert probe.free_bytes(Path("relative/not/yet")) > 0


def test_a_port_nobody_listens_on_is_free(probe):
    with socket.socket() as taken:  # and does not listen
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        assert probe.port_holder(f"http://127.0.0.1:{port}") == PortHolder("free")


@pytest.mark.parametrize(
    ("answer", "who"),
    [
        ((200, b'{"dagster_webserver_version": "1.13.27", "dagster_version": "1.13.27"}'), "dagster"),
        ((200, b'{"name": "another"}'), "other"),
        ((200, b"[]"), "other"),
        ((200, b"<html>"), "other"),
        ((404, b""), "other"),
    ],
)
def test_who_answers_on_a_port(probe, served, answer, who):
    host, pages = served
    pages["/server_info"] = answer
    assert probe.port_holder(f"http://{host}/").who == who


def test_a_program_that_speaks_no_http_is_another_one(probe):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_greet, args=(listener,))
        thread.start()
        assert probe.port_holder(f"http://127.0.0.1:{listener.getsockname()[1]}").who == "other"
        thread.join()


def _greet(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.sendall(b"220 mail.example ESMTP\r\n")
        connection.recv(1000)
