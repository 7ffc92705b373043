from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nightly_mock_engine.generation import Sampling, generate, tokenize

texts = st.text(max_size=200)


@given(texts)
def test_tokens_joined_are_the_text(text):
    assert "".join(tokenize(text)) == text


@given(texts, st.integers(1, 100), st.integers(0, 5))
def test_an_answer_keeps_its_limit_and_counts_what_it_gave(prompt, limit, choice):
    answer = generate(prompt, Sampling(max_tokens=limit), choice)
    assert answer.text.startswith("[mock]")
    assert len(answer.pieces) == answer.completion_tokens <= limit
    assert (answer.finish_reason == "length") == (
        generate(prompt, Sampling(max_tokens=1000), choice) != answer
    )


@given(texts, st.lists(st.sampled_from(["a", "e", " s", "[", "mock]", "amber", "zzz"]), max_size=4))
def test_an_answer_never_contains_a_stop_string(prompt, stop):
    whole = generate(prompt, Sampling(max_tokens=64))
    answer = generate(prompt, Sampling(max_tokens=64, stop=tuple(stop)))
    assert not any(each in answer.text for each in stop)
    assert whole.text.startswith(answer.text)
    assert answer.text == "".join(answer.pieces)
    assert answer.completion_tokens <= whole.completion_tokens


@pytest.mark.parametrize(("temperature", "distinct"), [(0, 1), (0.5, 4)])
def test_choices_and_seeds_matter_above_temperature_0_only(temperature, distinct):
    texts = {
        generate("why?", Sampling(64, temperature, seed), choice).text
        for seed in (None, 1)
        for choice in (0, 1)
    }
    assert len(texts) == distinct
