from __future__ import annotations

import threading
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nightly_pipeline.errors import NightlyError, RegistryConflict, RegistryError, RegistryUnavailable
from nightly_pipeline.tools.registry import ClientSettings, OciRegistry
from tests.fakes.registry import FakeRegistry, Fault, digest_of, noise

FAST = ClientSettings(
    attempts=6, wait_initial_s=0.01, wait_max_s=0.05, connect_timeout_s=60, read_timeout_s=60
)
LAYERS = [noise(seed, size) for seed, size in enumerate((700_000, 10, 0, 90_000))]


@pytest.fixture
def ecr():
    with FakeRegistry().running() as fake:
        yield fake


@pytest.fixture
def acr():
    with FakeRegistry().running() as fake:
        yield fake


def client(fake, repository="nightly", role="ecr"):
    return OciRegistry(role, fake.host, repository, insecure=True, settings=FAST)


def everything_of(fake, repository="nightly"):
    stored = fake.repository(repository)
    return stored.blobs, stored.manifests


def test_a_copy_has_every_byte_of_the_original(ecr, acr):
    digest = ecr.add_image("nightly", layers=LAYERS)
    uploaded = client(acr, role="acr").copy_from(client(ecr), digest)
    assert everything_of(acr) == everything_of(ecr)
    assert client(acr).digest_of(digest) == digest
    assert uploaded == sum(map(len, acr.repository("nightly").blobs.values())) + sum(
        len(content) for content, _ in acr.repository("nightly").manifests.values()
    )


def test_a_second_copy_uploads_nothing(ecr, acr):
    digest = ecr.add_image("nightly", layers=LAYERS)
    client(acr).copy_from(client(ecr), digest)
    before = acr.uploaded_bytes
    assert client(acr).copy_from(client(ecr), digest) == 0
    assert acr.uploaded_bytes == before


def test_only_what_is_missing_is_uploaded(ecr, acr):
    first = ecr.add_image("nightly", layers=[LAYERS[0]])
    client(acr).copy_from(client(ecr), first)
    before = acr.uploaded_bytes
    client(acr).copy_from(client(ecr), ecr.add_image("nightly", layers=[LAYERS[0], b"new layer"]))
    assert acr.uploaded_bytes - before == len(b"new layer")


def test_a_copy_whose_blob_was_lost_is_completed(ecr, acr):
    digest = ecr.add_image("nightly", layers=LAYERS)
    client(acr).copy_from(client(ecr), digest)
    del acr.repository("nightly").blobs[digest_of(LAYERS[3])]
    assert client(acr).copy_from(client(ecr), digest) == len(LAYERS[3])


def test_within_one_registry_blobs_are_mounted(ecr):
    digest = ecr.add_image("nightly", layers=LAYERS)
    client(ecr, "nightly-promoted").copy_from(client(ecr), digest)
    assert everything_of(ecr, "nightly-promoted") == everything_of(ecr)
    assert ecr.uploaded_bytes == 0


def test_what_cannot_be_mounted_is_uploaded(ecr):
    ecr.faults = [
        Fault(method="POST", path="mount=", status=202, headers={"Location": "/v2/b/blobs/uploads/1"})
    ]
    digest = ecr.add_image("nightly", layers=[b"one"])
    client(ecr, "b").copy_from(client(ecr), digest)
    assert everything_of(ecr, "b") == everything_of(ecr)


def test_the_largest_layer_is_sent_first(ecr, acr):
    layers = [noise(1, 10), noise(2, 300_000), noise(3, 1000)]
    one_by_one = ClientSettings(parallel_blobs=1)
    with OciRegistry("acr", acr.host, "nightly", insecure=True, settings=one_by_one) as destination:
        destination.copy_from(client(ecr), ecr.add_image("nightly", layers=layers, attested=False))
    uploads = [path for method, path in acr.requests if method == "PUT" and "/uploads/" in path]
    assert digest_of(layers[1]).removeprefix("sha256:") in uploads[0]
    assert digest_of(layers[2]).removeprefix("sha256:") in uploads[1]


def test_what_is_absent_is_not_copied(ecr, acr):
    with pytest.raises(RegistryConflict, match="cannot be copied"):
        client(acr).copy_from(client(ecr), digest_of(b"absent"))
    assert acr.repositories == {}


def test_an_upload_that_breaks_off_starts_again(ecr, acr):
    digest = ecr.add_image("nightly", layers=LAYERS)
    acr.faults = [Fault(method="PUT", path="/uploads/", cut_after=cut) for cut in (0, 1000, 65_536)]
    client(acr).copy_from(client(ecr), digest)
    assert everything_of(acr) == everything_of(ecr)


@pytest.mark.parametrize("code", ["BLOB_UPLOAD_UNKNOWN", "BLOB_UPLOAD_INVALID"])
def test_an_upload_that_the_registry_has_forgotten_starts_again(ecr, acr, code):
    digest = ecr.add_image("nightly", layers=LAYERS)
    body = b'{"errors": [{"code": "%s"}]}' % code.encode()
    acr.faults = [Fault(method="PUT", path="/blobs/uploads/", status=404, body=body, times=2)]
    client(acr).copy_from(client(ecr), digest)
    assert everything_of(acr) == everything_of(ecr)


def test_a_source_that_breaks_off_is_read_on(ecr, acr):
    digest = ecr.add_image("nightly", layers=LAYERS)
    ecr.faults = [Fault(method="GET", path="/blobs/", cut_after=cut) for cut in (5, 300_000, 0)]
    client(acr).copy_from(client(ecr), digest)
    assert everything_of(acr) == everything_of(ecr)


def test_an_upload_whose_answer_is_lost_is_found_there(ecr, acr):
    digest = ecr.add_image("nightly", layers=[LAYERS[0]])
    stored = acr.repository("nightly").blobs

    def lose_answer(self, method, path, take=FakeRegistry.take_fault):
        if method == "PUT" and "/uploads/" in path and digest_of(LAYERS[0]).replace(":", "%3A") in path:
            stored[digest_of(LAYERS[0])] = LAYERS[0]
            return Fault(status=502)
        return take(self, method, path)

    acr.take_fault = lose_answer.__get__(acr)
    assert client(acr).copy_from(client(ecr), digest) >= len(LAYERS[0])
    assert everything_of(acr) == everything_of(ecr)


def test_a_source_that_never_delivers_leaves_no_manifest(ecr, acr):
    digest = ecr.add_image("nightly", layers=LAYERS)
    ecr.faults = [Fault(method="GET", path=digest_of(LAYERS[0]), cut_after=10, times=999)]
    with pytest.raises(RegistryUnavailable):
        client(acr).copy_from(client(ecr), digest)
    assert acr.repository("nightly").manifests == {}
    ecr.faults = []
    client(acr).copy_from(client(ecr), digest)
    assert everything_of(acr) == everything_of(ecr)


def test_a_source_that_lies_about_a_layer_is_not_copied(ecr, acr):
    digest = ecr.add_image("nightly", layers=[b"honest"])
    ecr.repository("nightly").blobs[digest_of(b"honest")] = b"lying!"
    with pytest.raises(RegistryError):
        client(acr).copy_from(client(ecr), digest)
    assert acr.repository("nightly").manifests == {}


def test_a_layer_of_another_size_is_not_copied(ecr, acr):
    digest = ecr.add_image("nightly", layers=[b"honest"])
    ecr.repository("nightly").blobs[digest_of(b"honest")] = b"honest and more"
    with pytest.raises(RegistryConflict, match="another size"):
        client(acr).copy_from(client(ecr), digest)


def test_a_missing_repository_says_what_to_do(ecr, acr):
    acr.create_repositories = False
    with pytest.raises(RegistryError, match="Create the repository"):
        client(acr).copy_from(client(ecr), ecr.add_image("nightly"))


def test_the_first_failure_stops_the_others(ecr, acr):
    layers = [noise(seed, 1000) for seed in range(40)]
    digest = ecr.add_image("nightly", layers=layers)
    acr.faults = [Fault(method="POST", status=403, times=999)]
    with pytest.raises(NightlyError, match="403"):
        client(acr).copy_from(client(ecr), digest)
    assert 0 < [method for method, _ in acr.requests].count("POST") <= FAST.parallel_blobs
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("copy")]


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.randoms(use_true_random=False))
def test_a_copy_through_random_faults_is_whole_or_says_why(randomness):
    """Whatever happens, the copy is complete, or an error is raised and a second try completes it."""
    with FakeRegistry().running() as ecr, FakeRegistry().running() as acr:
        digest = ecr.add_image("nightly", layers=LAYERS)
        for fake in (ecr, acr):
            fake.faults = [_random_fault(randomness) for _ in range(6)]
        try:
            client(acr).copy_from(client(ecr), digest)
        except RegistryUnavailable:
            ecr.faults = acr.faults = []
            client(acr).copy_from(client(ecr), digest)
        assert everything_of(acr) == everything_of(ecr)


def _random_fault(randomness):
    path = randomness.choice(["/manifests/", "/blobs/sha", "/uploads/"])
    if randomness.random() < 0.5:
        return Fault(
            path=path, status=randomness.choice([429, 500, 502, 503]), times=randomness.randint(1, 2)
        )
    return Fault(path=path, method="GET|PUT", cut_after=randomness.randint(0, 700_000))


def test_a_large_layer_costs_no_memory(ecr, acr):
    class Source:
        """A layer that is made while it is read, so that it is nowhere in memory."""

        size = 64 * 1024 * 1024

        def reference(self, tag_or_digest):
            return tag_or_digest

        def manifest(self, digest):
            return ecr.repository("nightly").manifests[digest]

        def open_blob(self, digest):
            if digest != large["digest"]:
                yield ecr.repository("nightly").blobs[digest]
                return
            for _ in range(self.size // 65_536):
                yield bytes(65_536)

    large = {"mediaType": "layer", "digest": digest_of(bytes(Source.size)), "size": Source.size}
    config = ecr.add_blob("nightly", b"{}")
    media_type = "application/vnd.oci.image.manifest.v1+json"
    image = ecr.add_manifest("nightly", {"mediaType": media_type, "config": config, "layers": [large]})
    acr.discard_uploads = True
    tracemalloc.start()
    try:
        assert client(acr).copy_from(Source(), image["digest"]) > Source.size
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 * 1024 * 1024
