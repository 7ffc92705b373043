"""What the profile says of owners, quarantine, baselines and confirming reruns."""

from __future__ import annotations

import pytest

from tests.unit.own_profile import load, refusal


def test_every_section_has_sane_defaults(tmp_path):
    settings = load(tmp_path)
    assert settings.quarantine_file == tmp_path / "quarantine.yaml"
    assert settings.quarantine.leave_after_nights == 14
    assert (settings.owners.file, settings.owners.suite) == (None, "docker/suite")
    assert settings.baseline.at_least <= settings.baseline.nights
    assert settings.confirmation.enabled
    assert settings.confirmation.previous_image


def test_a_section_changes_what_it_names(tmp_path):
    settings = load(tmp_path, "baseline: {stage_s: 5}\nquarantine: {file: known/bad.yaml}")
    assert settings.baseline.stage_s == 5
    assert settings.quarantine_file == tmp_path / "known" / "bad.yaml"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("baseline: {devations: 3}", ["perhaps you meant 'deviations'", "stage_s"]),
        ("baseline: {share: 0}", ["baseline.share", "greater than 0", "given: 0"]),
        ("baseline: {nights: 1}", ["baseline.nights", "greater than or equal to 3"]),
        ("quarantine: {leave_after_nights: 0}", ["quarantine.leave_after_nights", "greater than 0"]),
        ("quarantine: {files: x}", ["perhaps you meant 'file'"]),
        ("owners: {file: ''}", ["owners.file", "at least 1 character"]),
        ("confirmation: {max_tests: 0}", ["confirmation.max_tests", "greater than 0", "given: 0"]),
        (
            "confirmation: {max_failed_share: 50}",
            ["confirmation.max_failed_share", "less than or equal to 1"],
        ),
        (
            "confirmation: {always_up_to: -1}",
            ["confirmation.always_up_to", "greater than or equal to 0", "given: -1"],
        ),
        ("confirmation: {always_upto: 1}", ["perhaps you meant 'always_up_to'"]),
        ("confirmation: {max_minuets: 5}", ["perhaps you meant 'max_minutes'", "previous_image"]),
        ("ownres: {file: x}", ["unknown field", "perhaps you meant 'owners'"]),
    ],
)
def test_a_mistake_is_named(tmp_path, text, words):
    said = refusal(tmp_path, text)
    assert all(word in said for word in words), said
