"""The rules on a labelled month: `python -m benchmarks.run verdicts` measures more of them."""

from __future__ import annotations

import pytest

from nightly_pipeline.model.history import BAD_RESULTS
from tests.labelled.causes import make_scenario
from tests.labelled.history import LabelledHistory
from tests.labelled.nights import day, play
from tests.labelled.score import score

SEED = 11
LAST_NIGHTS = 22


@pytest.fixture(scope="module")
def played():
    return play(make_scenario(SEED))


@pytest.fixture(scope="module")
def scored(played):
    return score(played, LabelledHistory(played), first=LAST_NIGHTS)


@pytest.mark.parametrize("what", ["new", "recurring", "fixed", "environment", "flaky", "incidents", "drift"])
def test_the_rules_find_what_the_hidden_causes_are(scored, what):
    assert scored.right[what] > 0 or what == "environment"
    assert scored.precision(what) >= 0.9
    assert scored.recall(what) >= (0.8 if what == "flaky" else 0.9)  # of 8 nights, so a single one weighs


def test_a_month_is_the_same_for_the_same_seed_and_another_for_another(played):
    assert play(make_scenario(SEED)).labels == played.labels
    assert play(make_scenario(SEED + 1)).labels != played.labels


def test_a_night_has_13_500_cases(played):
    night = next(
        night for night in played.nights if night not in {one for one, _, _ in played.scenario.infra}
    )
    names = {
        (row.framework, row.arch, row.stage, row.node_id) for row in LabelledHistory(played).tests(day(night))
    }
    assert len(names) == 13_500


def test_every_bad_result_of_a_night_has_a_cause_and_a_label(played):
    for night in played.nights[1:]:
        newest = {row.identity: row for row in played.rows[night] if row.source == "night"}
        bad = {test for test, row in newest.items() if row.result in BAD_RESULTS}
        assert bad == played.because[night].keys()
        assert bad <= played.labels[night].keys()


def test_confirming_reruns_are_bounded_and_made_of_bad_tests_alone(played):
    for night in played.nights:
        bad = {
            row.identity for row in played.rows[night] if row.source == "night" and row.result in BAD_RESULTS
        }
        again = [row.identity for row in played.rows[night] if row.source == "confirmation"]
        assert set(again) <= bad
        assert len(again) == len(set(again))
