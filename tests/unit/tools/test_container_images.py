from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
import requests
from docker.errors import APIError, ImageNotFound

from nightly_pipeline.errors import ContainerError, DiskFull
from nightly_pipeline.tools.container_images import Patience, pull

IMPATIENT = Patience(deadline_s=60.0, attempts=3, first_wait_s=0.001)
IMAGE = "registry.example/nightly@sha256:0"


class Daemon:
    """Answers one pull after the other: with events, or by raising."""

    def __init__(self, *answers: list[dict[str, object]] | Exception | float) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str]] = []

    def pull(self, image: str, *, platform: str, stream: bool, decode: bool) -> Iterator[dict[str, object]]:
        self.asked.append((image, platform))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, float):
            time.sleep(answer)
            return iter(())
        return iter(answer)


def refused(explanation: str, kind: type[APIError] = APIError) -> APIError:
    return kind("500 Server Error", explanation=explanation)


DONE = [{"status": "Pulling from nightly"}, {"status": "Digest: sha256:0"}]


def attempt(daemon: Daemon, patience: Patience = IMPATIENT) -> list[str]:
    lines: list[str] = []
    pull(daemon, IMAGE, "linux/arm64", log=lines.append, patience=patience)
    return lines


def test_a_pull_names_image_and_platform_and_says_how_long_it_took():
    daemon = Daemon(DONE)
    asked, done = attempt(daemon)
    assert daemon.asked == [(IMAGE, "linux/arm64")]
    assert asked == f"[nightly] pulling {IMAGE} for linux/arm64"
    assert re.fullmatch(r"\[nightly\] pulled in \d+\.\d s", done)


@pytest.mark.parametrize(
    "passing",
    [
        refused("dial tcp: connect: connection refused"),
        refused("toomanyrequests: rate exceeded"),
        refused("unexpected EOF"),
        refused("received unexpected HTTP status: 503 Service Unavailable"),
        [{"status": "Downloading"}, {"error": "net/http: TLS handshake timeout"}],
        requests.exceptions.ChunkedEncodingError("Connection broken"),
    ],
)
def test_what_may_pass_is_tried_again(passing):
    daemon = Daemon(passing, DONE)
    lines = attempt(daemon)
    assert len(daemon.asked) == 2
    assert any("the pull" in line and ("failed" in line or "broke" in line) for line in lines)


@pytest.mark.parametrize(
    ("final", "message"),
    [
        (refused("manifest for x not found: manifest unknown", ImageNotFound), "not in its registry"),
        (refused("no match for platform in manifest: not found"), "linux/arm64"),
        (refused("pull access denied, repository does not exist", ImageNotFound), "may not be read"),
        (refused("failed to authorize: 401 Unauthorized"), "may not be read"),
        (refused("denied: 403 Forbidden"), "may not be read"),
        ([{"error": "no basic auth credentials"}], "may not be read"),
    ],
)
def test_what_will_not_pass_is_said_at_once(final, message):
    daemon = Daemon(final)
    with pytest.raises(ContainerError, match=message):
        attempt(daemon)
    assert len(daemon.asked) == 1


def test_a_full_disk_is_said_as_such():
    with pytest.raises(DiskFull):
        attempt(Daemon([{"error": "failed to register layer: write /x: no space left on device"}]))


def test_attempts_are_given_up():
    daemon = Daemon(*[refused("503 Service Unavailable")] * 3)
    with pytest.raises(ContainerError, match="could not be pulled: 503"):
        attempt(daemon)
    assert daemon.answers == []


def test_a_daemon_that_does_not_answer_is_not_the_images_fault():
    gone = requests.exceptions.ConnectionError("connection refused")
    with pytest.raises(requests.exceptions.ConnectionError):
        attempt(Daemon(gone, gone, gone))


def test_a_pull_that_hangs_is_given_up_at_the_deadline():
    started = time.monotonic()
    with pytest.raises(ContainerError, match="could not be pulled"):
        attempt(Daemon(60.0, 60.0, 60.0), Patience(deadline_s=0.3, attempts=3, first_wait_s=0.001))
    assert time.monotonic() - started < 30
