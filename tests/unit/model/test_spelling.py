"""What a person probably meant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightly_pipeline.model.spelling import nearest, unknown

STAGES = ["unit", "integration", "e2e_single_gpu", "e2e_multi_gpu"]


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("unti", "unit"),
        ("Unit", "unit"),
        ("integrations", "integration"),
        ("e2e-single-gpu", "e2e_single_gpu"),
        ("e2e multi gpu", "e2e_multi_gpu"),
        ("E2E_MULTI", "e2e_multi_gpu"),
    ],
)
def test_case_dashes_and_letters_that_swapped_are_seen_through(word, meant):
    assert nearest(word, STAGES) == meant


@pytest.mark.parametrize("word", ["", "zzz", "production"])
def test_nothing_near_is_nothing(word):
    assert nearest(word, STAGES) is None


def test_a_message_without_a_suggestion_still_lists_what_is_allowed():
    assert unknown("stage", "zzz", ["unit", "e2e"]) == "unknown stage 'zzz'. Allowed: unit, e2e"


@given(allowed=st.sets(st.text("abcdefgh0123", min_size=1), min_size=1), data=st.data())
def test_the_right_spelling_is_nearest_to_itself(allowed, data):
    word = data.draw(st.sampled_from(sorted(allowed)))

    assert nearest(word.upper(), allowed) == word


@given(word=st.text(), allowed=st.lists(st.text(), max_size=5))
def test_a_suggestion_is_always_one_of_the_allowed(word, allowed):
    assert nearest(word, allowed) in {None, *allowed}
