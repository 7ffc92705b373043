from __future__ import annotations

import json
from dataclasses import replace

import pytest

from nightly_pipeline.errors import (
    RegistryAbsent,
    RegistryConflict,
    RegistryError,
    RegistryForbidden,
    RegistryFull,
    RegistryLoginExpired,
    RegistryTagImmutable,
    RegistryThrottled,
    RegistryUnavailable,
)
from nightly_pipeline.tools.registry import ClientSettings, OciRegistry
from tests.fakes.registry import FakeRegistry, Fault, digest_of, noise

FAST = ClientSettings(
    attempts=5, wait_initial_s=0.01, wait_max_s=0.3, connect_timeout_s=60, read_timeout_s=60
)
INDEX = "application/vnd.oci.image.index.v1+json"


@pytest.fixture
def fake():
    with FakeRegistry().running() as fake:
        fake.repository("nightly")
        yield fake


@pytest.fixture
def registry(fake):
    with OciRegistry("ecr", fake.host, "nightly", insecure=True, settings=FAST) as registry:
        yield registry


def test_names_what_it_stands_for(registry, fake):
    assert registry.role == "ecr"
    assert registry.reference("a-tag") == f"{fake.host}/nightly:a-tag"
    assert registry.reference(digest_of(b"x")) == f"{fake.host}/nightly@{digest_of(b'x')}"
    assert repr(registry) == f"OciRegistry('ecr', '{fake.host}', 'nightly')"


def test_answers_the_digest_of_a_tag_and_of_a_digest(registry, fake):
    digest = fake.add_image("nightly", "new")
    assert registry.digest_of("new") == digest
    assert registry.digest_of(digest) == digest


def test_an_absent_tag_is_an_answer(registry):
    assert registry.digest_of("absent") is None
    assert registry.manifest("absent") is None
    assert registry.digest_of(digest_of(b"absent")) is None


def test_an_absent_repository_is_an_answer_too(fake):
    other = OciRegistry("ecr", fake.host, "not-made-yet", insecure=True, settings=FAST)
    assert other.digest_of("x") is None


@pytest.mark.parametrize("ask", [OciRegistry.digest_of, OciRegistry.manifest])
def test_something_else_that_answers_404_is_no_absence(registry, fake, ask):
    fake.faults = [Fault(status=404, body=b"<html>nothing here</html>", times=2)]
    with pytest.raises(RegistryError, match="is not a registry"):
        ask(registry, "new")


def test_a_registry_that_names_no_digest_is_asked_for_the_bytes(registry, fake):
    fake.digest_header = False
    assert registry.digest_of("new") is None
    digest = fake.add_image("nightly", "new")
    assert registry.digest_of("new") == digest


def test_the_manifest_comes_byte_for_byte(registry, fake):
    digest = fake.add_image("nightly", "new")
    content, media_type = registry.manifest("new")
    assert digest_of(content) == digest
    assert media_type == INDEX


def test_a_manifest_that_was_changed_on_the_way_is_refused(registry, fake):
    digest = fake.add_image("nightly", "new")
    fake.faults = [Fault(method="GET", garble=True)]
    with pytest.raises(RegistryConflict, match="came with the digest"):
        registry.manifest(digest)


def test_a_tag_whose_bytes_are_not_those_the_registry_names_is_refused(registry, fake):
    fake.add_image("nightly", "new")
    fake.faults = [Fault(method="GET", garble=True)]
    with pytest.raises(RegistryConflict):
        registry.manifest("new")


def test_what_is_neither_tag_nor_digest_is_not_asked_for(registry, fake):
    with pytest.raises(RegistryError, match="neither a tag nor a sha256 digest"):
        registry.digest_of("../../_catalog")
    assert fake.requests == []


def test_the_config_of_an_index_is_that_of_its_one_platform(registry, fake):
    digest = fake.add_image("nightly", architecture="arm64")
    config = registry.config_of(digest)
    assert config["architecture"] == "arm64"
    assert config["config"]["Labels"] == {"made-by": "test"}


def test_the_config_of_a_lone_manifest(registry, fake):
    assert registry.config_of(fake.add_image("nightly", attested=False))["architecture"] == "amd64"


def test_an_index_of_two_platforms_has_no_one_config(registry, fake):
    children = [
        json.loads(registry.manifest(_image(fake, arch))[0])["manifests"][0] for arch in ("amd64", "arm64")
    ]
    both = fake.add_manifest("nightly", {"schemaVersion": 2, "mediaType": INDEX, "manifests": children})
    with pytest.raises(RegistryConflict, match=r"several platforms: linux/amd64, linux/arm64"):
        registry.config_of(both["digest"])


def test_the_config_of_what_is_absent(registry):
    with pytest.raises(RegistryConflict, match="is not there"):
        registry.config_of(digest_of(b"absent"))


def test_a_tag_moves_and_the_digest_stays(registry, fake):
    old, new = fake.add_image("nightly", "moving"), fake.add_image("nightly", layers=[b"newer"])
    registry.put_tag("moving", new)
    assert registry.digest_of("moving") == new
    assert registry.digest_of(old) == old


def test_a_tag_that_is_there_is_not_written_again(registry, fake):
    digest = fake.add_image("nightly", "there")
    registry.put_tag("there", digest)
    assert "PUT" not in {method for method, _ in fake.requests}


def test_a_tag_for_what_is_absent(registry):
    with pytest.raises(RegistryConflict, match="is not there"):
        registry.put_tag("x", digest_of(b"absent"))


def test_an_immutable_tag_is_a_conflict(registry, fake):
    fake.immutable_tags = True
    fake.add_image("nightly", "fixed")
    with pytest.raises(RegistryTagImmutable, match="immutable") as caught:
        registry.put_tag("fixed", fake.add_image("nightly", layers=[b"other"]))
    assert "nightly:fixed" in str(caught.value)


def test_a_write_the_registry_forgets_is_noticed(registry, fake):
    digest = fake.add_image("nightly")
    fake.faults = [Fault(method="PUT", status=201)]
    with pytest.raises(RegistryConflict, match="is None after"):
        registry.put_tag("forgotten", digest)


def test_an_index_is_stored_under_all_its_tags(registry, fake):
    child = json.loads(registry.manifest(_image(fake, "amd64"))[0])["manifests"][0]
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [child]}).encode()
    digest = registry.put_index(["one", "two"], index, INDEX)
    assert digest == digest_of(index)
    assert registry.digest_of("one") == registry.digest_of("two") == digest
    assert registry.put_index(["one", "two"], index, INDEX) == digest


def test_an_index_without_tags_is_stored_under_its_digest(registry):
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}).encode()
    assert registry.digest_of(registry.put_index([], index, INDEX)) == digest_of(index)


def test_an_index_of_absent_children_is_a_conflict(registry):
    child = {"mediaType": INDEX, "digest": digest_of(b"absent"), "size": 6}
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [child]}).encode()
    with pytest.raises(RegistryConflict, match="copy that first"):
        registry.put_index(["x"], index, INDEX)


def test_deleting_takes_the_tags_along_and_may_be_done_twice(registry, fake):
    digest = fake.add_image("nightly", "old")
    registry.delete(digest)
    registry.delete(digest)
    assert registry.digest_of("old") is None


def test_deleting_that_is_not_enabled_says_so(registry, fake):
    fake.deletable = False
    with pytest.raises(RegistryError, match="not enabled"):
        registry.delete(fake.add_image("nightly"))


def test_a_tag_is_not_deleted(registry):
    with pytest.raises(ValueError, match="only a digest"):
        registry.delete("nightly-vllm-amd64")


def test_a_blob_comes_whole(registry, fake):
    content = noise(1, 1_000_000)
    digest = fake.add_blob("nightly", content)["digest"]
    assert b"".join(registry.open_blob(digest)) == content


def test_an_empty_blob(registry, fake):
    digest = fake.add_blob("nightly", b"")["digest"]
    assert b"".join(registry.open_blob(digest)) == b""


def test_a_blob_that_breaks_off_is_taken_up_where_it_broke_off(registry, fake):
    content = noise(2, 1_000_000)
    digest = fake.add_blob("nightly", content)["digest"]
    fake.faults = [Fault(method="GET", path="/blobs/", cut_after=cut) for cut in (0, 600_000, 100_000)]
    assert b"".join(registry.open_blob(digest)) == content
    assert len(fake.requests) == 4


def test_a_blob_that_always_breaks_off_is_unavailable(registry, fake):
    digest = fake.add_blob("nightly", bytes(10_000))["digest"]
    fake.faults = [Fault(method="GET", cut_after=10, times=99)]
    with pytest.raises(RegistryUnavailable, match=digest):
        list(registry.open_blob(digest))
    assert len(fake.requests) == FAST.attempts


def test_a_damaged_blob_is_refused(registry, fake):
    digest = fake.add_blob("nightly", b"content")["digest"]
    fake.faults = [Fault(method="GET", garble=True)]
    with pytest.raises(RegistryConflict, match="storage is damaged"):
        list(registry.open_blob(digest))


def test_an_absent_blob(registry):
    with pytest.raises(RegistryError, match="404"):
        list(registry.open_blob(digest_of(b"absent")))


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_may_pass_is_asked_again(registry, fake, status):
    digest = fake.add_image("nightly", "new")
    fake.faults = [Fault(status=status, times=3)]
    assert registry.digest_of("new") == digest


def test_what_does_not_pass_is_unavailable_not_absent(registry, fake):
    fake.faults = [Fault(status=503, times=99)]
    with pytest.raises(RegistryUnavailable, match="nightly:new could not be read: 503"):
        registry.digest_of("new")
    assert len(fake.requests) == FAST.attempts


def test_a_registry_that_is_not_running_is_unavailable():
    registry = OciRegistry("acr", "127.0.0.1:9", "nightly", insecure=True, settings=FAST)
    with pytest.raises(RegistryUnavailable, match=r"acr \(127.0.0.1:9\)"):
        registry.digest_of("new")


def test_the_wait_a_registry_asks_for_is_kept_within_bounds(fake):
    fake.add_image("nightly", "new")
    fake.faults = [Fault(status=429, headers={"Retry-After": "3600"}, method="HEAD")]
    bounded = ClientSettings(attempts=2, wait_initial_s=0.01, wait_max_s=0.2)
    with OciRegistry("ecr", fake.host, "nightly", insecure=True, settings=bounded) as registry:
        assert registry.digest_of("new") is not None


def test_the_wait_a_registry_asks_for_is_told(registry, fake):
    fake.faults = [Fault(status=429, headers={"Retry-After": "7"}, times=99)]
    with pytest.raises(RegistryThrottled) as caught:
        registry.digest_of("new")
    assert caught.value.retry_after_s == 7
    assert f"ecr ({fake.host}): nightly:new could not be read: 429" in caught.value.message


@pytest.mark.parametrize(
    ("fault", "kind", "said"),
    [
        (Fault(status=401, body=b""), RegistryForbidden, "401"),
        (Fault(status=403, body=b""), RegistryForbidden, "credentials"),
        (Fault(status=403, body=b"Your authorization token has expired."), RegistryLoginExpired, "clock"),
        (Fault(status=409, body=b""), RegistryTagImmutable, "Let this tag move"),
        (Fault(status=400, body=b""), RegistryError, "400"),
        (Fault(status=405, body=b""), RegistryError, "405"),
        (Fault(status=302, body=b""), RegistryError, "302"),
        (Fault(status=413, body=b""), RegistryError, "upload limit"),
        (Fault(status=507, body=b""), RegistryFull, "Free space"),
        (Fault(status=500, body=b"write /data: no space left on device"), RegistryFull, "no space left"),
        (Fault(status=403, body=b"LimitExceeded: images per repository"), RegistryFull, "quota"),
        (
            Fault(status=404, body=b'{"errors": [{"code": "NAME_UNKNOWN"}]}'),
            RegistryAbsent,
            "Create the repository",
        ),
        (
            Fault(status=400, body=b"Client sent an HTTP request to an HTTPS server."),
            RegistryError,
            "insecure: f",
        ),
    ],
    ids=lambda value: str(value.status) if isinstance(value, Fault) else "",
)
def test_refusals_have_their_own_names_and_are_not_repeated(registry, fake, fault, kind, said):
    digest = fake.add_image("nightly")
    fake.faults = [replace(fault, method="PUT", times=99)]
    with pytest.raises(kind, match=r"nightly:x could not be written") as caught:
        registry.put_tag("x", digest)
    assert said in str(caught.value)
    assert [method for method, _ in fake.requests].count("PUT") == 1


def test_plain_http_where_tls_was_expected_is_not_waited_for(fake):
    with pytest.raises(RegistryError, match="insecure: true") as caught:
        OciRegistry("ecr", fake.host, "nightly", settings=FAST).digest_of("x")
    assert not isinstance(caught.value, RegistryUnavailable)


def test_what_a_registry_says_is_shortened(registry, fake):
    fake.faults = [Fault(method="GET", status=418, body=b"tea " * 1000)]
    with pytest.raises(RegistryError) as caught:
        registry.manifest("x")
    assert len(str(caught.value)) < 600


def _image(fake, architecture):
    return fake.add_image("nightly", architecture=architecture)
