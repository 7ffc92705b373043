"""What runs inside the images is no package of this project: its folders are put on the path here."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

DOCKER = Path(__file__).parents[3] / "docker"

sys.path[:0] = [str(DOCKER / "mock_engine" / "src"), str(DOCKER / "runtime"), str(DOCKER / "suite")]

from nightly_mock_engine.config import EngineConfig  # noqa: E402 - found through the line above
from nightly_mock_engine.dialects import DIALECTS  # noqa: E402
from nightly_mock_engine.server import MockServer  # noqa: E402
from suite_support.client import Client  # noqa: E402


@pytest.fixture(scope="session")
def docker_folder():
    """The folder docker/ of the repository: the build context."""
    return DOCKER


@pytest.fixture
def config():
    """A quick mock of vLLM on any free port of this machine."""
    return EngineConfig(
        dialect=DIALECTS["vllm"],
        model="tiny",
        served_model_name="tiny",
        host="127.0.0.1",
        port=0,
        max_model_len=256,
        token_delay=0,
        shutdown_timeout=60,
        max_body_bytes=4096,
    )


@pytest.fixture
def serving(config):
    """Return a function that starts a server with changes to `config` in this process."""
    started = []

    def start(**changes):
        server = MockServer(replace(config, **changes), quiet=True)
        server.start()
        started.append(server)
        return server

    yield start
    for server in started:
        if not server.draining:
            server.drain()


@pytest.fixture
def client(serving):
    """A client of a server that nothing has asked yet."""
    return Client(serving().port, "tiny", timeout=60)
