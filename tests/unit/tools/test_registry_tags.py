"""Listing tags and deleting manifests, over HTTP and through ECR's own API."""

from __future__ import annotations

import json

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from moto import mock_aws

from nightly_pipeline.errors import RegistryError, RegistryUnavailable
from nightly_pipeline.model.oci import MANIFEST_TYPE
from nightly_pipeline.tools.registry import ClientSettings, Credentials, OciRegistry
from nightly_pipeline.tools.registry_tags import delete_each, delete_from_ecr
from tests.fakes.registry import FakeRegistry, Fault

HURRIED = ClientSettings(attempts=2, wait_initial_s=0.001, wait_max_s=0.002)
ABSENT = f"sha256:{'0' * 64}"


@pytest.fixture
def server():
    with FakeRegistry(auth="bearer", login=("user", "password")).running() as running:
        yield running


@pytest.fixture
def registry(server):
    with OciRegistry(
        "ecr",
        server.host,
        "nightly",
        insecure=True,
        credentials=lambda: Credentials("user", "password"),
        settings=HURRIED,
    ) as opened:
        yield opened


# --- tags


def test_every_tag_is_listed_sorted(server, registry):
    server.add_image("nightly", "b", "a", "c")

    assert registry.list_tags() == ["a", "b", "c"]


@pytest.mark.parametrize("page", [1, 2, 3, 4])
def test_every_page_is_read(server, registry, page):
    server.page_tags = page
    server.add_image("nightly", *(f"tag-{number}" for number in range(7)))

    assert registry.list_tags() == [f"tag-{number}" for number in range(7)]


def test_a_repository_that_does_not_exist_has_no_tags(registry):
    assert registry.list_tags() == []


def test_a_repository_without_tags_has_none(server, registry):
    server.repository("nightly")

    assert registry.list_tags() == []


@pytest.mark.parametrize("body", [b"", b"[]", b'{"tags": 3}', b"<html>", b'{"name": "x"}'])
def test_an_answer_that_is_no_list_is_an_error(server, registry, body):
    server.faults.append(Fault(path="/tags/list", status=200, body=body))

    with pytest.raises(RegistryError, match="no list of the tags of nightly"):
        registry.list_tags()


def test_a_404_of_something_that_is_no_registry_is_no_empty_list(server, registry):
    server.faults.append(Fault(path="/tags/list", status=404, body=b"not found"))

    with pytest.raises(RegistryError):
        registry.list_tags()


def test_a_list_that_broke_off_between_pages_is_no_list(server, registry):
    server.page_tags = 1
    server.add_image("nightly", "a", "b")
    server.faults.append(Fault(path="last=a", status=503, times=9))

    with pytest.raises(RegistryUnavailable):
        registry.list_tags()


# --- deleting by the distribution protocol


def test_what_is_deleted_is_gone_with_its_tags(server, registry):
    gone, kept = server.add_image("nightly", "old"), server.add_image("nightly", "new", layers=[b"other"])

    assert registry.delete_many([gone, ABSENT]) == {}
    assert (registry.digest_of(gone), registry.digest_of("old")) == (None, None)
    assert registry.digest_of("new") == kept


def test_a_registry_that_does_not_allow_it_says_so_for_each(server, registry):
    digest = server.add_image("nightly", "old")
    server.deletable = False

    assert list(registry.delete_many([digest])) == [digest]
    assert "deleting is not enabled" in registry.delete_many([digest])[digest]
    assert registry.digest_of("old") == digest


def test_one_refusal_does_not_keep_the_others(server, registry):
    first, second = server.add_image("nightly", "a"), server.add_image("nightly", "b", layers=[b"other"])
    server.faults.append(Fault(method="DELETE", path=first, status=400))

    assert list(registry.delete_many([first, second])) == [first]
    assert registry.digest_of(second) is None


def test_an_outage_ends_it_and_the_rest_is_named():
    asked: list[str] = []

    def delete(digest: str) -> None:
        asked.append(digest)
        if digest == "b":
            raise RegistryUnavailable("503")

    assert delete_each(delete, ["a", "b", "c"]) == {"b": "503", "c": "503"}
    assert asked == ["a", "b"]


# --- deleting from ECR


@pytest.fixture
def ecr(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        client = boto3.client("ecr", region_name="us-west-2")
        client.create_repository(repositoryName="nightly")
        yield client


def put(ecr, tag: str) -> str:
    document = {"schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": {"digest": tag}, "layers": []}
    answer = ecr.put_image(repositoryName="nightly", imageManifest=json.dumps(document), imageTag=tag)
    return str(answer["image"]["imageId"]["imageDigest"])


def tags_in(ecr) -> set[str]:
    images = ecr.list_images(repositoryName="nightly")["imageIds"]
    return {image["imageTag"] for image in images}


def test_ecr_deletes_by_digest_and_what_was_not_there_is_gone_too(ecr):
    old, _ = put(ecr, "old"), put(ecr, "new")

    assert delete_from_ecr(ecr, "nightly", [old, ABSENT]) == {}
    assert tags_in(ecr) == {"new"}


def test_a_repository_that_is_not_there_has_nothing_to_delete(ecr):
    assert delete_from_ecr(ecr, "another", [ABSENT]) == {}


class Refusing:
    """A client of ECR that answers this."""

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def batch_delete_image(self, **asked: object) -> object:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def test_what_ecr_keeps_is_said_with_its_reason():
    failure = {
        "imageId": {"imageDigest": "sha256:a"},
        "failureCode": "ImageReferencedByManifestList",
        "failureReason": "it is part of sha256:b",
    }
    answer = Refusing({"imageIds": [], "failures": [failure]})

    assert delete_from_ecr(answer, "nightly", ["sha256:a"]) == {
        "sha256:a": "ImageReferencedByManifestList: it is part of sha256:b"
    }


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("AccessDeniedException", "RegistryForbidden"),
        ("ThrottlingException", "RegistryUnavailable"),
        ("ServerException", "RegistryUnavailable"),
        ("InvalidParameterException", "RegistryError"),
    ],
)
def test_what_aws_says_is_told_apart(code, error):
    refused = ClientError({"Error": {"Code": code, "Message": "no"}}, "BatchDeleteImage")
    with pytest.raises(RegistryError) as told:
        delete_from_ecr(Refusing(refused), "nightly", [ABSENT])
    assert type(told.value).__name__ == error


def test_aws_that_could_not_be_asked_may_pass():
    with pytest.raises(RegistryUnavailable):
        delete_from_ecr(Refusing(EndpointConnectionError(endpoint_url="x")), "nightly", [ABSENT])
