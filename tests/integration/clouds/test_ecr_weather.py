"""Copies to ECR in bad weather: cut, restarted, failing at random, throttled."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from nightly_pipeline.errors import RegistryThrottled
from tests.fakes.registry_door import Trouble, error
from tests.integration.clouds.support import FAST, LAYER_BYTES, PATIENT, assert_whole_in_ecr, in_ecr, opened

pytestmark = pytest.mark.integration

MOVING_TAG = "nightly-vllm-amd64"


@pytest.fixture
def registry(ecr):
    with opened(in_ecr(ecr, cache_repository="nightly-cache")) as registry:
        yield registry


@pytest.fixture
def patient(ecr):
    with opened(in_ecr(ecr, cache_repository="nightly-cache"), PATIENT) as registry:
        yield registry


def test_a_connection_that_is_cut_in_the_middle_of_a_blob(ecr, registry, source, image):
    cut = Trouble("PUT", "/blobs/uploads/", cut_after=LAYER_BYTES // 2, times=3)
    ecr.door.troubles = [cut]
    registry.copy_from(source, image)
    assert cut.times == 0
    assert_whole_in_ecr(ecr, image)


@pytest.fixture
def one_by_one(ecr):
    """Nothing else is being written when the registry is killed: half a file it would never mend."""
    patience = replace(PATIENT, parallel_blobs=1)
    with opened(in_ecr(ecr, cache_repository="nightly-cache"), patience) as registry:
        yield registry


def test_a_registry_that_is_restarted_before_an_upload_goes_on(ecr, one_by_one, source, image):
    def restart() -> None:
        ecr.program.kill()
        ecr.program.start()

    restarts = Trouble("PUT", "/blobs/uploads/", then=restart, times=2)
    ecr.door.troubles = [restarts]
    one_by_one.copy_from(source, image)
    assert restarts.times == 0
    assert_whole_in_ecr(ecr, image)


def test_a_registry_that_is_down_during_a_push_until_it_is_asked_again(ecr, one_by_one, source, image):
    came_back = Trouble("HEAD", "/blobs/", then=ecr.program.start)

    def go_down() -> None:
        ecr.program.kill()
        ecr.door.troubles = [came_back]

    ecr.door.troubles = [Trouble("PUT", "/blobs/uploads/", then=go_down)]
    one_by_one.copy_from(source, image)
    assert came_back.times == 0
    assert_whole_in_ecr(ecr, image)


def test_every_fifth_request_fails_with_500(ecr, patient, source, image):
    ecr.door.failing = 0.2
    patient.copy_from(source, image)
    patient.put_tag(MOVING_TAG, image)
    ecr.door.failing = 0.0
    assert_whole_in_ecr(ecr, image)
    assert ecr.read("nightly", MOVING_TAG).headers["Docker-Content-Digest"] == image


def test_the_wait_that_is_asked_for_is_kept(ecr, registry, source, image):
    registry.copy_from(source, image)
    ecr.door.troubles = [
        Trouble(
            "PUT",
            "/manifests/",
            answer=error(429, "TOOMANYREQUESTS", "Rate exceeded", **{"Retry-After": "1"}),
        )
    ]
    started = time.monotonic()
    registry.put_tag(MOVING_TAG, image)
    assert time.monotonic() - started >= 1.0


def test_too_often_for_too_long_is_throttled(ecr, registry, source, image):
    registry.copy_from(source, image)
    said = error(429, "TOOMANYREQUESTS", "Rate exceeded")
    ecr.door.troubles = [Trouble("PUT", "/manifests/", answer=said, times=99)]
    with pytest.raises(RegistryThrottled, match=f"nightly:{MOVING_TAG} could not be written: 429"):
        registry.put_tag(MOVING_TAG, image)
    assert ecr.door.count("PUT", f"/manifests/{MOVING_TAG}") == FAST.attempts


def test_a_second_copy_moves_nothing(ecr, registry, source, image):
    registry.copy_from(source, image)
    before = ecr.door.uploaded
    assert registry.copy_from(source, image) == 0
    assert ecr.door.uploaded == before
