"""The deployment of docker/deployment, up and running: its image, a real Postgres, docker compose.

Where no public registry answers, the image's base is a Debian root made here, and Docker's client is this machine's.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import yaml

from tests.clock import stay_clear_of
from tests.e2e.conftest import A_MODULE_S, ROOT, SmallNight
from tests.ports import free_port
from tests.servers import SCHEDULED

DEPLOYMENT = ROOT / "docker" / "deployment"
IMAGE = "nightly-pipeline:test"
BASE = "nightly-pipeline-test-base"
CLIENT = "nightly-pipeline-test-client"
COMPOSE = ("docker", "compose")
UP_S = 900

_MAKE_ROOT = """
set -euo pipefail
cd docker/setup
. lib/common.sh; . lib/host.sh; . lib/apt.sh; . lib/engine.sh; . lib/base.sh
sources=(); while IFS= read -r source; do sources+=("$source"); done < <(debian_sources)
as_root mmdebstrap --quiet --variant=extract --skip=output/dev --components=main \\
  --include="$(paste -s -d , base/packages.txt),git" --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \\
  --extract-hook="base/configure-root.sh \\"\\$1\\"" bookworm - "${sources[@]}" >"$1/root.tar" 3>&-
"""


def command(
    *argv: str, folder: Path = ROOT, expect: int | None = 0, timeout_s: float = 1200, **env: str
) -> str:
    """Run a program of this machine; its standard output."""
    done = subprocess.run(
        argv,
        cwd=folder,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    if expect is not None:
        assert done.returncode == expect, f"{argv}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def build_image(folder: Path) -> None:
    """Build the deployment's image as it is shipped; only where its bases come from differs."""
    build = ("docker", "buildx", "build", "--quiet")
    if not command("docker", "images", "--quiet", BASE):
        _build_base(folder, build)
    _build_client(folder, build)
    ca_bundle = Path("/etc/ssl/certs/ca-certificates.crt")
    command(
        *build,
        *("--file", "docker/deployment/Dockerfile", "--tag", IMAGE),
        *("--build-arg", f"BASE_IMAGE={BASE}", "--build-arg", "BASE_IMAGE_TAG=latest"),
        *("--build-arg", f"DOCKER_CLI_IMAGE={CLIENT}"),
        *(("--secret", f"id=ca,src={ca_bundle}") if ca_bundle.is_file() else ()),
        ".",
    )


def _build_base(folder: Path, build: tuple[str, ...]) -> None:
    context = folder / "base"
    context.mkdir()
    command("bash", "-c", _MAKE_ROOT, "make-root", str(context))
    (context / "Dockerfile").write_text(
        "FROM scratch\nADD root.tar /\n"
        "ENV LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
    )
    command(*build, "--tag", BASE, str(context))
    shutil.rmtree(context)


def _build_client(folder: Path, build: tuple[str, ...]) -> None:
    plugins = json.loads(command("docker", "info", "--format", "{{json .ClientInfo.Plugins}}"))
    buildx = next(plugin["Path"] for plugin in plugins if plugin["Name"] == "buildx")
    context = folder / "client"
    context.mkdir()
    shutil.copy(shutil.which("docker") or "docker", context / "docker")
    shutil.copy(buildx, context / "docker-buildx")
    (context / "Dockerfile").write_text(
        "FROM scratch\nCOPY docker /usr/local/bin/\nCOPY docker-buildx /usr/local/libexec/docker/cli-plugins/\n"
    )
    command(*build, "--tag", CLIENT, str(context))
    shutil.rmtree(context)


@contextmanager
def postgres() -> Iterator[str]:
    """A Postgres server of our own; yields its address. It refuses to run as root: then it runs as `postgres`.

    Its folder is not one of pytest's: these are their owner's alone, and every pytest that starts makes them so again.
    """
    with tempfile.TemporaryDirectory(prefix="nightly-postgres-") as folder, _server(Path(folder)) as address:
        yield address


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"))
    data, port, password = folder / "postgres", free_port(), secrets.token_hex(8)
    data.mkdir()
    (folder / "password").write_text(password)
    user = "postgres" if os.geteuid() == 0 else ""
    if user:
        for path in (folder, data, folder / "password"):
            shutil.chown(path, user)
    as_user = ("runuser", "-u", user, "--") if user else ()
    make = ("-U", "nightly", "-A", "scram-sha-256", f"--pwfile={folder / 'password'}")
    command(*as_user, str(programs / "initdb"), "-D", str(data), *make)
    control = (*as_user, str(programs / "pg_ctl"), "--pgdata", str(data), "--wait", "--timeout", "600")
    listen = f"-p {port} -h 127.0.0.1 -k ''"
    command(*control, "start", "--log", str(folder / "postgres.log"), "--options", listen)
    try:
        yield f"postgresql+psycopg2://nightly:{password}@127.0.0.1:{port}/postgres"
    finally:
        command(*control, "stop", "--mode", "fast")


@dataclass(frozen=True)
class Deployment:
    """A deployment that is up."""

    night: SmallNight
    project: str
    address: str
    port: int
    files: tuple[str, ...]
    variables: Mapping[str, str]

    def compose(self, *arguments: str, expect: int | None = 0) -> str:
        """Call docker compose on it."""
        files = [part for file in self.files for part in ("--file", file)]
        return command(
            *COMPOSE, "--project-name", self.project, *files, *arguments, expect=expect, **self.variables
        )

    def nightly(self, *arguments: str, expect: int | None = 0) -> str:
        """The `nightly` command of the deployment, as an operator calls it."""
        return self.compose("exec", "--no-TTY", "daemon", "nightly", *arguments, expect=expect)

    def instance(self) -> dg.DagsterInstance:
        """Dagster's records, read from Postgres without the deployment."""
        home = self.night.folder / "reader"
        home.mkdir(exist_ok=True)
        (home / "dagster.yaml").write_text(
            yaml.safe_dump(
                {"storage": {"postgres": {"postgres_url": self.address}}, "telemetry": {"enabled": False}}
            )
        )
        return dg.DagsterInstance.from_config(str(home))


@contextmanager
def deployment(night: SmallNight) -> Iterator[Deployment]:
    """The deployment over a small night's profile, on this host's network: the local registries are on localhost."""
    folder = night.folder
    build_image(folder)
    stay_clear_of(*SCHEDULED, seconds=A_MODULE_S)
    with postgres() as address:
        up = Deployment(
            night=night,
            project=f"nightly-test-{uuid.uuid4().hex[:8]}",
            address=address,
            port=free_port(),
            files=(
                str(DEPLOYMENT / "compose.yaml"),
                str(DEPLOYMENT / "compose.host.yaml"),
                str(folder / "test.yaml"),
            ),
            variables={},
        )
        up = _prepared(up)
        try:
            done = up.compose(
                "up", "--detach", "--no-build", "--wait", "--wait-timeout", str(UP_S), expect=None
            )
            assert "Healthy" in up.compose("ps") or "healthy" in up.compose("ps"), done + up.compose("logs")
            yield up
        finally:
            up.compose("down", "--volumes", "--timeout", "20", expect=None)


def _prepared(up: Deployment) -> Deployment:
    """Its variables, its own volume and ports, and no Postgres in a container."""
    folder, volume, code_port = up.night.folder, f"{up.project}-state", free_port()
    environment = folder / "deployment.env"
    environment.write_text(
        f"NIGHTLY_POSTGRES_URL={up.address}\nNIGHTLY_PROFILE={up.night.profile}\nNIGHTLY_CODE_PORT={code_port}\n"
    )
    (folder / "dagster.yaml").write_text(
        (DEPLOYMENT / "dagster.yaml")
        .read_text()
        .replace("nightly-state:", f"{volume}:")
        .replace("volumes:\n", f"volumes:\n        - {folder}:{folder}\n")
    )
    mounts = [f"{folder}:{folder}", f"{folder / 'dagster.yaml'}:/opt/nightly/dagster.yaml"]
    volumes = f"volumes: {json.dumps(mounts)}"
    (folder / "test.yaml").write_text(
        "services:\n  postgres: !reset null\n"
        f"  code: {{depends_on: !reset {{}}, {volumes}}}\n"
        f"  webserver: {{{volumes}}}\n"
        f"  daemon: {{{volumes}}}\n"
        f"volumes:\n  nightly-state: {{name: {volume}}}\n"
    )
    variables = {
        "NIGHTLY_IMAGE": IMAGE,
        "NIGHTLY_ENV_FILE": str(environment),
        "NIGHTLY_UI_PORT": str(up.port),
        "NIGHTLY_CODE_PORT": str(code_port),
    }
    return Deployment(**{**up.__dict__, "variables": variables})
