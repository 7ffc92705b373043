from __future__ import annotations

from dataclasses import replace

import httpx
import pytest

from nightly_pipeline.errors import RegistryError, RegistryForbidden, RegistryUnavailable
from nightly_pipeline.tools.registry import ClientSettings, Credentials, OciRegistry
from nightly_pipeline.tools.registry_auth import Authorizer, Challenge, parse_challenge
from tests.fakes.registry import FakeRegistry, Fault, noise

FAST = ClientSettings(
    attempts=5, wait_initial_s=0.01, wait_max_s=0.05, connect_timeout_s=60, read_timeout_s=60
)
LOGIN = ("AWS", "a-secret-token")


class Provider:
    """Gives logins one after the other, the last one for ever; counts how often it was asked."""

    def __init__(self, *passwords):
        self.passwords = list(passwords)
        self.asked = 0

    def __call__(self):
        self.asked += 1
        password = self.passwords.pop(0) if len(self.passwords) > 1 else self.passwords[0]
        return Credentials(LOGIN[0], password)


@pytest.fixture(params=["basic", "bearer"])
def fake(request):
    with FakeRegistry(auth=request.param, login=LOGIN).running() as fake:
        yield fake


@pytest.fixture
def bearer():
    with FakeRegistry(auth="bearer", login=LOGIN).running() as fake:
        yield fake


def client(fake, provider, repository="nightly", settings=FAST):
    return OciRegistry("ecr", fake.host, repository, insecure=True, credentials=provider, settings=settings)


def test_a_login_is_asked_for_once_for_many_requests(fake):
    digest, provider = fake.add_image("nightly", "new"), Provider(LOGIN[1])
    registry = client(fake, provider)
    for _ in range(5):
        assert registry.digest_of("new") == digest
    assert provider.asked == 1
    assert [path for _, path in fake.requests if path.startswith("/v2")] == ["/v2/nightly/manifests/new"] * 6


def test_a_whole_copy_with_a_login_on_both_sides(fake):
    digest = fake.add_image("nightly", layers=[noise(1, 100_000), b"two"])
    with FakeRegistry(auth="bearer", login=("acr", "another secret")).running() as acr:
        destination = client(acr, lambda: Credentials("acr", "another secret"))
        destination.copy_from(client(fake, Provider(LOGIN[1])), digest)
        destination.put_tag("new", digest)
        assert destination.digest_of("new") == digest


def test_deleting_asks_for_the_right_to(fake):
    digest, registry = fake.add_image("nightly", "old"), client(fake, Provider(LOGIN[1]))
    registry.delete(digest)
    assert registry.digest_of("old") is None


def test_mounting_asks_for_both_repositories(bearer):
    digest = bearer.add_image("nightly", layers=[b"layer"])
    client(bearer, Provider(LOGIN[1]), "promoted").copy_from(client(bearer, Provider(LOGIN[1])), digest)
    assert bearer.uploaded_bytes == 0


def test_a_wrong_login_is_forbidden_at_once(fake):
    provider = Provider("wrong")
    with pytest.raises(RegistryForbidden, match="401"):
        client(fake, provider).digest_of("new")
    assert len(fake.requests) <= 3


def test_no_login_where_one_is_needed_is_forbidden(fake):
    with pytest.raises(RegistryForbidden):
        client(fake, None).digest_of("new")


def test_a_token_for_nobody_is_enough_where_reading_is_public():
    with FakeRegistry(auth="bearer", login=None).running() as fake:
        digest = fake.add_image("nightly", "new")
        assert client(fake, None).digest_of("new") == digest


def test_a_login_that_has_expired_is_renewed(fake):
    digest, provider = fake.add_image("nightly", "new"), Provider("yesterday's", LOGIN[1])
    fake.login = (LOGIN[0], "yesterday's")
    registry = client(fake, provider)
    assert registry.digest_of("new") == digest
    fake.login = LOGIN
    fake.expire_tokens()
    assert registry.digest_of("new") == digest
    assert provider.asked == 2


def test_ecr_says_403_when_a_token_has_expired(fake):
    digest, provider = fake.add_image("nightly", "new"), Provider("yesterday's", LOGIN[1])
    fake.login = (LOGIN[0], "yesterday's")
    registry = client(fake, provider)
    registry.digest_of("new")
    fake.login = LOGIN
    body = b'{"errors": [{"code": "DENIED", "message": "Your authorization token has expired."}]}'
    fake.faults = [Fault(status=403, body=body, method="GET")]
    assert registry.manifest("new") is not None
    assert registry.digest_of("new") == digest


def test_a_token_is_renewed_before_it_ends(bearer):
    bearer.expires_in = 1e-6
    digest, registry = bearer.add_image("nightly", "new"), client(bearer, Provider(LOGIN[1]))
    assert [registry.digest_of("new") for _ in range(3)] == [digest] * 3
    assert bearer.token_requests >= 3
    assert sum(path.startswith("/v2") for _, path in bearer.requests) == 4


@pytest.mark.parametrize("uses", [1, 2, 3])
def test_tokens_that_end_in_the_middle_of_a_copy(bearer, uses):
    """Also within one upload, between its start and its bytes."""
    with FakeRegistry().running() as source:
        digest = source.add_image("nightly", layers=[noise(seed, 50_000) for seed in range(3)])
        bearer.token_uses = uses
        one_by_one = replace(FAST, parallel_blobs=1)
        destination = client(bearer, Provider(LOGIN[1]), settings=one_by_one)
        destination.copy_from(client(source, None), digest)
        assert destination.digest_of(digest) == digest
        assert bearer.repository("nightly").blobs == source.repository("nightly").blobs


def test_a_token_that_ends_before_it_is_used_is_had_again(bearer, monkeypatch):
    """As when another request ends all that were given, between two lines of this one."""
    digest, give = bearer.add_image("nightly", "new"), bearer.new_token
    ends = [True, False]

    def give_and_end(scopes):
        token = give(scopes)
        if ends.pop(0):
            bearer.expire_tokens()
        return token

    monkeypatch.setattr(bearer, "new_token", give_and_end)
    assert client(bearer, Provider(LOGIN[1])).digest_of("new") == digest
    assert bearer.token_requests == 2


def test_a_token_that_never_does_is_not_asked_for_for_ever(bearer):
    bearer.token_uses = 0
    with pytest.raises(RegistryForbidden, match="401"):
        client(bearer, Provider(LOGIN[1])).digest_of("new")
    assert bearer.token_requests == 2


@pytest.mark.parametrize(("lifetime_s", "fetched"), [(60.0, 1), (1e-9, 2)])
def test_a_token_another_thread_was_given_is_taken_while_it_is_good(lifetime_s, fetched):
    tokens = (f"token-{number}" for number in range(9))
    given = []

    def fetch(realm, *_):
        given.append(next(tokens))
        answer = {"token": given[-1], "expires_in": lifetime_s}
        return httpx.Response(200, json=answer, request=httpx.Request("GET", realm))

    challenge = Challenge("bearer", realm="https://tokens.example")
    authorizer = Authorizer(None, fetch, may_use=lambda _: True)
    authorizer.answer(challenge, ("repository:x:pull",), None)
    renewed = authorizer.answer(challenge, ("repository:x:pull",), "Bearer what-was-refused")
    assert (renewed, len(given)) == (f"Bearer {given[-1]}", fetched)


def test_a_token_server_that_is_down_is_unavailable(bearer):
    bearer.faults = [Fault(path="/token", status=503, times=99)]
    with pytest.raises(RegistryUnavailable, match="no token from"):
        client(bearer, Provider(LOGIN[1])).digest_of("new")


def test_a_token_server_that_comes_back(bearer):
    digest = bearer.add_image("nightly", "new")
    bearer.faults = [Fault(path="/token", status=503, times=2)]
    assert client(bearer, Provider(LOGIN[1])).digest_of("new") == digest


def test_a_token_server_that_talks_nonsense(bearer):
    bearer.faults = [Fault(path="/token", status=200, body=b"<html>")]
    with pytest.raises(RegistryError, match="without a token"):
        client(bearer, Provider(LOGIN[1])).digest_of("new")


def test_secrets_show_nowhere(fake):
    registry = client(fake, Provider("wrong-secret"))
    with pytest.raises(RegistryForbidden) as caught:
        registry.digest_of("new")
    shown = f"{registry!r} {caught.value!r} {caught.value} {Credentials('user', 'wrong-secret')!r}"
    assert "wrong-secret" not in shown


def test_a_login_is_not_sent_unencrypted():
    def fetch(*_):
        pytest.fail("the login was sent")

    authorizer = Authorizer(Provider("secret"), fetch, may_use=lambda realm: realm.startswith("https://"))
    with pytest.raises(RegistryError, match="not encrypted"):
        authorizer.answer(
            Challenge("bearer", realm="http://elsewhere.example/token"), ("repository:x:pull",), None
        )


@pytest.mark.parametrize(
    ("header", "challenge"),
    [
        ('Basic realm="x"', Challenge("basic", realm="x")),
        (
            'Bearer realm="https://a.example/token",service="s",scope="repository:a/b:pull,push"',
            Challenge("bearer", "https://a.example/token", "s", ("repository:a/b:pull,push",)),
        ),
        ('bearer Realm="r", error="insufficient_scope"', Challenge("bearer", realm="r")),
        ("Negotiate", None),
        ("", None),
    ],
)
def test_challenges(header, challenge):
    assert parse_challenge(header) == challenge
