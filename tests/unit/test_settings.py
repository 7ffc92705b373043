"""Settings: what a profile and the environment make."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest

from nightly_pipeline import settings as settings_module
from nightly_pipeline.errors import SettingsError
from nightly_pipeline.profile_files import SHIPPED_PROFILES
from nightly_pipeline.settings import bind_process_to, load_settings, project_root, state_home
from tests.unit.own_profile import load, refusal

TOKEN, WEBHOOK = "xoxb-1234567890-secret", "https://hooks.example.org/services/T000/B000/secret"
HF_TOKEN = "hf_abcdefghijklmnop"  # noqa: S105 - a test's own
SECRETS = {
    "SLACK_BOT_TOKEN": TOKEN,
    "SLACK_WEBHOOK_URL": WEBHOOK,
    "NIGHTLY_SLACK_CHANNEL": "nightly",
    "HF_TOKEN": HF_TOKEN,
    "NIGHTLY_SOURCE_REPOSITORY": "https://robot:ghp_abcdef@example.org/team/project.git",
}


# --- the shipped profiles


@pytest.mark.parametrize("name", SHIPPED_PROFILES)
def test_every_shipped_profile_loads_without_any_environment(name, tmp_path):
    settings = load_settings(name, environment={}, root=tmp_path)

    assert settings.profile == name
    assert settings.registries[settings.primary].images == ("framework", "runtime")
    assert settings.registries["acr"].images == ("runtime",)
    assert settings.artifacts_days == 7


def test_the_profiles_are_as_honest_as_their_names(tmp_path):
    engines = {name: load_settings(name, environment={}, root=tmp_path).engine for name in SHIPPED_PROFILES}

    assert engines == {"local": "mock", "local-real": "real", "production": "real"}


@pytest.mark.parametrize("name", ["local", "local-real"])
def test_the_local_profiles_use_the_two_registries_of_this_machine(name, tmp_path):
    registries = load_settings(name, environment={}, root=tmp_path).registries

    assert {role: (row.host, row.repository, row.insecure) for role, row in registries.items()} == {
        "ecr": ("localhost:5000", "nightly", True),
        "acr": ("localhost:5001", "nightly", True),
    }
    assert registries["ecr"].cache_repository == "nightly-cache"


def test_no_secret_is_shipped(tmp_path):
    for name in SHIPPED_PROFILES:
        settings = load_settings(name, environment={}, root=tmp_path)
        assert (settings.slack.token, settings.slack.webhook, settings.environment) == (None, None, {})


# --- which profile


def test_without_a_name_it_is_local(tmp_path):
    assert load_settings(environment={}, root=tmp_path).profile == "local"


def test_the_environment_names_the_profile(tmp_path):
    environment = {"NIGHTLY_PROFILE": "production"}

    assert load_settings(environment=environment, root=tmp_path).profile == "production"
    assert load_settings("local", environment=environment, root=tmp_path).profile == "local"


@pytest.mark.parametrize(
    ("name", "meant"), [("locla", "local"), ("local_real", "local-real"), ("prod", "production")]
)
def test_an_unknown_profile_is_refused_with_the_nearest_one(name, meant, tmp_path):
    with pytest.raises(SettingsError) as refused:
        load_settings(name, environment={}, root=tmp_path)

    assert f"no profile {name!r}; perhaps you meant {meant!r}." in refused.value.message
    assert "local, local-real, production" in refused.value.message
    assert "NIGHTLY_PROFILE" in refused.value.next_step


# --- the environment


@pytest.mark.parametrize(
    ("variable", "value", "read"),
    [
        ("NIGHTLY_SOURCE_REPOSITORY", "https://example.org/x.git", lambda found: found.source.repository),
        ("NIGHTLY_SOURCE_REF", "release", lambda found: found.source.ref),
        ("NIGHTLY_GO_LIVE", "2026-11-07", lambda found: found.go_live.isoformat()),
        ("NIGHTLY_SLACK_CHANNEL", "builds", lambda found: found.slack.channel),
        ("NIGHTLY_SLACK_BASE_URL", "http://127.0.0.1:9/api/", lambda found: found.slack.base_url),
        ("SLACK_WEBHOOK_URL", WEBHOOK, lambda found: found.slack.webhook.get_secret_value()),
    ],
)
def test_a_variable_takes_the_place_of_a_field(tmp_path, variable, value, read):
    text = "source: {repository: elsewhere, ref: main}\ngo_live: 2026-11-02\nslack: {channel: other}\n"

    assert read(load(tmp_path, text, **{variable: value})) == value
    assert read(load(tmp_path, "", **{variable: value})) == value


def test_every_variable_is_tested_here_or_below():
    tested = {"NIGHTLY_CA_BUNDLE", "NIGHTLY_INDEX_FILE", "SLACK_BOT_TOKEN"} | {
        "NIGHTLY_SOURCE_REPOSITORY", "NIGHTLY_SOURCE_REF", "NIGHTLY_GO_LIVE", "NIGHTLY_SLACK_CHANNEL",
        "NIGHTLY_SLACK_BASE_URL", "SLACK_WEBHOOK_URL", "COSIGN_PASSWORD",
    }  # fmt: skip
    assert set(settings_module._OVERRIDES) == tested


def test_an_empty_variable_is_as_good_as_none(tmp_path):
    assert load(tmp_path, "source: {ref: main}\n", NIGHTLY_SOURCE_REF="").source.ref == "main"


def test_a_wrong_variable_is_named(tmp_path):
    said = refusal(tmp_path, "", NIGHTLY_GO_LIVE="soon")

    assert "go_live (from NIGHTLY_GO_LIVE): " in said
    assert "(given: 'soon')" in said


def test_a_token_needs_a_channel_and_the_message_says_where_to_set_it(tmp_path):
    said = refusal(tmp_path, "", SLACK_BOT_TOKEN=TOKEN)

    assert "slack: channel is needed where a token is set (NIGHTLY_SLACK_CHANNEL)" in said
    assert TOKEN not in said
    slack = load(tmp_path, "", SLACK_BOT_TOKEN=TOKEN, NIGHTLY_SLACK_CHANNEL="builds").slack
    assert slack.token.get_secret_value() == TOKEN


def test_stages_are_passed_only_the_variables_they_name(tmp_path):
    found = load(tmp_path, "", HF_TOKEN=HF_TOKEN, AWS_PROFILE="other", SLACK_WEBHOOK_URL=WEBHOOK)

    assert {name: value.get_secret_value() for name, value in found.environment.items()} == {
        "HF_TOKEN": HF_TOKEN
    }


def test_a_variable_that_is_not_set_is_not_passed(tmp_path):
    assert load(tmp_path, "", HF_TOKEN="").environment == {}


@pytest.mark.parametrize("variable", ["NIGHTLY_CA_BUNDLE", "SSL_CERT_FILE"])
def test_the_certificates_of_builds_come_from_the_environment(tmp_path, variable):
    bundle = tmp_path / "ca.pem"
    bundle.touch()

    assert load(tmp_path, "", **{variable: str(bundle)}).build.ca_bundle == bundle


def test_certificates_that_are_not_there_are_refused(tmp_path):
    said = refusal(tmp_path, "", NIGHTLY_CA_BUNDLE="/nowhere/ca.pem")

    assert "build.ca_bundle (from NIGHTLY_CA_BUNDLE): Path does not point to a file" in said


def test_the_package_index_of_builds_is_a_file_that_must_be_there(tmp_path):
    index = tmp_path / "index.env"
    index.touch()

    assert load(tmp_path, "", NIGHTLY_INDEX_FILE=str(index)).build.index_file == index
    assert load(tmp_path, "").build.index_file is None
    said = refusal(tmp_path, "", NIGHTLY_INDEX_FILE="/nowhere/index.env")
    assert "build.index_file (from NIGHTLY_INDEX_FILE): Path does not point to a file" in said


def test_no_certificates_is_a_choice(tmp_path):
    bundle = tmp_path / "ca.pem"
    bundle.touch()

    assert load(tmp_path, "build: {ca_bundle: null}\n", SSL_CERT_FILE=str(bundle)).build.ca_bundle is None


# --- where things are


def test_state_lives_in_the_project_unless_it_is_moved(tmp_path):
    inside = load_settings("local", environment={}, root=tmp_path)
    moved = load_settings("local", environment={"NIGHTLY_HOME": str(tmp_path / "state")}, root=tmp_path)

    assert inside.home == tmp_path / ".nightly"
    assert moved.home == tmp_path / "state"
    assert moved.artifacts_root == tmp_path / "state" / "artifacts"
    assert moved.sources_root == tmp_path / "state" / "sources"


def test_a_relative_home_is_made_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert state_home(tmp_path, {"NIGHTLY_HOME": "state"}) == tmp_path / "state"


def test_the_project_is_found_from_any_folder_in_it(tmp_path, monkeypatch):
    (tmp_path / "dagster.yaml").touch()
    (tmp_path / "workspace.yaml").touch()
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)

    assert project_root({"DAGSTER_HOME": "/elsewhere"}) == tmp_path


def test_without_a_project_it_is_dagsters_home_or_this_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert project_root({"DAGSTER_HOME": "/elsewhere"}) == Path("/elsewhere")
    assert project_root({}) == tmp_path


def test_processes_that_are_started_use_the_same_settings(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "environ", {"NIGHTLY_PROFILE": "production"})
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.yaml").write_text("extends: local\n")
    settings = load_settings("own.yaml", root=tmp_path)

    bind_process_to(settings)
    monkeypatch.chdir("/")
    again = load_settings(root=tmp_path)

    assert os.environ == {
        "NIGHTLY_PROFILE": str(tmp_path / "own.yaml"),
        "NIGHTLY_HOME": str(tmp_path / ".nightly"),
        "DAGSTER_HOME": str(tmp_path),
    }
    assert again == settings.model_copy(update={"profile": str(tmp_path / "own.yaml")})


# --- secrets


@pytest.mark.parametrize(
    "show",
    [
        repr,
        str,
        lambda found: found.model_dump_json(),
        lambda found: str(found.model_dump()),
        lambda found: repr(vars(found)),
    ],
    ids=["repr", "str", "json", "dump", "vars"],
)
def test_no_way_of_showing_settings_shows_a_secret(tmp_path, show):
    shown = show(load(tmp_path, "", **SECRETS))

    assert "example.org/team/project.git" in shown
    for secret in (TOKEN, WEBHOOK, HF_TOKEN, "ghp_abcdef"):
        assert secret not in shown


def test_a_login_in_the_address_is_still_there_for_git(tmp_path):
    assert load(tmp_path, "", **SECRETS).source.repository == SECRETS["NIGHTLY_SOURCE_REPOSITORY"]


def test_settings_cannot_be_changed_afterwards(tmp_path):
    settings = load(tmp_path, "")

    with pytest.raises(ValueError, match="frozen"):
        settings.go_live = date(2026, 1, 1)


def test_artifacts_are_files_kept_seven_days_unless_the_profile_says_otherwise(tmp_path):
    assert (
        load_settings("local", environment={}).artifacts.kind,
        load_settings("local", environment={}).kept_days,
    ) == (
        "local",
        7,
    )
    profile = tmp_path / "own.yaml"
    profile.write_text(
        "extends: local\n"
        "artifacts: {kind: s3, bucket: team-artifacts, prefix: a/b, endpoint: 'https://s3.example.com', days: 3}\n"
    )
    settings = load_settings(str(profile), environment={})
    assert (settings.artifacts.bucket, settings.artifacts.links, settings.kept_days) == (
        "team-artifacts",
        "uri",
        3,
    )


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("{kind: s3}", "bucket is needed"),
        ("{kind: s4}", "Input should be 'local' or 's3'"),
        ("{bucket: team}", "bucket: only where kind is s3"),
        ("{kind: s3, bucket: Team}", "artifacts.bucket"),
        ("{kind: s3, bucket: team, prefix: /a}", "artifacts.prefix"),
        ("{kind: s3, bucket: team, endpoint: example.com}", "artifacts.endpoint"),
        ("{kind: s3, bucket: team, endpoint: 'https://key:secret@example.com'}", "artifacts.endpoint"),
        ("{kind: s3, bucket: team, endpoint: 'https://example.com', links: console}", "no other endpoint"),
        ("{kind: s3, buckett: team}", "bucket"),
        ("{days: 0}", "artifacts.days"),
        ("{days: 3}\nartifacts_days: 4", "keep one of them"),
    ],
)
def test_an_artifacts_section_that_cannot_be_meant_is_refused(tmp_path, section, said):
    profile = tmp_path / "own.yaml"
    profile.write_text(f"extends: local\nartifacts: {section}\n")
    with pytest.raises(SettingsError) as refused:
        load_settings(str(profile), environment={})
    assert said in str(refused.value)
