"""A registry asked over HTTP whether a night can publish in it."""

from __future__ import annotations

import base64

import pytest

from nightly_pipeline.errors import (
    RegistryAbsent,
    RegistryError,
    RegistryForbidden,
    RegistryThrottled,
    RegistryUnavailable,
)
from nightly_pipeline.settings import load_settings
from nightly_pipeline.settings_registries import RegistrySettings
from nightly_pipeline.tools.registry_client import ClientSettings
from nightly_pipeline.tools.registry_probe import OciRegistryProbe, registry_probes
from tests.fakes.registry import FakeRegistry, Fault

USER, PASSWORD = "publisher", "planted-password-0123456789"
FAST = ClientSettings(
    connect_timeout_s=60, read_timeout_s=60, attempts=2, wait_initial_s=0.01, wait_max_s=0.02
)
AUTHS = ("none", "basic", "bearer")


@pytest.fixture(params=AUTHS)
def registry(request):
    login = None if request.param == "none" else (USER, PASSWORD)
    with FakeRegistry(auth=request.param, login=login).running() as registry:
        yield registry


@pytest.fixture(params=("basic", "bearer"))
def guarded(request):
    with FakeRegistry(auth=request.param, login=(USER, PASSWORD)).running() as registry:
        yield registry


def probe(registry: FakeRegistry, password: str = PASSWORD) -> OciRegistryProbe:
    login = {} if registry.auth == "none" else {"username": USER, "password": password}
    settings = RegistrySettings(host=registry.host, insecure=True, **login)
    found = OciRegistryProbe("own", settings, settings=FAST)
    assert found.log_in() is (registry.auth != "none")
    return found


# --- good


def test_a_registry_that_lets_everything_be_done_is_as_it_was_before(registry):
    registry.add_image("nightly", "one")
    before = repr(registry.repositories)
    asked = probe(registry)
    assert asked.accepted() is (registry.auth != "none")
    assert asked.has_repository("nightly") is None
    asked.read("nightly")
    assert asked.try_upload("nightly") == ""
    assert repr(registry.repositories) == before
    assert registry.uploads == set()


def test_the_upload_that_was_started_is_the_one_that_is_cancelled(registry):
    probe(registry).try_upload("nightly")
    (started,) = [path for method, path in registry.requests if method == "POST" and "/v2/" in path][-1:]
    (cancelled,) = {path for method, path in registry.requests if method == "DELETE"}
    assert cancelled.startswith(started)


def test_a_tag_that_is_not_there_can_be_read_all_the_same(registry):
    registry.add_image("nightly", "one")
    probe(registry).read("nightly")


def test_a_repository_that_is_not_there_yet_can_be_read_where_pushing_makes_it(registry):
    probe(registry).read("not-yet")


# --- uploads that stay


@pytest.mark.parametrize("status", [400, 404, 405, 501])
def test_a_registry_that_cancels_no_uploads(registry, status):
    registry.faults = [Fault(method="DELETE", status=status)]
    left = probe(registry).try_upload("nightly")
    assert left == f"the registry cancels none ({status}), it expires by itself"


@pytest.mark.parametrize(
    ("fault", "left"),
    [
        (Fault(method="DELETE", status=403, times=9), "this login may not cancel it"),
        (Fault(method="DELETE", status=503, times=9), "no answer when it was cancelled"),
        (Fault(method="DELETE", status=413, times=9), "it was not cancelled"),
    ],
)
def test_an_upload_that_could_not_be_cancelled_is_no_error(registry, fault, left):
    registry.faults = [fault]
    assert probe(registry).try_upload("nightly").startswith(left)


def test_a_token_without_the_right_to_delete_cannot_cancel():
    with FakeRegistry(
        auth="bearer", login=(USER, PASSWORD), grants=frozenset({"pull", "push"})
    ).running() as registry:
        assert probe(registry).try_upload("nightly").startswith("this login may not cancel it")


def test_an_upload_without_an_address(registry):
    registry.faults = [Fault(method="POST", path="/blobs/uploads/", status=202)]
    assert probe(registry).try_upload("nightly") == "it has no address"


# --- refusals


def test_a_wrong_password_is_refused_and_not_shown(guarded):
    asked = probe(guarded, password="wrong-password-0123456789")  # noqa: S106 - of a test
    with pytest.raises(RegistryForbidden, match="401") as caught:
        asked.accepted()
    assert "wrong-password" not in f"{caught.value}{asked!r}{vars(asked)}"


def test_a_registry_that_asks_for_a_login_the_profile_does_not_have(guarded):
    asked = OciRegistryProbe("own", RegistrySettings(host=guarded.host, insecure=True), settings=FAST)
    assert asked.log_in() is False
    with pytest.raises(RegistryForbidden):
        asked.accepted()


@pytest.mark.parametrize(("grants", "verb"), [({"push"}, "read"), ({"pull"}, "try_upload")])
def test_a_right_that_the_token_does_not_carry(grants, verb):
    with FakeRegistry(auth="bearer", login=(USER, PASSWORD), grants=frozenset(grants)).running() as registry:
        registry.add_image("nightly", "one")
        asked = probe(registry)
        assert asked.accepted()
        with pytest.raises(RegistryForbidden, match="401"):
            getattr(asked, verb)("nightly")


def test_a_repository_that_has_to_exist_and_does_not(registry):
    registry.create_repositories = False
    with pytest.raises(RegistryAbsent, match="an upload to nightly could not be started: 404"):
        probe(registry).try_upload("nightly")


@pytest.mark.parametrize("secret", [PASSWORD, base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()])
def test_what_a_registry_says_back_is_masked(guarded, secret):
    body = f'{{"errors": [{{"code": "DENIED", "message": "{secret} may not"}}]}}'.encode()
    guarded.faults = [Fault(method="POST", path="/blobs/uploads/", status=403, body=body, times=9)]
    with pytest.raises(RegistryForbidden) as caught:
        probe(guarded).try_upload("nightly")
    shown = f"{caught.value}{caught.value.args}{caught.value.__cause__}"
    assert "*** may not" in shown
    assert secret not in shown


def test_a_login_without_its_password_names_the_variable():
    settings = RegistrySettings(host="localhost:9", insecure=True, username=USER)
    with pytest.raises(RegistryForbidden) as caught:
        OciRegistryProbe("own", settings).log_in()
    assert "NIGHTLY_REGISTRY_" in caught.value.next_step


# --- no answer


@pytest.mark.parametrize(
    ("status", "kind"), [(503, RegistryUnavailable), (429, RegistryThrottled), (418, RegistryError)]
)
def test_what_could_not_be_asked_is_told_apart_and_not_asked_for_long(registry, status, kind):
    asked = probe(registry)
    registry.faults = [Fault(status=status, times=99)]
    for ask in (asked.accepted, lambda: asked.read("nightly"), lambda: asked.try_upload("nightly")):
        registry.requests.clear()
        with pytest.raises(kind) as caught:
            ask()
        assert type(caught.value) is kind
        assert len(registry.requests) <= FAST.attempts


def test_nobody_listens():
    asked = OciRegistryProbe("own", RegistrySettings(host="127.0.0.1:1", insecure=True), settings=FAST)
    for ask in (asked.accepted, lambda: asked.read("nightly"), lambda: asked.try_upload("nightly")):
        with pytest.raises(RegistryUnavailable, match=r"own \(127\.0\.0\.1:1\)"):
            ask()


def test_every_registry_of_a_profile_has_one_and_none_is_asked(tmp_path):
    settings = load_settings("production", environment={}, root=tmp_path)
    assert sorted(registry_probes(settings)) == ["acr", "ecr"]
