"""Copies to ECR in bad weather: cut, restarted, failing at random, throttled."""

from __future__ import annotations

import threading
import time

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


def test_a_registry_that_is_restarted_during_a_push(ecr, patient, source, image):
    coming_back = threading.Timer(0.3, ecr.program.start)

    def restart() -> None:
        ecr.program.kill()
        coming_back.start()

    ecr.door.troubles = [Trouble("PUT", "/blobs/uploads/", then=restart)]
    patient.copy_from(source, image)
    coming_back.join()
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
