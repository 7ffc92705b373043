"""What the tests of both clouds share: patience, content, and clients as a profile makes them."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import replace

from nightly_pipeline.settings_registries import RegistrySettings, RepositoryCreation
from nightly_pipeline.tools.clouds import credentials_for, deletes_in, repositories_of
from nightly_pipeline.tools.registry import ClientSettings, OciRegistry
from tests.fakes.ecr_server import ACCOUNT, REGION, EcrServer

FAST = ClientSettings(attempts=8, wait_initial_s=0.02, wait_max_s=1.5, read_timeout_s=60)
PATIENT = replace(FAST, attempts=25)  # where chance, or how fast a program starts, says how often is enough
ONE_BY_ONE = replace(FAST, parallel_blobs=1)
LAYER_BYTES = 600_000


def noise(seed: int) -> bytes:
    """A layer: the same bytes for the same seed, which nothing compresses."""
    return random.Random(seed).randbytes(LAYER_BYTES)  # noqa: S311 - test data


def opened(registry: RegistrySettings, patience: ClientSettings = FAST) -> OciRegistry:
    """A client as the profile makes it, that waits for less long."""
    return OciRegistry(
        registry.kind,
        registry.host,
        registry.repository,
        insecure=True,
        credentials=credentials_for(registry),
        settings=patience,
        before_writing=repositories_of(registry),
        delete_many=deletes_in(registry),
    )


def every_other_time(do: Callable[[], None]) -> Callable[[], None]:
    """`do`, for the first call, the third and so on: when a layer comes, and not when it comes again."""
    turns = itertools.cycle((do, lambda: None))

    def in_turn() -> None:
        next(turns)()

    return in_turn


def in_ecr(ecr: EcrServer, **fields) -> RegistrySettings:
    """The profile's words for a registry in ECR."""
    own = {"account": ACCOUNT, "region": REGION, "create": RepositoryCreation()}
    return RegistrySettings(kind="ecr", host=ecr.host, insecure=True, **{**own, **fields})


def assert_whole_in_ecr(ecr: EcrServer, digest: str) -> None:
    """Index, image and every layer are in ECR with all their bytes, read past all code of ours."""
    answer = ecr.read("nightly", digest)
    assert answer.headers["Docker-Content-Digest"] == digest
    [child] = answer.json()["manifests"]
    manifest = ecr.read("nightly", child["digest"]).json()
    stored = ecr.program.data / "docker/registry/v2/blobs/sha256"
    for blob in (manifest["config"], *manifest["layers"]):
        name = blob["digest"].removeprefix("sha256:")
        assert (stored / name[:2] / name / "data").stat().st_size == blob["size"]
