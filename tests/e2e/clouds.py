"""A small night's place whose registries are ECR and ACR, as far as one machine can have them."""

from __future__ import annotations

import base64
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from tests.e2e.conftest import NIGHTLY, PATIENCE_S, ROOT, SmallNight, make_night
from tests.fakes.acr_server import TOKEN_PASSWORD, TOKEN_USER, AcrServer, acr_server
from tests.fakes.ecr_server import ACCESS_KEY, ACCOUNT, REGION, SECRET_KEY, EcrServer, ecr_server
from tests.fakes.entra_server import CLIENT_SECRET

# What is claimed of clouds is claimed of images; one stage is what lets them be published as good.
_ONE_STAGE = {"stages": {"integration": None, "e2e_single_gpu": None, "e2e_multi_gpu": None}}
_PLANTED = (ACCESS_KEY, SECRET_KEY, CLIENT_SECRET, TOKEN_PASSWORD)


@dataclass(frozen=True)
class CloudNight:
    """The place, both clouds, where the command makes its temporary folders, and everything it has said so far."""

    small: SmallNight
    ecr: EcrServer
    acr: AcrServer
    temporary: Path
    said: list[str] = field(default_factory=list)

    def nightly(self, *arguments: str, expect: int | None = 0, timeout_s: float = PATIENCE_S) -> str:
        """Call the command; its standard output."""
        verb, *rest = arguments
        done = subprocess.run(
            [str(NIGHTLY), verb, "--profile", str(self.small.profile), *rest],
            cwd=ROOT,
            env=self.small.environment(),
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        self.said.extend((done.stdout, done.stderr))
        assert expect in {None, done.returncode}, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def digests(self, repository: str, tag: str) -> tuple[str | None, str | None]:
        """What ECR and ACR answer for a tag over HTTP; None where it is absent."""
        answers = [cloud.read(repository, tag) for cloud in (self.ecr, self.acr)]
        return tuple(answer.headers.get("Docker-Content-Digest") for answer in answers)

    def secrets(self) -> list[bytes]:
        """Everything that must never be written down: what was planted, and every login and token that was given."""
        logins = [*self.ecr.door.logins, *self.acr.given, *self.acr.entra.given]
        docker = [base64.b64encode(f"AWS:{login}".encode()).decode() for login in self.ecr.door.logins]
        return [text.encode() for text in (*_PLANTED, *logins, *docker)]


@contextmanager
def cloud_night(folder: Path) -> Iterator[CloudNight]:
    """Both clouds, running, and a profile that names them."""
    with (
        ecr_server(folder / "ecr") as ecr,
        acr_server(folder / "acr") as acr,
        tempfile.TemporaryDirectory(prefix="clouds-") as temporary,
    ):
        small = make_night(folder / "night", ("vllm",), _ONE_STAGE)
        profile = yaml.safe_load(small.profile.read_text())
        profile["registries"] = {
            "ecr": {
                **profile["registries"]["ecr"],
                "kind": "ecr",
                "host": ecr.host,
                "account": ACCOUNT,
                "region": REGION,
                "create": {},
            },
            "acr": {
                **profile["registries"]["acr"],
                "kind": "acr",
                "host": acr.host,
                "login": "service_principal",
                "authority": acr.entra.host,
            },
            "mirror": {
                "kind": "acr",
                "host": acr.host,
                "repository": f"{small.repository}-mirror",
                "insecure": True,
                "login": "token",
                "username": TOKEN_USER,
            },
        }
        small.profile.write_text(yaml.safe_dump(profile))
        small.variables.update(ecr.environment, **acr.entra.environment)
        small.variables.update(NIGHTLY_REGISTRY_MIRROR_PASSWORD=TOKEN_PASSWORD, TMPDIR=temporary)
        yield CloudNight(small, ecr, acr, Path(temporary))
