"""What the doctor says of a registry: what was tried, what was said, what to do next."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest

from nightly_pipeline.errors import (
    RegistryAbsent,
    RegistryError,
    RegistryForbidden,
    RegistryLoginExpired,
    RegistryUnavailable,
)
from nightly_pipeline.model.host import HostNeeds, RegistryNeed
from nightly_pipeline.steps import doctor_registries
from nightly_pipeline.steps.doctor import Check, Finding, Readiness, doctor
from nightly_pipeline.steps.doctor_registries import access_checks, registry_checks
from tests.fakes.registry_probe import FakeRegistryProbe
from tests.unit.steps.test_doctor_checks import NEEDS, Machine

OK, MISSING, WARNING = Readiness.OK, Readiness.MISSING, Readiness.WARNING
HOST = "localhost:5000"
ECR = RegistryNeed("ecr", HOST, True, kind="ecr", repositories=("nightly", "nightly-cache"))
OCI, ACR = replace(ECR, kind="oci"), replace(ECR, kind="acr")
NONE_CANCELLED = "the registry cancels none (405), it expires by itself"


def needs(need: RegistryNeed) -> HostNeeds:
    return replace(NEEDS, registries=(need,))


def look(need: RegistryNeed, registry: FakeRegistryProbe, *, status: int = 401) -> Finding:
    machine = Machine(registries={need.host: status})
    (finding,) = doctor(access_checks(needs(need), machine, {need.role: registry}))
    assert finding.name == f"Registry {need.role}"
    return finding


def with_login(**fields: object) -> FakeRegistryProbe:
    there = {"nightly": True, "nightly-cache": True}
    return FakeRegistryProbe(has_login=True, asks=True, repositories=there, **fields)


# --- good


def test_a_registry_that_lets_everything_be_done_is_one_line_without_a_remedy():
    finding = look(ECR, with_login())
    assert finding == Finding(
        "Registry ecr",
        OK,
        "localhost:5000 takes the login; nightly, nightly-cache can be read and pushed to",
    )


def test_everything_is_asked_once_and_in_order():
    registry = with_login()
    look(ECR, registry)
    of_one = ["has_repository", "read", "try_upload"]
    assert registry.asked == [
        "log_in",
        "accepted",
        *(f"{verb} nightly" for verb in of_one),
        *(f"{verb} nightly-cache" for verb in of_one),
    ]


def test_a_registry_without_logins():
    finding = look(OCI, FakeRegistryProbe(), status=200)
    assert (finding.status, finding.detail.partition(";")[0]) == (OK, f"{HOST} answers without a login")


def test_a_login_nobody_asked_for_is_not_said_to_be_taken():
    finding = look(OCI, FakeRegistryProbe(has_login=True), status=200)
    assert finding.detail.startswith(f"{HOST} answers, and did not ask for the login; ")


def test_an_upload_that_is_not_cancelled_is_told_and_no_worse_than_that():
    finding = look(ECR, with_login(left=NONE_CANCELLED))
    assert (finding.status, finding.remedy) == (OK, "")
    assert finding.detail.endswith(f"(the upload that tried it: {NONE_CANCELLED})")


# --- no answer


def test_a_registry_that_does_not_answer_is_asked_nothing_else():
    registry = with_login()
    checks = access_checks(needs(ECR), Machine(registries={}), {"ecr": registry})
    (finding,) = doctor(checks)
    assert (finding.status, finding.remedy) == (MISSING, "Run `make setup`.")
    assert registry.asked == []


def test_a_registry_elsewhere_that_does_not_answer_has_a_way_to_it():
    need = replace(ECR, host="registry.example")
    (finding,) = doctor(registry_checks(needs(need), Machine(registries={})), deadline_s=60)
    assert (finding.status, "proxy on the way" in finding.remedy) == (MISSING, True)
    assert "nightly publish" not in finding.remedy


class Hanging(FakeRegistryProbe):
    """Says when it has come to one question, and answers that one when the test is over."""

    def __init__(self, verb: str) -> None:
        super().__init__(has_login=True, repositories={"nightly": True})
        self.verb, self.reached, self.over = verb, threading.Event(), threading.Event()

    def _called(self, verb: str, repository: str = "") -> None:
        if verb == self.verb:
            self.reached.set()
            self.over.wait(600)


@pytest.mark.parametrize(
    ("hangs", "doing"),
    [
        ("log_in", "getting a login"),
        ("accepted", "logging in"),
        ("has_repository", "looking for the repository nightly"),
        ("read", "reading nightly"),
        ("try_upload", "starting an upload to nightly"),
    ],
)
def test_a_registry_that_hangs_says_where(hangs, doing):
    registry = Hanging(hangs)
    (check,) = access_checks(needs(ECR), Machine(), {"ecr": registry})
    thread = threading.Thread(target=check.look, daemon=True)
    thread.start()
    assert registry.reached.wait(300)
    finding = check.late()
    registry.over.set()
    thread.join()
    assert (finding.status, finding.detail) == (MISSING, f"{HOST}: no answer within 20 s while {doing}")
    assert finding.remedy


def test_a_registry_that_hangs_is_missing_in_time_and_holds_no_other_up(monkeypatch):
    monkeypatch.setattr(doctor_registries, "ACCESS_S", 1.0)
    hanging = Hanging("log_in")
    both = replace(NEEDS, registries=(ECR, replace(OCI, role="other", host="localhost:5001")))
    machine = Machine(registries={HOST: 401, "localhost:5001": 200})
    registries = {"ecr": hanging, "other": FakeRegistryProbe()}
    started = time.monotonic()
    late, other = access_checks(both, machine, registries)
    slow = Check("slow", lambda: sleeping(2.0), deadline_s=300)
    found = [finding.status for finding in doctor([late, replace(other, deadline_s=300), slow])]
    hanging.over.set()
    assert found == [MISSING, OK, OK]
    assert time.monotonic() - started < 300


def sleeping(seconds: float) -> Finding:
    time.sleep(seconds)
    return Finding("slow", OK, "")


@pytest.mark.parametrize("verb", ["log_in", "accepted", "has_repository", "read", "try_upload"])
def test_what_could_not_be_asked_is_never_ok(verb):
    error = RegistryUnavailable(f"ecr ({HOST}): {verb}: 503")
    finding = look(ECR, with_login(failures={verb: error}))
    assert finding.status is MISSING
    assert error.message in finding.detail
    assert "can be read and pushed to" not in finding.detail
    assert "ask again" in finding.remedy


# --- logins


def test_a_login_that_has_expired_brings_its_own_next_step_and_nothing_more_is_asked():
    error = RegistryLoginExpired("AADSTS7000222", next_step="Renew the client secret in Entra ID.")
    registry = with_login(failures={"log_in": error})
    finding = look(ACR, registry)
    assert finding.status is MISSING
    assert finding.detail == f"{HOST} answers, and asks for a login; AADSTS7000222"
    assert finding.remedy == "Renew the client secret in Entra ID."
    assert registry.asked == ["log_in"]


def test_a_login_that_is_refused_is_missing():
    error = RegistryForbidden("ecr: the login is not accepted: 401 Unauthorized")
    finding = look(ECR, with_login(failures={"accepted": error}))
    assert finding.status is MISSING
    assert error.message in finding.detail
    assert finding.remedy == RegistryForbidden.default_next_step


def test_a_registry_that_asks_for_a_login_the_profile_does_not_have_says_where_to_set_it():
    registry = FakeRegistryProbe(failures={"accepted": RegistryForbidden("401 Unauthorized")})
    finding = look(OCI, registry)
    assert finding.status is MISSING
    assert "the profile has none for it: 401 Unauthorized" in finding.detail
    assert "`registries.ecr.username`" in finding.remedy


# --- repositories


def test_a_repository_that_is_missing_is_told_beside_the_one_that_is_there():
    registry = with_login()
    registry.repositories["nightly-cache"] = False
    finding = look(ECR, registry)
    assert finding.status is MISSING
    assert "nightly can be read and pushed to; there is no repository nightly-cache" in finding.detail
    assert "`create` in registries.ecr" in finding.remedy
    assert "try_upload nightly-cache" not in registry.asked


def test_a_repository_that_the_profile_makes_is_not_missing_but_not_known_either():
    registry = with_login()
    registry.repositories["nightly"] = False
    finding = look(replace(ECR, creates=True), registry)
    assert finding.status is WARNING
    assert "nightly is not there yet: the first push makes it" in finding.detail
    assert finding.remedy


def test_who_may_not_look_for_a_repository_may_push_to_it_all_the_same():
    registry = with_login()
    registry.repositories.clear()
    assert look(ECR, registry).status is OK


def test_making_repositories_needs_the_right_to_look_for_them():
    registry = with_login()
    registry.repositories.clear()
    finding = look(replace(ECR, creates=True), registry)
    assert finding.status is MISSING
    assert "ecr:DescribeRepositories" in finding.remedy


def test_a_repository_that_only_the_push_finds_missing():
    registry = FakeRegistryProbe(failures={"try_upload nightly": RegistryAbsent("NAME_UNKNOWN")})
    finding = look(OCI, registry)
    assert finding.status is MISSING
    assert "there is no repository nightly" in finding.detail
    assert finding.remedy == "Create the repository."


# --- rights


@pytest.mark.parametrize(
    ("need", "verb", "right"),
    [
        (ECR, "read", "ecr:BatchGetImage"),
        (ECR, "try_upload", "ecr:InitiateLayerUpload"),
        (ACR, "read", "AcrPull"),
        (ACR, "try_upload", "AcrPush"),
        (OCI, "read", "read the repository"),
        (OCI, "try_upload", "push to the repository"),
    ],
)
def test_a_right_that_is_missing_is_called_as_its_cloud_calls_it(need, verb, right):
    error = RegistryForbidden("403 Forbidden: DENIED")
    finding = look(need, with_login(failures={f"{verb} nightly": error}))
    assert finding.status is MISSING
    assert "403 Forbidden: DENIED" in finding.detail
    assert "nightly-cache can be read and pushed to" in finding.detail
    assert right in finding.remedy


def test_the_same_remedy_is_given_once():
    finding = look(ECR, with_login(failures={"try_upload": RegistryForbidden("403")}))
    assert finding.remedy.count("ecr:InitiateLayerUpload") == 1
    assert finding.detail.count("403") == 2


def test_a_registry_error_of_another_kind_points_at_the_profile_and_not_at_the_doctor():
    finding = look(ECR, with_login(failures={"accepted": RegistryError("it speaks no such thing")}))
    assert "`registries.ecr`" in finding.remedy
    assert "nightly doctor" not in finding.remedy
