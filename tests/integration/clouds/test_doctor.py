"""What the doctor finds at registries as they are: a real registry, alone, as ECR's and as ACR's."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace

import httpx
import pytest
import yaml

from nightly_pipeline.planning import make_plan
from nightly_pipeline.settings import load_settings
from nightly_pipeline.steps.doctor import Finding, Readiness, doctor
from nightly_pipeline.steps.doctor_needs import needs_of
from nightly_pipeline.steps.doctor_registries import access_checks
from nightly_pipeline.tools.host import LocalHostProbe
from nightly_pipeline.tools.registry_probe import BRIEF, registry_probes
from tests.fakes.acr_server import TOKEN_PASSWORD, TOKEN_USER
from tests.fakes.ecr_server import ACCESS_KEY, ACCOUNT, REGION, SECRET_KEY, repositories
from tests.fakes.entra_server import CLIENT_SECRET
from tests.fakes.registry_door import Answer, Asked, Door, Trouble, error
from tests.fakes.registry_program import RegistryProgram
from tests.registries import BUSY_S

pytestmark = pytest.mark.integration

OK, MISSING, WARNING = Readiness.OK, Readiness.MISSING, Readiness.WARNING
BOTH = "nightly, nightly-cache can be read and pushed to"
PATIENT = replace(BRIEF, connect_timeout_s=BUSY_S, read_timeout_s=BUSY_S)  # here a slow answer says nothing
NONE_CANCELLED = "(the upload that tried it: the registry cancels none (405), it expires by itself)"


@pytest.fixture
def ask(tmp_path, monkeypatch):
    """Asks a night's only registry, as the command does but with more patience; what is said of it."""
    monkeypatch.setattr("nightly_pipeline.steps.doctor_registries.ACCESS_S", 500.0)

    def examine(registry: Mapping[str, object], **environment: str) -> Finding:
        images = {"images": ["framework", "runtime"], "repository": "nightly", "insecure": True}
        document = {"extends": "production", "primary": "own", "registries": {"own": {**images, **registry}}}
        profile = tmp_path / "own.yaml"
        profile.write_text(yaml.safe_dump(document))
        variables = {"AZURE_CLIENT_SECRET": CLIENT_SECRET, **environment}
        settings = load_settings(str(profile), environment=variables, root=tmp_path)
        needs = needs_of(settings, make_plan(settings))
        probes = registry_probes(settings)
        for probe in probes.values():
            probe._settings = PATIENT
        found = doctor(access_checks(needs, LocalHostProbe(look_s=BUSY_S), probes))
        return next(finding for finding in found if finding.name == "Registry own")

    return examine


def in_ecr(ecr, **fields: object) -> dict[str, object]:
    where = {"kind": "ecr", "host": ecr.host, "account": ACCOUNT, "region": REGION}
    return {**where, "cache_repository": "nightly-cache", **fields}


def in_acr(acr, **fields: object) -> dict[str, object]:
    who = {
        name.removeprefix("AZURE_").lower(): acr.entra.environment[name]
        for name in ("AZURE_TENANT_ID", "AZURE_CLIENT_ID")
    }
    where = {"kind": "acr", "host": acr.host, "authority": acr.entra.host}
    return {**where, "login": "service_principal", **who, **fields}


def read(program: RegistryProgram, path: str) -> httpx.Response:
    return httpx.get(f"http://{program.host}{path}", trust_env=False, timeout=BUSY_S)


def kept_in(program: RegistryProgram) -> list[str]:
    """The files in a registry's storage, but for the state of a hash, that of no bytes, which docker-registry writes
    again for each upload it has just cancelled and removed; nothing of it can be asked for."""
    files = [path for path in program.data.rglob("*") if path.is_file()]
    return [str(path) for path in files if "hashstates" not in path.parts or path.stat().st_size > 200]


# --- a registry of one's own


@pytest.fixture
def program(tmp_path):
    with RegistryProgram(tmp_path / "registry") as program:
        yield program


def test_a_plain_registry_is_as_it_was_before(ask, program):
    finding = ask({"host": program.host, "cache_repository": "nightly-cache"})
    assert (finding.status, finding.detail) == (OK, f"{program.host} answers without a login; {BOTH}")
    assert kept_in(program) == []
    assert read(program, "/v2/_catalog").json() == {"repositories": []}


def test_an_upload_that_was_tried_is_unknown_afterwards(ask, program):
    with Door(program.host) as door:
        assert ask({"host": door.host}).status is OK
    (cancelled,) = [path for method, path in door.seen if method == "DELETE"]
    assert read(program, cancelled).status_code == 404


def test_a_registry_that_has_gone(ask, program):
    program.kill()
    finding = ask({"host": program.host})
    assert finding.status is MISSING
    assert "no answer: ConnectError" in finding.detail


# --- ECR


def test_ecr_as_it_should_be(ask, ecr):
    ecr.create("nightly", "nightly-cache")
    finding = ask(in_ecr(ecr))
    assert (finding.status, finding.remedy) == (OK, "")
    assert finding.detail == f"{ecr.host} takes the login; {BOTH} {NONE_CANCELLED}"


def test_a_repository_that_ecr_does_not_have(ask, ecr):
    ecr.create("nightly")
    finding = ask(in_ecr(ecr))
    assert finding.status is MISSING
    assert "there is no repository nightly-cache" in finding.detail
    assert "`create` in registries.own" in finding.remedy


def test_repositories_that_the_profile_makes_are_not_made_by_looking(ask, ecr):
    finding = ask(in_ecr(ecr, create={}))
    assert finding.status is WARNING
    assert "nightly-cache is not there yet" in finding.detail
    assert repositories() == {}


@pytest.mark.parametrize(
    ("refused", "said"),
    [
        ("GetAuthorizationToken ExpiredTokenException", "no login could be had: ExpiredToken"),
        ("GetAuthorizationToken AccessDeniedException", "no login could be had: AccessDenied"),
        ("DescribeRepositories ExpiredTokenException", "nightly could not be looked for: Expired"),
    ],
)
def test_what_aws_refuses_is_missing_with_its_own_words(ask, ecr, refused, said):
    ecr.create("nightly", "nightly-cache")
    ecr.api.refuse(*refused.split())
    finding = ask(in_ecr(ecr))
    assert finding.status is MISSING
    assert said in finding.detail
    assert "redentials" in finding.remedy


def test_who_may_not_look_at_repositories_may_push_all_the_same(ask, ecr):
    ecr.create("nightly", "nightly-cache")
    ecr.api.refuse("DescribeRepositories", "AccessDeniedException")
    assert (BOTH in ask(in_ecr(ecr)).detail, ask(in_ecr(ecr)).status) == (True, OK)
    making = ask(in_ecr(ecr, create={}))
    assert (making.status, "ecr:DescribeRepositories" in making.remedy) == (MISSING, True)


def test_pushing_that_ecr_refuses(ask, ecr):
    ecr.create("nightly", "nightly-cache")
    said = "User is not authorized to perform: ecr:InitiateLayerUpload"
    ecr.door.troubles = [Trouble("POST", "/blobs/uploads/", answer=error(403, "DENIED", said), times=9)]
    finding = ask(in_ecr(ecr))
    assert finding.status is MISSING
    assert "an upload to nightly could not be started: 403" in finding.detail
    assert said in finding.detail
    assert "ecr:InitiateLayerUpload" in finding.remedy


def test_ecr_that_drops_every_connection(ask, ecr):
    ecr.door.is_down = True
    finding = ask(in_ecr(ecr))
    assert finding.status is MISSING
    assert "no answer" in finding.detail


# --- ACR


@pytest.mark.parametrize("login", ["service_principal", "token"])
def test_acr_as_it_should_be(ask, acr, login):
    by_token = {"kind": "acr", "host": acr.host, "login": "token", "username": TOKEN_USER}
    registry = by_token if login == "token" else in_acr(acr)
    finding = (
        ask(registry, NIGHTLY_REGISTRY_OWN_PASSWORD=TOKEN_PASSWORD) if login == "token" else ask(registry)
    )
    detail = f"{acr.host} takes the login; nightly can be read and pushed to"
    assert (finding.status, finding.detail, finding.remedy) == (OK, detail, "")
    assert kept_in(acr.program) == []


def test_a_service_principal_that_has_expired(ask, acr):
    acr.entra.refusal = "AADSTS7000222: The provided client secret keys are expired."
    finding = ask(in_acr(acr))
    assert finding.status is MISSING
    assert "answers, and asks for a login; acr" in finding.detail
    assert "AADSTS7000222" in finding.detail
    assert finding.remedy == "Renew the client secret in Entra ID."


@pytest.mark.parametrize(("denied", "right"), [("pull", "AcrPull"), ("push", "AcrPush")])
def test_a_role_that_is_missing_in_acr(ask, acr, denied, right):
    acr.denied = {denied}
    finding = ask(in_acr(acr))
    assert (finding.status, right in finding.remedy) == (MISSING, True)
    assert "401" in finding.detail


def test_who_may_push_but_not_delete_is_ready_for_a_night(ask, acr):
    acr.denied = {"delete"}
    finding = ask(in_acr(acr))
    assert finding.status is OK
    assert "this login may not cancel it" in finding.detail


def test_acr_that_fails_at_the_door_of_its_token_service(ask, acr):
    acr.troubles = [Trouble(path="/oauth2/", answer=error(503, "UNAVAILABLE"), times=99)]
    finding = ask(in_acr(acr))
    assert finding.status is MISSING
    assert "503" in finding.detail


# --- secrets


def test_nothing_that_is_found_shows_a_secret(ask, ecr, acr):
    ecr.create("nightly")
    said = [str(ask(registry)) for registry in (in_ecr(ecr), in_acr(acr))]

    answer = ecr.door.answer

    def echo(asked: Asked) -> Answer | None:
        """Say back in a refusal what was sent."""
        sent = asked.headers.get("authorization", "").removeprefix("Basic ")
        if asked.method != "POST" or not sent:
            return answer(asked)
        return error(403, "DENIED", f"{sent}, that is {base64.b64decode(sent).decode()}: may not")

    ecr.door.answer = echo
    said.append(str(ask(in_ecr(ecr))))
    assert "***, that is AWS:***: may not" in said[-1]
    acr.entra.refusal = "AADSTS7000222: expired"
    said.append(str(ask(in_acr(acr))))
    given = [*ecr.door.logins, *acr.given, *acr.entra.given]
    assert len(given) > 3
    secrets = (ACCESS_KEY, SECRET_KEY, CLIENT_SECRET, TOKEN_PASSWORD, *given)
    assert not [secret for secret in secrets for text in said if secret in text]
