"""Our clients against ECR as it behaves: moto's API, a real registry, and a door that refuses what ECR refuses."""

from __future__ import annotations

import json

import boto3
import pytest

from nightly_pipeline.errors import (
    RegistryAbsent,
    RegistryForbidden,
    RegistryLoginExpired,
    RegistryTagImmutable,
    RegistryThrottled,
    RegistryUnavailable,
)
from nightly_pipeline.settings_registries import RepositoryCreation
from nightly_pipeline.tools.clouds import credentials_for, repositories_of
from tests.fakes.ecr_server import ACCESS_KEY, ACCOUNT
from tests.fakes.registry_door import Answer, Trouble
from tests.integration.clouds.support import ONE_BY_ONE, assert_whole_in_ecr, every_other_time, in_ecr, opened

pytestmark = pytest.mark.integration

ROLE = f"arn:aws:iam::{ACCOUNT}:role/publisher"
RUN_TAG, MOVING_TAG = "nightly-vllm-amd64-run-1f3a9c02", "nightly-vllm-amd64"


@pytest.fixture
def registry(ecr):
    with opened(in_ecr(ecr, cache_repository="nightly-cache")) as registry:
        yield registry


# --- repositories


def test_a_missing_repository_names_itself_and_the_next_step(ecr, source, image):
    with opened(in_ecr(ecr, create=None)) as registry, pytest.raises(RegistryAbsent) as caught:
        registry.copy_from(source, image)
    assert f"ecr ({ecr.host}): repository nightly was not found" in caught.value.message
    assert "`create:` section" in caught.value.next_step
    assert ecr.door.uploaded == 0


def test_missing_repositories_are_made_as_the_profile_says(ecr, registry, source, image):
    registry.copy_from(source, image)
    found = {
        one["repositoryName"]: one
        for one in boto3.Session().client("ecr").describe_repositories()["repositories"]
    }
    assert found.keys() == {"nightly", "nightly-cache"}
    images, caches = found["nightly"], found["nightly-cache"]
    assert images["imageScanningConfiguration"] == {"scanOnPush": True}
    assert images["encryptionConfiguration"] == {"encryptionType": "AES256"}
    assert images["imageTagMutability"] == "IMMUTABLE_WITH_EXCLUSION"
    assert {one["filter"] for one in images["imageTagMutabilityExclusionFilters"]} == set(
        RepositoryCreation().moving_tags
    )
    assert caches["imageTagMutability"] == "MUTABLE"


def test_a_repository_with_a_key_of_ones_own(ecr):
    key = boto3.Session().client("kms").create_key()["KeyMetadata"]["Arn"]
    create = RepositoryCreation(encryption="KMS", kms_key=key, immutable_tags=False, scan_on_push=False)
    repositories_of(in_ecr(ecr, create=create))()
    [found] = boto3.Session().client("ecr").describe_repositories()["repositories"]
    assert found["encryptionConfiguration"] == {"encryptionType": "KMS", "kmsKey": key}
    assert found["imageTagMutability"] == "MUTABLE"
    assert found["imageScanningConfiguration"] == {"scanOnPush": False}


def test_who_may_not_look_at_repositories_may_push_all_the_same(ecr, source, image):
    ecr.create("nightly")
    said = Answer(400, {}, b'{"__type": "AccessDeniedException", "message": "ecr:DescribeRepositories"}')
    ecr.api.troubles = [Trouble(answer=said)]
    with opened(in_ecr(ecr, create=None)) as registry:
        registry.copy_from(source, image)
    assert_whole_in_ecr(ecr, image)


def test_repositories_are_asked_for_once(ecr):
    require = repositories_of(in_ecr(ecr))
    for _ in range(3):
        require()
    assert [action for action, _ in ecr.api.callers] == ["DescribeRepositories", "CreateRepository"]


# --- tags


def test_moving_tags_move_and_run_tags_do_not(ecr, registry, source, image, other):
    for digest in (image, other):
        registry.copy_from(source, digest)
    for tag in (RUN_TAG, MOVING_TAG):
        registry.put_tag(tag, image)
    registry.put_tag(MOVING_TAG, other)
    with pytest.raises(RegistryTagImmutable, match=f"nightly:{RUN_TAG} could not be written: 400") as caught:
        registry.put_tag(RUN_TAG, other)
    assert "exclusion filter" in caught.value.next_step
    assert ecr.read("nightly", MOVING_TAG).headers["Docker-Content-Digest"] == other
    assert ecr.read("nightly", RUN_TAG).headers["Docker-Content-Digest"] == image


def test_an_immutable_tag_whose_answer_was_lost_is_there_all_the_same(ecr, registry, source, image):
    registry.copy_from(source, image)
    ecr.door.troubles = [Trouble("PUT", f"/manifests/{RUN_TAG}", lost=True)]
    registry.put_tag(RUN_TAG, image)
    assert ecr.door.count("PUT", f"/manifests/{RUN_TAG}") == 2
    assert ecr.read("nightly", RUN_TAG).headers["Docker-Content-Digest"] == image


def test_a_cache_in_buildkits_own_format_is_refused(ecr, registry):
    layer = {
        "mediaType": "application/vnd.oci.image.layer.v1.tar+zstd",
        "digest": f"sha256:{'0' * 64}",
        "size": 1,
    }
    index = json.dumps({"schemaVersion": 2, "manifests": [layer]}).encode()
    with pytest.raises(Exception, match=r"400 Bad Request.*MANIFEST_INVALID"):
        registry.put_index(["cache"], index, "application/vnd.oci.image.index.v1+json")


def test_images_are_deleted_by_the_api(ecr, registry, source, image, other):
    for digest in (image, other):
        registry.copy_from(source, digest)
        registry.put_tag(f"tag-of-{digest[7:15]}", digest)
    gone = f"sha256:{'0' * 64}"
    assert registry.delete_many([other, gone]) == {}
    assert ecr.read("nightly", other).status_code == 404
    assert ecr.read("nightly", image).status_code == 200


# --- logins


def test_a_login_is_had_for_the_registrys_account(ecr, registry, source, image):
    registry.copy_from(source, image)
    assert {caller for _, caller in ecr.api.callers} == {ACCESS_KEY}
    assert len(ecr.door.logins) == 1


def test_a_role_of_another_account_is_assumed_first(ecr, source, image):
    with opened(in_ecr(ecr, role_arn=ROLE, external_id="nightly")) as registry:
        registry.copy_from(source, image)
    callers = {action: caller for action, caller in ecr.api.callers if action}
    assert callers.keys() == {"DescribeRepositories", "CreateRepository", "GetAuthorizationToken"}
    assert ACCESS_KEY not in callers.values()


def test_a_login_that_expires_with_each_of_two_layers_is_had_again(ecr, source, image):
    expiry = Trouble("PUT", "/blobs/uploads/", then=every_other_time(ecr.door.expire_logins), times=3)
    ecr.door.troubles = [expiry]
    with opened(in_ecr(ecr), ONE_BY_ONE) as registry:
        registry.copy_from(source, image)
    assert_whole_in_ecr(ecr, image)
    assert expiry.times == 0
    assert len(ecr.door.logins) == 3


def test_a_login_that_expires_while_layers_travel_side_by_side_is_had_again_once(
    ecr, registry, source, image
):
    ecr.door.troubles = [Trouble("PUT", "/blobs/uploads/", then=ecr.door.expire_logins)]
    registry.copy_from(source, image)
    assert_whole_in_ecr(ecr, image)
    assert len(ecr.door.logins) == 2


def test_a_login_that_is_never_good_says_so(ecr, registry):
    ecr.door.lifetime_s = -1.0
    ecr.create("nightly")
    with pytest.raises(RegistryLoginExpired, match=r"nightly:x could not be read: 403 Forbidden: .*expired"):
        registry.manifest("x")


def test_aws_that_is_not_there_is_unavailable(ecr, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr("nightly_pipeline.tools.ecr._ATTEMPTS", 1)
    with pytest.raises(RegistryUnavailable, match=r"no login could be had: Could not connect"):
        credentials_for(in_ecr(ecr))()


def test_a_machine_without_credentials_is_told_what_it_needs(ecr, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(RegistryForbidden, match="Unable to locate credentials") as caught:
        credentials_for(in_ecr(ecr))()
    assert "AWS_ACCESS_KEY_ID" in caught.value.next_step


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "AccessDeniedException", RegistryForbidden),
        (400, "UnrecognizedClientException", RegistryForbidden),
        (400, "ExpiredTokenException", RegistryLoginExpired),
        (400, "ThrottlingException", RegistryThrottled),
        (500, "ServerException", RegistryUnavailable),
        (503, "Unheard", RegistryUnavailable),
    ],
)
def test_what_aws_says_is_told_apart(ecr, monkeypatch, status, code, kind):
    monkeypatch.setattr("nightly_pipeline.tools.ecr._ATTEMPTS", 1)
    said = Answer(status, {}, json.dumps({"__type": code, "message": "no"}).encode())
    ecr.api.troubles = [Trouble(answer=said)]
    with pytest.raises(kind) as caught:
        credentials_for(in_ecr(ecr))()
    assert type(caught.value) is kind
    assert f"ecr ({ecr.host}): no login could be had: {code}" in caught.value.message
