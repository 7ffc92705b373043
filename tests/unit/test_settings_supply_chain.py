"""Settings of the supply chain: the image that lists packages, and the key that signs."""

from __future__ import annotations

import json

import pytest

from nightly_pipeline.errors import SettingsError
from nightly_pipeline.settings import load_settings
from tests.unit.own_profile import load, refusal

PASSWORD = "correct horse battery"  # noqa: S105 - a test's own


@pytest.mark.parametrize(
    ("profile", "generator"),
    [
        ("local", "localhost:5000/nightly-sbom-scanner:1"),
        ("local-real", "localhost:5000/nightly-sbom-scanner:1"),
        ("production", "docker/buildkit-syft-scanner:1.12.0@sha256:"),
    ],
)
def test_every_shipped_profile_lists_packages(profile, generator, tmp_path):
    build = load_settings(profile, environment={}, root=tmp_path).build

    assert build.sbom_generator.startswith(generator)


def test_a_profile_can_do_without_a_list(tmp_path):
    assert load(tmp_path, "build: {sbom: none}").build.sbom_generator is None


@pytest.mark.parametrize("image", ["registry.example.org:5000/team/scanner:2", f"scanner@sha256:{'a' * 64}"])
def test_a_scanner_has_a_tag_or_a_digest(image, tmp_path):
    assert load(tmp_path, f"build: {{sbom: {json.dumps(image)}}}").build.sbom_generator == image


@pytest.mark.parametrize(
    "image", ["", "scanner", "host:5000/scanner", "a b:1", "scanner:1,type=other", "s:1@sha256:x"]
)
def test_anything_else_is_no_scanner(image, tmp_path):
    message = refusal(tmp_path, f"build: {{sbom: {json.dumps(image)}}}")

    assert "build.sbom: must be an image with a tag or a digest (host/repository:tag), or none" in message


def test_a_near_none_is_asked_about(tmp_path):
    assert "perhaps you meant 'none'" in refusal(tmp_path, "build: {sbom: nonee}")


def test_nothing_is_signed_without_a_key(tmp_path):
    signing = load(tmp_path).signing

    assert (signing.key, signing.is_file, signing.transparency_log) == (None, False, False)


@pytest.mark.parametrize(
    ("key", "is_file"),
    [("keys/cosign.key", True), ("awskms:///alias/nightly", False), ("k8s://ns/key", False)],
)
def test_a_key_is_a_file_or_kept_by_a_service(key, is_file, tmp_path):
    signing = load(tmp_path, f"signing: {{key: {json.dumps(key)}}}").signing

    assert (signing.key, signing.is_file) == (key, is_file)


def test_a_key_service_that_cosign_does_not_know_is_named(tmp_path):
    message = refusal(tmp_path, 'signing: {key: "awskm:///alias/nightly"}')

    assert "signing.key: unknown key service 'awskm'; perhaps you meant 'awskms'. Allowed: awskms," in message


def test_the_keys_password_comes_from_the_environment_and_is_never_shown(tmp_path):
    settings = load(tmp_path, "signing: {key: cosign.key}", COSIGN_PASSWORD=PASSWORD)

    assert settings.signing.password.get_secret_value() == PASSWORD
    assert PASSWORD not in repr(settings)
    assert PASSWORD not in settings.model_dump_json()


def test_a_password_in_a_profile_is_refused(tmp_path):
    with pytest.raises(SettingsError, match=r"signing\.password cannot be set in a profile.*COSIGN_PASSWORD"):
        load(tmp_path, f"signing: {{key: cosign.key, password: {PASSWORD}}}")
