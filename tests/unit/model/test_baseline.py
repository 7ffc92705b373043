from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightly_pipeline.model.baseline import Measure, Thresholds, move_of

THRESHOLDS = Thresholds()
SECONDS = Measure(60.0)
USUAL = [600.0, 610.0, 595.0, 605.0, 590.0, 615.0, 600.0, 602.0]


def test_a_jump_far_out_of_the_usual_range_has_moved_at_once():
    move = move_of([*USUAL, 1_300.0], THRESHOLDS, SECONDS)
    assert (move.value, move.usual, move.nights, move.slow) == (1_300.0, 601.0, 8, False)
    assert move.spread == pytest.approx(5.0, abs=2)


def test_a_smaller_jump_has_moved_when_it_is_there_on_the_next_night_as_well():
    assert move_of([*USUAL, 900.0], THRESHOLDS, SECONDS) is None
    assert move_of([*USUAL, 900.0, 601.0], THRESHOLDS, SECONDS) is None
    move = move_of([*USUAL, 900.0, 910.0], THRESHOLDS, SECONDS)
    assert (move.value, move.usual, move.nights, move.slow) == (910.0, 601.0, 8, False)


def test_a_size_does_not_jump_for_no_reason_so_it_is_told_at_once():
    assert move_of([*USUAL, 900.0], THRESHOLDS, Measure(60.0, by_chance=False)).value == 900.0


@pytest.mark.parametrize(
    ("tonight", "why"),
    [(601.0, "usual"), (700.0, "not a third more"), (300.0, "faster")],
)
def test_what_is_usual_or_off_by_too_little_or_faster_has_not_moved(tonight, why):
    assert move_of([*USUAL, tonight], THRESHOLDS, SECONDS) is None, why


def test_a_large_share_of_little_does_not_matter():
    assert move_of([1.0] * 8 + [20.0], THRESHOLDS, SECONDS) is None


def test_smaller_counts_where_it_is_asked_for():
    measure = Measure(60.0, both_ways=True, by_chance=False)
    assert move_of([*USUAL, 200.0], THRESHOLDS, measure).value == 200.0


def test_with_few_nights_nothing_is_said():
    assert move_of([*USUAL[:6], 9_000.0], THRESHOLDS, SECONDS) is None
    assert move_of([*USUAL[:7], 9_000.0], THRESHOLDS, SECONDS) is not None


def test_one_strange_night_does_not_move_what_is_usual():
    assert move_of([*USUAL[:4], 90_000.0, *USUAL[4:], 605.0], THRESHOLDS, SECONDS) is None


def test_what_differs_from_night_to_night_has_to_be_off_further():
    wild = [300.0, 900.0, 500.0, 1_200.0, 450.0, 1_000.0, 700.0, 600.0]
    assert move_of([*wild, 1_400.0], THRESHOLDS, SECONDS) is None
    assert move_of([*USUAL, 1_400.0], THRESHOLDS, SECONDS) is not None


@given(st.integers(0, 10_000), st.floats(1.3, 1.9))
def test_single_strange_nights_are_no_move(seed, strange):
    random = Random(seed)  # noqa: S311 - to be repeated
    values = [600.0 * random.uniform(0.97, 1.03) for _ in range(30)]
    for at in range(8, 30, 4):
        values[at] *= strange
    assert all(move_of(values[: at + 1], THRESHOLDS, SECONDS) is None for at in range(30))


def test_what_creeps_is_seen_though_no_night_jumps():
    values = [600.0 * 1.015**night for night in range(40)]
    move = move_of(values, THRESHOLDS, SECONDS)
    assert move.slow
    assert all(
        (found := move_of(values[:at], THRESHOLDS, SECONDS)) is None or found.slow for at in range(1, 40)
    )


def test_a_move_becomes_the_usual_in_time():
    values = [*USUAL * 3, *[900.0] * 40]
    assert move_of(values, THRESHOLDS, SECONDS) is None


def test_single_tests_have_to_be_off_further():
    values = [60.0] * 10 + [84.0, 84.0]
    assert move_of(values, THRESHOLDS, Measure(5.0)) is not None
    assert move_of(values, THRESHOLDS, Measure(5.0, strictness=5 / 3)) is None


@given(st.integers(0, 10_000))
def test_noise_alone_is_hardly_ever_a_move(seed):
    random = Random(seed)  # noqa: S311 - to be repeated
    values = [600.0 * random.lognormvariate(0, 0.03) for _ in range(40)]
    assert move_of(values, THRESHOLDS, SECONDS) is None
