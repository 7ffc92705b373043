"""What the profile says of promotion and retention."""

from __future__ import annotations

import pytest

from nightly_pipeline.settings import load_settings
from tests.unit.own_profile import load, refusal


def test_the_mock_engine_is_known_good_in_the_local_profile_alone(tmp_path):
    allowed = {
        name: load_settings(name, environment={}, root=tmp_path).promotion.allow_mock
        for name in ("local", "local-real", "production")
    }

    assert allowed == {"local": True, "local-real": False, "production": False}


@pytest.mark.parametrize("name", ["local", "local-real", "production"])
def test_no_shipped_profile_deletes_by_itself(name, tmp_path):
    assert not load_settings(name, environment={}, root=tmp_path).retention.delete


def test_every_stage_is_required_unless_the_profile_names_some(tmp_path):
    assert load(tmp_path).promotion.required_stages is None
    text = "promotion: {required_stages: [unit, integration]}"
    assert load(tmp_path, text).promotion.required_stages == ("unit", "integration")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("promotion: {required_stages: [unti]}", ["promotion.required_stages", "perhaps you meant 'unit'"]),
        ("promotion: {required_stages: []}", ["promotion.required_stages", "at least 1 item"]),
        ("promotion: {automtic: true}", ["perhaps you meant 'automatic'", "allow_mock"]),
        ("promotion: {automatic: perhaps}", ["promotion.automatic", "boolean"]),
        ("retention: {days: 0}", ["retention.days", "greater than 0", "given: 0"]),
        ("retention: {nights: -1}", ["retention.nights", "greater than 0"]),
        ("retention: {promotions: 0}", ["retention.promotions", "greater than 0"]),
        ("retention: {every: weak}", ["retention.every", "perhaps you meant 'week'"]),
        ("retention: {day: 3}", ["perhaps you meant 'days'", "cache_days"]),
    ],
)
def test_bad_values_name_the_field_and_what_is_allowed(tmp_path, text, words):
    said = refusal(tmp_path, text)

    for word in words:
        assert word in said


def test_no_limit_is_said_with_null(tmp_path):
    retention = load(tmp_path, "retention: {days: null, cache_days: null, nights: 14}").retention

    assert (retention.days, retention.cache_days, retention.nights) == (None, None, 14)


def test_ecr_repositories_that_are_made_let_known_good_move(tmp_path):
    text = (
        "registries:\n"
        "  ecr: {kind: ecr, host: 111122223333.dkr.ecr.us-west-2.amazonaws.com, insecure: false,\n"
        "        create: {moving_tags: ['nightly-*', 'main-*']}}\n"
    )
    said = refusal(tmp_path, text)

    assert "known-good-vllm" in said
    assert "registries.ecr.create.moving_tags" in said
