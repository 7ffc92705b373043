"""How cosign is called, shown by an executable that writes down its arguments in cosign's place."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from nightly_pipeline.errors import EnvironmentNotReady, ProcessError
from nightly_pipeline.settings_sections import SigningSettings
from nightly_pipeline.tools.cosign import CosignSigner
from tests.unit.own_profile import load

REFERENCE = f"registry.example.org/nightly@sha256:{'a' * 64}"
PASSWORD = "correct horse battery"  # noqa: S105 - a test's own

STAND_IN = """#!/usr/bin/env python3
import json, os, pathlib, sys
here = pathlib.Path(__file__).parent
if sys.argv[1:] == ["sign", "--help"]:
    print((here / "help").read_text())
    raise SystemExit
calls = json.loads((here / "calls").read_text())
calls.append({"argv": sys.argv[1:], "docker_config": os.environ.get("DOCKER_CONFIG")})
(here / "calls").write_text(json.dumps(calls))
if (here / "refuse").exists():
    print("Error: decryption failed with " + os.environ["COSIGN_PASSWORD"], file=sys.stderr)
    raise SystemExit(1)
"""


class Logins:
    """Logins in a folder that is gone afterwards."""

    in_use = 0

    @contextmanager
    def docker_config(self):
        Logins.in_use += 1
        yield Path("/logins")
        Logins.in_use -= 1


@pytest.fixture
def cosign(tmp_path, monkeypatch):
    """The stand-in's folder."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "cosign"
    program.write_text(STAND_IN)
    program.chmod(0o755)
    (folder / "calls").write_text("[]")
    (folder / "help").write_text("--tlog-upload=true:")
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return folder


def signer(**fields):
    signing = SigningSettings(key="keys/cosign.key", **fields)
    return CosignSigner(signing, root=Path("/project"), logins=Logins(), insecure=["localhost:5000"])


def calls(cosign):
    return json.loads((cosign / "calls").read_text())


def test_the_whole_command(cosign):
    signer().sign(REFERENCE)

    [call] = calls(cosign)
    assert call["argv"] == [
        "sign", "--yes", "--key=/project/keys/cosign.key", "--tlog-upload=false", REFERENCE
    ]  # fmt: skip
    assert call["docker_config"] == "/logins"
    assert Logins.in_use == 0


def test_plain_http_is_allowed_where_the_profile_says_so_and_nowhere_else(cosign):
    one = signer()
    one.sign("localhost:5000/nightly@sha256:00")
    one.sign("localhost:5001/nightly@sha256:00")

    assert ["--allow-http-registry" in call["argv"] for call in calls(cosign)] == [True, False]


def test_the_public_log_is_written_only_when_asked_for(cosign):
    signer(transparency_log=True).sign(REFERENCE)

    assert "--tlog-upload=true" in calls(cosign)[0]["argv"]


def test_a_newer_cosign_writes_the_same_form(cosign):
    (cosign / "help").write_text("--new-bundle-format=true:\n--use-signing-config=true:")
    signer().sign(REFERENCE)

    argv = calls(cosign)[0]["argv"]
    assert {"--use-signing-config=false", "--new-bundle-format=false"} <= set(argv)


def test_a_key_of_a_service_is_passed_on_as_it_is(cosign):
    signing = SigningSettings(key="awskms:///alias/nightly")
    CosignSigner(signing, root=Path("/project"), logins=Logins()).sign(REFERENCE)

    assert "--key=awskms:///alias/nightly" in calls(cosign)[0]["argv"]


def test_a_refusal_is_told_without_the_password(cosign, monkeypatch):
    monkeypatch.setenv("COSIGN_PASSWORD", PASSWORD)
    (cosign / "refuse").touch()

    with pytest.raises(
        ProcessError, match=r"sha256:a+ could not be signed: decryption failed with \*\*\*"
    ) as refused:
        signer(password=SecretStr(PASSWORD)).sign(REFERENCE)

    assert PASSWORD not in f"{refused.value!r}{refused.value}{refused.value.argv}{refused.value.stderr_tail}"


def test_a_cosign_that_is_missing_is_told_apart(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(EnvironmentNotReady, match="`cosign` is not installed") as missing:
        signer().sign(REFERENCE)
    assert "Install cosign" in missing.value.next_step


def test_a_profile_without_a_key_has_no_signer(tmp_path):
    assert CosignSigner.of(load(tmp_path), Logins()) is None
    assert CosignSigner.of(load(tmp_path, "signing: {key: cosign.key}"), Logins()) is not None
