"""Our clients against ACR as it behaves: a real registry that wants tokens, its token service, and Entra ID.

What is there is read back by Azure's own client, and by plain HTTP.
"""

from __future__ import annotations

import pytest

from nightly_pipeline.errors import (
    RegistryError,
    RegistryForbidden,
    RegistryLoginExpired,
    RegistryThrottled,
    RegistryUnavailable,
)
from nightly_pipeline.settings_registries import RegistrySettings
from nightly_pipeline.tools.acr import ACR_USER, acr_client, plain_http
from nightly_pipeline.tools.clouds import credentials_for
from tests.fakes.acr_server import TOKEN_PASSWORD, TOKEN_USER
from tests.fakes.entra_server import CLIENT, CLIENT_SECRET, TENANT
from tests.fakes.registry_door import Trouble, error
from tests.integration.clouds.support import LAYER_BYTES, ONE_BY_ONE, PATIENT, every_other_time, opened

pytestmark = pytest.mark.integration

TAG = "nightly-vllm-amd64"
SCOPE = "https://containerregistry.azure.net/.default"


def settings(acr, login: str, **fields) -> RegistrySettings:
    own = {
        "default": {"authority": acr.entra.host},
        "service_principal": {
            "authority": acr.entra.host,
            "tenant_id": TENANT,
            "client_id": CLIENT,
            "client_secret": CLIENT_SECRET,
        },
        "workload_identity": {"authority": acr.entra.host, "tenant_id": TENANT, "client_id": CLIENT},
        "token": {"username": TOKEN_USER, "password": TOKEN_PASSWORD},
    }[login]
    return RegistrySettings(kind="acr", host=acr.host, insecure=True, login=login, **{**own, **fields})


@pytest.fixture
def registry(acr):
    with opened(settings(acr, "service_principal")) as registry:
        yield registry


def assert_whole(acr, digest: str) -> None:
    """Index, image and every layer, as Azure's own client reads them: it checks every digest itself."""
    whom = settings(acr, "service_principal")
    with acr_client(whom) as client:
        index = client.get_manifest("nightly", digest, **plain_http(whom))
        [child] = index.manifest["manifests"]
        manifest = client.get_manifest("nightly", child["digest"], **plain_http(whom)).manifest
        for blob in (manifest["config"], *manifest["layers"]):
            stream = client.download_blob("nightly", blob["digest"], **plain_http(whom))
            assert sum(map(len, stream)) == blob["size"]
    assert index.digest == digest


# --- logins


@pytest.mark.parametrize("login", ["default", "service_principal", "workload_identity", "token"])
def test_every_way_to_log_in_brings_the_same_bytes(acr, source, image, login, monkeypatch):
    if login == "workload_identity":
        monkeypatch.delenv("AZURE_CLIENT_SECRET")
    with opened(settings(acr, login)) as registry:
        registry.copy_from(source, image)
        registry.put_tag(TAG, image)
    assert acr.read("nightly", TAG).headers["Docker-Content-Digest"] == image
    by = {"workload_identity": [("client_assertion", SCOPE)], "token": []}
    assert acr.entra.grants[:1] == by.get(login, [("client_secret", SCOPE)])


def test_a_login_for_docker_is_the_null_user_with_a_refresh_token(acr):
    login = credentials_for(settings(acr, "service_principal"))()
    assert login.username == ACR_USER
    assert login.password
    assert login.password not in repr(login)
    assert acr.exchanges == 1


def test_one_login_serves_all_the_tokens_of_a_copy(acr, registry, source, image):
    registry.copy_from(source, image)
    assert acr.tokens <= 4  # one a scope, and not one a request


def test_a_token_that_is_refused_with_each_of_two_layers_is_had_again(acr, source, image):
    revocation = Trouble("PUT", "/blobs/uploads/", then=every_other_time(acr.revoke), times=3)
    acr.troubles = [revocation]
    with opened(settings(acr, "service_principal"), ONE_BY_ONE) as registry:
        registry.copy_from(source, image)
    assert revocation.times == 0
    assert_whole(acr, image)


def test_a_token_that_is_refused_while_layers_travel_side_by_side_is_had_again(acr, registry, source, image):
    acr.troubles = [Trouble("PUT", "/blobs/uploads/", then=acr.revoke)]
    registry.copy_from(source, image)
    assert_whole(acr, image)


def test_a_secret_that_has_expired_in_entra_says_so(acr, registry):
    acr.entra.refusal = "AADSTS7000222: The provided client secret keys are expired."
    with pytest.raises(RegistryLoginExpired, match="AADSTS7000222") as caught:
        registry.digest_of(TAG)
    assert "Renew the client secret" in caught.value.next_step
    assert CLIENT_SECRET not in str(caught.value)


@pytest.mark.parametrize("field", ["client_secret", "tenant_id"])
def test_what_a_service_principal_lacks_is_named(acr, field):
    with pytest.raises(RegistryForbidden, match=f"needs {field}") as caught:
        credentials_for(settings(acr, "service_principal", **{field: None}))()
    assert f"Set AZURE_{field.upper()}." in caught.value.next_step


def test_a_wrong_secret_is_refused_and_not_repeated(acr):
    wrong = settings(acr, "service_principal", client_secret="wrong-but-secret")  # noqa: S106 - of a test
    with pytest.raises(RegistryForbidden, match="AADSTS7000215") as caught:
        credentials_for(wrong)()
    assert "wrong-but-secret" not in str(caught.value)


def test_an_identity_without_a_right_to_the_registry_is_forbidden(acr):
    with pytest.raises(RegistryForbidden, match=r"no login could be had: 401"):
        credentials_for(settings(acr, "service_principal", audience="https://management.azure.com"))()


def test_a_token_without_its_password_names_the_variable(acr):
    with pytest.raises(RegistryForbidden, match="no password for nightly-token") as caught:
        credentials_for(settings(acr, "token", password=None))()
    assert "NIGHTLY_REGISTRY_" in caught.value.next_step


def test_entra_that_is_not_there_is_unavailable(acr):
    with pytest.raises(RegistryUnavailable, match="no token could be had from Entra ID"):
        credentials_for(settings(acr, "service_principal", authority="localhost:9"))()


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (error(429, "TOOMANYREQUESTS", **{"Retry-After": "3"}), RegistryThrottled),
        (error(503, "UNAVAILABLE"), RegistryUnavailable),
        (error(200, "OK"), RegistryError),
    ],
)
def test_what_the_token_service_says_is_told_apart(acr, answer, kind):
    acr.troubles = [Trouble(path="/oauth2/exchange", answer=answer)]
    with pytest.raises(kind) as caught:
        credentials_for(settings(acr, "service_principal"))()
    assert type(caught.value) is kind


# --- images


def test_tags_are_those_azures_own_client_lists(acr, registry, source, image):
    registry.copy_from(source, image)
    for tag in (TAG, f"{TAG}-run-1f3a9c02"):
        registry.put_tag(tag, image)
    whom = settings(acr, "service_principal")
    with acr_client(whom) as client:
        listed = {tag.name: tag.digest for tag in client.list_tag_properties("nightly", **plain_http(whom))}
    assert listed == {TAG: image, f"{TAG}-run-1f3a9c02": image}


def test_images_are_deleted_by_azures_own_client(acr, registry, source, image):
    registry.copy_from(source, image)
    registry.put_tag(TAG, image)
    assert registry.delete_many([image, f"sha256:{'0' * 64}"]) == {}
    assert acr.read("nightly", TAG).status_code == 404


def test_an_image_that_is_locked_is_left_and_named(acr, registry, source, image):
    registry.copy_from(source, image)
    acr.troubles = [
        Trouble("DELETE", "/manifests/", answer=error(405, "UNSUPPORTED", "operation disallowed"))
    ]
    left = registry.delete_many([image])
    assert left.keys() == {image}
    assert f"nightly@{image} could not be deleted: 405" in left[image]


def test_a_token_deletes_by_the_distribution_protocol(acr, source, image):
    with opened(settings(acr, "token")) as registry:
        registry.copy_from(source, image)
        assert registry.delete_many([image]) == {}
    assert acr.read("nightly", image).status_code == 404


# --- bad weather


def test_a_connection_that_is_cut_in_the_middle_of_a_blob(acr, registry, source, image):
    cut = Trouble("PUT", "/blobs/uploads/", cut_after=LAYER_BYTES // 2, times=3)
    acr.troubles = [cut]
    registry.copy_from(source, image)
    assert cut.times == 0
    assert_whole(acr, image)


def test_every_fifth_request_fails_with_500(acr, source, image):
    acr.failing = 0.2
    with opened(settings(acr, "service_principal"), PATIENT) as registry:
        registry.copy_from(source, image)
        registry.put_tag(TAG, image)
    acr.failing = 0.0
    assert_whole(acr, image)


def test_a_registry_that_is_down_is_unavailable_and_named(acr, registry):
    acr.is_down = True
    with pytest.raises(RegistryUnavailable, match=rf"acr \({acr.host}\): nightly:{TAG} could not be read"):
        registry.digest_of(TAG)


def test_a_second_copy_moves_nothing(acr, registry, source, image):
    registry.copy_from(source, image)
    before = acr.uploaded
    assert registry.copy_from(source, image) == 0
    assert acr.uploaded == before
