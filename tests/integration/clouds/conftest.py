"""Both clouds, as far as one machine can have them, and a plain registry that images come from."""

from __future__ import annotations

import pytest

from nightly_pipeline.tools.registry import OciRegistry
from tests.fakes.acr_server import acr_server
from tests.fakes.ecr_server import ecr_server
from tests.fakes.entra_server import FEDERATED_TOKEN
from tests.fakes.images import push_image
from tests.fakes.registry_program import RegistryProgram
from tests.integration.clouds.support import noise


@pytest.fixture(scope="module")
def source_program(tmp_path_factory):
    with RegistryProgram(tmp_path_factory.mktemp("source")) as program:
        yield program


@pytest.fixture
def source(source_program):
    """Where images come from: a plain registry."""
    with OciRegistry("source", source_program.host, "made", insecure=True) as registry:
        yield registry


@pytest.fixture
def image(source_program):
    """An image of five layers, in the source."""
    return push_image(source_program.host, "made", [noise(seed) for seed in range(5)])


@pytest.fixture
def other(source_program):
    """Another image, in the source."""
    return push_image(source_program.host, "made", [noise(9)])


@pytest.fixture
def ecr(tmp_path, monkeypatch):
    """ECR, and an environment in which AWS's libraries find it."""
    with ecr_server(tmp_path / "ecr") as server:
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture
def acr(tmp_path, monkeypatch):
    """ACR and Entra ID, and an environment in which azure-identity finds a service principal."""
    with acr_server(tmp_path / "acr") as server:
        for name in ("AZURE_AUTHORITY_HOST", "AZURE_USERNAME"):
            monkeypatch.delenv(name, raising=False)
        (tmp_path / "federated").write_text(FEDERATED_TOKEN)
        monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(tmp_path / "federated"))
        for name, value in server.entra.environment.items():
            monkeypatch.setenv(name, value)
        yield server
