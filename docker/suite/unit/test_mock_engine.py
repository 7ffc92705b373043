"""The mock engine without a server: what it answers, what that costs, and that it says what it is."""

from __future__ import annotations

import subprocess

import pytest

pytestmark = [
    pytest.mark.unit,
    pytest.mark.gpu_0,
    pytest.mark.pre_merge,
    pytest.mark.nightly,
    pytest.mark.engine_mock,
]


@pytest.fixture
def generate():
    from nightly_mock_engine.generation import Sampling, generate  # noqa: PLC0415

    return lambda prompt, choice=0, **options: generate(
        prompt, Sampling(**{"max_tokens": 64, **options}), choice
    )


@pytest.fixture
def tokenize():
    from nightly_mock_engine.generation import tokenize  # noqa: PLC0415

    return tokenize


def mock_engine(*arguments):
    return subprocess.run(
        ["mock-engine", *arguments], capture_output=True, text=True, timeout=30, check=False
    )


def test_its_help_says_that_it_is_a_mock(image):
    result = mock_engine("--framework", image.framework, "--help")
    assert result.returncode == 0
    assert "MOCK" in result.stdout


def test_its_version_says_that_it_is_a_mock(image):
    assert mock_engine("--version").stdout == f"nightly-mock-engine {image.engine_version} (mock)\n"


def test_it_takes_the_frameworks_own_flags(image, dialect):
    text = mock_engine("--framework", image.framework, "--help").stdout
    for flag in (dialect.context_flag, dialect.tensor_parallel_flag, dialect.served_name_flag):
        assert flag in text


@pytest.mark.parametrize(
    "text", ["two words", "signs, too! (all)", "  spaces \n and lines ", "日本語 ünïcödé 🙂"]
)
def test_tokens_joined_are_the_text(tokenize, text):
    assert "".join(tokenize(text)) == text


def test_longer_texts_have_more_tokens(tokenize):
    assert len(tokenize("a b c")) < len(tokenize("a b c d")) == 4


def test_equal_prompts_get_equal_answers(generate):
    assert generate("why?") == generate("why?")


def test_different_prompts_get_different_answers(generate):
    assert len({generate(f"question {number}").text for number in range(50)}) == 50


def test_at_temperature_0_choices_and_seeds_do_not_matter(generate):
    answers = {
        generate("why?", choice, temperature=0, seed=seed).text for choice in (0, 1) for seed in (None, 7)
    }
    assert len(answers) == 1


def test_above_it_they_do(generate):
    answers = {generate("why?", choice, seed=seed).text for choice in (0, 1) for seed in (None, 7)}
    assert len(answers) == 4


@pytest.mark.parametrize("limit", [1, 2, 11])
def test_an_answer_has_as_many_tokens_as_allowed(generate, limit):
    answer = generate("why?", max_tokens=limit)
    assert (answer.completion_tokens, answer.finish_reason) == (limit, "length")
    assert answer.text.startswith("[mock]")


def test_an_answer_ends_by_itself(generate):
    answer = generate("why?", max_tokens=1000)
    assert answer.finish_reason == "stop"
    assert answer.completion_tokens == len(answer.pieces) < 1000


def test_a_stop_string_is_not_part_of_the_answer(generate):
    whole = generate("why?").text
    stop = whole.split()[3]
    answer = generate("why?", stop=(stop,))
    assert answer.finish_reason == "stop"
    assert answer.text == whole[: whole.index(stop)]
