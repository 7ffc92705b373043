"""The doctor on package lists and signatures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from nightly_pipeline.model.host import ImageNeed, SigningNeed
from nightly_pipeline.planning import make_plan
from nightly_pipeline.settings import load_settings
from nightly_pipeline.steps.doctor import Readiness
from nightly_pipeline.steps.doctor_needs import needs_of
from tests.unit.own_profile import load
from tests.unit.steps.test_doctor_checks import NEEDS, Machine, look

SCANNER = ImageNeed("localhost:5000/scanner:1", insecure=True, platforms=())
KEY = Path("/project/cosign.key")
SIGNING = SigningNeed("cosign.key", KEY, has_password=True)
WITH_BOTH = replace(NEEDS, sbom_generator=SCANNER, signing=SIGNING)


@pytest.fixture
def machine():
    ready = Machine()
    ready.images[SCANNER.reference] = frozenset({"linux/amd64"})
    ready.files.add(str(KEY))
    return ready


def test_what_is_there_is_said(machine):
    findings = look(machine, WITH_BOTH)

    assert (findings["SBOM scanner"].status, findings["SBOM scanner"].detail) == ("ok", SCANNER.reference)
    assert findings["Signing"].detail == f"/usr/bin/cosign with {KEY}"


def test_what_is_not_asked_for_is_not_looked_at(machine):
    assert not {"SBOM scanner", "Signing"} & set(look(machine))


def test_a_scanner_that_is_not_there_is_named(machine):
    del machine.images[SCANNER.reference]
    finding = look(machine, WITH_BOTH)["SBOM scanner"]

    assert (finding.status, finding.remedy) == (Readiness.MISSING, "Run `make setup`.")
    assert SCANNER.reference in finding.detail


def test_a_missing_cosign_is_a_finding_of_its_own(machine):
    machine.cosign_path = None
    finding = look(machine, WITH_BOTH)["Signing"]

    assert (finding.status, finding.detail) == (Readiness.MISSING, "cosign is not installed")
    assert "Install cosign" in finding.remedy


def test_a_missing_key_is_named(machine):
    machine.files.remove(str(KEY))
    finding = look(machine, WITH_BOTH)["Signing"]

    assert (finding.status, finding.detail) == (Readiness.MISSING, f"there is no key at {KEY}")


def test_a_key_file_without_a_password_is_doubted(machine):
    signing = replace(SIGNING, has_password=False)
    finding = look(machine, replace(NEEDS, signing=signing))["Signing"]

    assert finding.status is Readiness.WARNING
    assert "COSIGN_PASSWORD" in finding.detail


def test_a_key_that_a_service_keeps_needs_no_file_and_no_password(machine):
    signing = SigningNeed("awskms:///alias/nightly", None, has_password=False)
    finding = look(machine, replace(NEEDS, signing=signing))["Signing"]

    assert (finding.status, finding.detail) == (Readiness.OK, "/usr/bin/cosign with awskms:///alias/nightly")


def test_needs_come_from_the_profile(tmp_path):
    settings = load(tmp_path, "signing: {key: keys/cosign.key}", COSIGN_PASSWORD="x y")  # noqa: S106 - a test's own
    needs = needs_of(settings, make_plan(settings))

    assert needs.signing == SigningNeed("keys/cosign.key", tmp_path / "keys/cosign.key", has_password=True)
    assert needs.sbom_generator == ImageNeed("localhost:5000/nightly-sbom-scanner:1", True, ())


def test_a_scanner_of_a_public_registry_is_not_ours_to_have_ready(tmp_path):
    settings = load_settings("production", environment={}, root=tmp_path)

    assert needs_of(settings, make_plan(settings)).sbom_generator is None
