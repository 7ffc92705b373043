"""Real builds pushed to ECR as it behaves: a build that takes longer than its login lasts, and caches ECR takes."""

from __future__ import annotations

import tempfile
import uuid
from pathlib import Path

import pytest

from nightly_pipeline.errors import BuildLoginRefused, RegistryAbsent
from nightly_pipeline.model.requests import BuildRequest
from nightly_pipeline.settings_registries import RegistrySettings, RepositoryCreation
from nightly_pipeline.tools.buildx import BuildxBuilder
from nightly_pipeline.tools.buildx_lasting import LastingBuilder
from nightly_pipeline.tools.clouds import credentials_for, repositories_of
from nightly_pipeline.tools.logins import RegistryLogins
from tests.fakes.ecr_server import ACCOUNT, REGION
from tests.fakes.registry_door import Trouble

pytestmark = [pytest.mark.integration, pytest.mark.docker]

DOCKERFILE = """
ARG BASE
FROM ${BASE} AS runtime
ARG SALT
RUN echo "$SALT" > /salt
"""


class Bench:
    """Builds one Dockerfile as a step does: with a fresh login, in a DOCKER_CONFIG of its own."""

    def __init__(self, ecr, folder: Path, base_image: str, **fields) -> None:
        own = {"account": ACCOUNT, "region": REGION, "create": RepositoryCreation()}
        own |= {"cache_repository": "nightly-cache", **fields}
        self.registry = RegistrySettings(kind="ecr", host=ecr.host, insecure=True, **own)
        self.folder, self.base_image = folder, base_image
        self.lines: list[str] = []
        (folder / "Dockerfile").write_text(DOCKERFILE)

    def build(self, tag: str, **fields):
        logins = RegistryLogins({self.registry.host: credentials_for(self.registry)})
        builder = LastingBuilder(
            BuildxBuilder(attempts=2, wait_s=0.05),
            renew=logins.renew,
            prepare=repositories_of(self.registry),
        )
        with logins.docker_config() as docker_config:
            request = BuildRequest(
                dockerfile=self.folder / "Dockerfile",
                context=self.folder,
                target="runtime",
                platform="linux/amd64",
                build_args={"BASE": self.base_image, "SALT": uuid.uuid4().hex},
                labels={},
                push_reference=f"{self.registry.host}/nightly:{tag}",
                deadline_s=500.0,
                docker_config=docker_config,
                cache_from=(f"{self.registry.host}/nightly-cache:vllm",),
                **fields,
            )
            return builder.build(request, self.lines.append)


@pytest.fixture
def bench(ecr, tmp_path, base_image):
    folder = tmp_path / "context"
    folder.mkdir()
    return Bench(ecr, folder, base_image)


@pytest.fixture
def temporary(tmp_path, monkeypatch) -> Path:
    """A place for temporary folders that no other test makes any in."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_a_build_that_outlives_its_login_is_pushed_with_a_new_one(ecr, bench, temporary):
    first_of_the_push = Trouble("HEAD|POST", "^/v2/nightly/", then=ecr.door.expire_logins)
    ecr.door.troubles = [first_of_the_push]
    result = bench.build("long")
    assert ecr.read("nightly", "long").headers["Docker-Content-Digest"] == result.digest
    assert [line for line in bench.lines if "Once more, with a new login." in line]
    assert (first_of_the_push.times, len(ecr.door.logins)) == (0, 2)
    assert result.metrics.cached_steps == 1  # what was built was not built again
    assert list(temporary.iterdir()) == []


def test_a_login_that_is_never_good_ends_the_build(ecr, bench, temporary):
    ecr.door.lifetime_s = -1.0
    with pytest.raises(BuildLoginRefused) as caught:
        bench.build("never")
    assert len(ecr.door.logins) == 2
    assert not any(login in str(caught.value) for login in ecr.door.logins)
    assert ecr.read("nightly", "never").status_code == 404
    assert list(temporary.iterdir()) == []


def test_a_cache_is_written_in_a_format_ecr_takes(ecr, bench):
    bench.build("cached", cache_to=f"{ecr.host}/nightly-cache:vllm")
    answer = ecr.read("nightly-cache", "vllm")
    assert answer.json()["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
    assert not [line for line in bench.lines if "400 Bad Request" in line]


def test_nothing_is_built_for_a_repository_that_is_missing(ecr, tmp_path, base_image):
    bench = Bench(ecr, tmp_path, base_image, create=None)
    with pytest.raises(RegistryAbsent, match="repository nightly was not found"):
        bench.build("missing")
    assert bench.lines == []
