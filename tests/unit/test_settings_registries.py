"""The registries of a profile: what belongs to which kind, where secrets come from, which tags may move."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from nightly_pipeline.errors import SettingsError
from nightly_pipeline.settings import Settings, load_settings
from nightly_pipeline.settings_registries import RegistrySettings, RepositoryCreation, registry_variables

HOST = "123456789012.dkr.ecr.us-west-2.amazonaws.com"
SECRET = "a-planted-secret"  # noqa: S105 - of a test


def load(tmp_path, text: str, **environment: str) -> Settings:
    profile = tmp_path / "own.yaml"
    profile.write_text(f"extends: production\n{text}")
    return load_settings(str(profile), environment=environment, root=tmp_path)


def refused(tmp_path, text: str, **environment: str) -> str:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, text, **environment)
    return caught.value.message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ecr: {account: 12}", "registries.ecr.account: Input should be a valid string"),
        ("ecr: {account: '12'}", "registries.ecr.account: String should match pattern"),
        (
            "ecr: {region: us-east-1}",
            "registries.ecr: region 'us-east-1' is not that of the host, 'us-west-2'",
        ),
        ("ecr: {role_arn: me}", "registries.ecr.role_arn: String should match pattern"),
        ("ecr: {login: token}", "registries.ecr: login: only for kind 'acr' (given: kind 'ecr')"),
        ("acr: {region: x}", "registries.acr: region: only for kind 'ecr' (given: kind 'acr')"),
        ("acr: {create: {}}", "registries.acr: create: only for kind 'ecr'"),
        ("acr: {login: tokn}", "perhaps you meant 'token'"),
        ("acr: {login: token}", "registries.acr: username is needed where the login is by password"),
        ("acr: {username: me}", "username is for kind 'oci', or 'acr' with login 'token'"),
        ("acr: {authority: 'https://login'}", "registries.acr.authority: String should match pattern"),
        (
            "ecr: {create: {encryption: KSM}}",
            "'AES256', 'KMS' or 'KMS_DSSE' (given: 'KSM'); perhaps you meant 'KMS'",
        ),
        ("ecr: {create: {kms_key: k}}", "registries.ecr.create: kms_key is for encryption KMS or KMS_DSSE"),
        ("ecr: {create: {moving_tags: ['***']}}", "registries.ecr.create.moving_tags.0: String should match"),
        (
            "ecr: {create: {moving_tags: [a, b, c, d, e, f]}}",
            "moving_tags: Tuple should have at most 5 items",
        ),
        ("ecr: {create: {scan_on_pull: true}}", "perhaps you meant 'scan_on_push'"),
        (
            "ecr: {create: {moving_tags: ['*-amd64', '*-vllm']}}",
            "registries.ecr.create.moving_tags: nightly-vllm-arm64, main-vllm-framework-arm64",
        ),
    ],
)
def test_what_is_wrong_names_the_field_and_what_is_allowed(tmp_path, text, said):
    assert said in refused(tmp_path, f"registries: {{{text}}}")


@pytest.mark.parametrize(
    ("field", "variable"),
    [("password", "NIGHTLY_REGISTRY_ACR_PASSWORD"), ("client_secret", "AZURE_CLIENT_SECRET")],
)
def test_a_secret_in_a_profile_is_refused_and_not_shown(tmp_path, field, variable):
    said = refused(tmp_path, f"registries: {{acr: {{{field}: {SECRET}}}}}")
    assert (
        f"registries.acr.{field} cannot be set in a profile; secrets come from the environment: set" in said
    )
    assert variable in said
    assert SECRET not in said


def test_secrets_from_the_environment_are_in_no_picture_of_the_settings(tmp_path):
    settings = load(
        tmp_path,
        "registries: {acr: {login: token, username: nightly}}",
        NIGHTLY_REGISTRY_ACR_PASSWORD=SECRET,
    )
    assert settings.registries["acr"].password.get_secret_value() == SECRET
    shown = (repr(settings), str(settings), settings.model_dump_json(), str(settings.model_dump()))
    assert SECRET not in "".join(shown)


def test_a_service_principal_comes_from_azures_own_variables(tmp_path):
    settings = load(
        tmp_path,
        "registries: {acr: {login: service_principal}}",
        AZURE_TENANT_ID="tenant",
        AZURE_CLIENT_ID="client",
        AZURE_CLIENT_SECRET=SECRET,
    )
    acr = settings.registries["acr"]
    assert (acr.tenant_id, acr.client_id, acr.client_secret.get_secret_value()) == (
        "tenant",
        "client",
        SECRET,
    )
    assert SECRET not in repr(settings)


def test_azures_variables_are_left_to_azures_library_by_default(tmp_path):
    settings = load(tmp_path, "", AZURE_CLIENT_SECRET=SECRET, AZURE_CLIENT_ID="client")
    assert settings.registries["acr"].client_secret is None
    assert settings.registries["acr"].client_id is None


def test_a_host_from_the_environment(tmp_path):
    settings = load(tmp_path, "", NIGHTLY_REGISTRY_ACR_HOST="other.azurecr.io")
    assert settings.registries["acr"].host == "other.azurecr.io"
    said = refused(tmp_path, "", NIGHTLY_REGISTRY_ACR_HOST="https://x")
    assert "registries.acr.host (from NIGHTLY_REGISTRY_ACR_HOST)" in said


def test_a_roles_name_makes_a_variable_that_a_shell_takes():
    assert "NIGHTLY_REGISTRY_MY_MIRROR_PASSWORD" in registry_variables({"registries": {"my-mirror": {}}})


@pytest.mark.parametrize(
    ("host", "region", "account"),
    [
        (HOST, "us-west-2", "123456789012"),
        ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1", "123456789012"),
        ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "cn-north-1", "123456789012"),
        ("localhost:5002", None, None),
    ],
)
def test_region_and_account_are_those_of_the_host(host, region, account):
    registry = RegistrySettings(kind="ecr", host=host)
    assert (registry.ecr_region, registry.ecr_account) == (region, account)


def test_a_host_of_ones_own_needs_them_said():
    registry = RegistrySettings(kind="ecr", host="localhost:1", region="eu-west-1", account="123456789012")
    assert (registry.ecr_region, registry.ecr_account) == ("eu-west-1", "123456789012")


@pytest.mark.parametrize(
    ("tag", "moves"),
    [
        ("nightly-vllm-amd64", True),
        ("nightly-trtllm", True),
        ("main-sglang-framework-arm64", True),
        ("known-good-vllm-amd64", True),
        ("nightly-vllm-amd64-run-1f3a9c02", False),
        ("nightly-vllm-run-1f3a9c02", False),
    ],
)
def test_by_default_run_tags_never_move_and_the_others_do(tag, moves):
    assert RepositoryCreation().may_move(tag) is moves
    assert RepositoryCreation(immutable_tags=False).may_move(tag)


def test_ecr_without_a_kind_of_its_own_is_refused():
    with pytest.raises(ValidationError, match="only for kind 'ecr'"):
        RegistrySettings(host=HOST, region="us-west-2")
