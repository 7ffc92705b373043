"""The profile's `slack` and `freshness` sections."""

from __future__ import annotations

import pytest

from tests.unit.own_profile import load, refusal


def test_by_default_nobody_is_called_and_nights_may_be_twenty_six_hours_apart(tmp_path):
    found = load(tmp_path)
    assert found.slack.mentions == {}
    assert found.slack.update_every_s == 20
    assert not found.slack.configured
    assert found.freshness.max_age_hours == 26


def test_owners_are_mapped_to_users_and_groups(tmp_path):
    text = 'slack: {channel: builds, mentions: {"@org/kv-cache": S0123, alice: U0456}}\n'
    assert load(tmp_path, text).slack.mentions == {"@org/kv-cache": "S0123", "alice": "U0456"}


@pytest.mark.parametrize("variable", ["SLACK_BOT_TOKEN", "SLACK_WEBHOOK_URL"])
def test_either_secret_turns_it_on(tmp_path, variable):
    secret = {variable: "https://hooks.example/x", "NIGHTLY_SLACK_CHANNEL": "builds"}
    assert load(tmp_path, "", **secret).slack.configured


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("slack: {mentions: {alice: '@alice'}}", "slack.mentions.alice: '@alice' is no Slack id"),
        ("slack: {mentions: {alice: '<@U0456>'}}", "a user's looks like U012AB3CD"),
        ("slack: {mentions: [alice]}", "slack.mentions: Input should be a valid dictionary"),
        ("slack: {mention: {}}", "slack.mention: unknown field 'mention'; perhaps you meant 'mentions'"),
        ("slack: {update_every_s: 0.2}", "slack.update_every_s: Input should be greater than or equal to 1"),
        ("freshness: {max_age_hours: 0}", "freshness.max_age_hours: Input should be greater than 0"),
        (
            "freshness: {max_age: 26}",
            "freshness.max_age: unknown field 'max_age'; perhaps you meant 'max_age_hours'",
        ),
        ("freshnes: {}", "perhaps you meant 'freshness'"),
    ],
)
def test_what_is_wrong_is_named_with_what_is_allowed(tmp_path, text, said):
    assert said in refusal(tmp_path, f"{text}\n")
