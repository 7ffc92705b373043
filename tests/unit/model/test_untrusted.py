from __future__ import annotations

import doctest
import time
import unicodedata
from importlib import import_module

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightly_pipeline.model.untrusted import clip, excerpt, first_line, one_line, short_line, visible
from tests.hostile import hostile_text


@pytest.mark.parametrize(
    "module",
    [
        "nightly_pipeline.model.links",
        "nightly_pipeline.model.quantities",
        "nightly_pipeline.model.reading",
        "nightly_pipeline.model.untrusted",
        "tests.factories",
    ],
)
def test_examples_in_docstrings_hold(module: str) -> None:
    result = doctest.testmod(import_module(module))

    assert result.attempted > 0
    assert result.failed == 0


@given(hostile_text)
def test_visible_text_has_no_control_character_and_can_be_encoded(text: str) -> None:
    shown = visible(text)

    assert shown.encode().decode() == shown
    assert not [char for char in shown if unicodedata.category(char) in {"Cc", "Cs"} and char not in "\n\t"]


@given(hostile_text)
def test_visible_is_stable(text: str) -> None:
    assert visible(visible(text)) == visible(text)


@given(hostile_text)
def test_one_line_is_one_line_for_everybody_who_splits_lines(text: str) -> None:
    assert len(one_line(text).splitlines()) <= 1
    assert one_line(text) == one_line(text).strip()


def test_what_is_hidden_is_shown_as_an_escape() -> None:
    assert visible("\x1b[31m") == "\\x1b[31m"
    assert visible("\u202eexe") == "\\u202eexe"
    assert visible("\ud800") == "\\ud800"


def test_plain_text_of_any_language_stays_as_it_is() -> None:
    assert visible("é 中文 🙂\n\tx") == "é 中文 🙂\n\tx"


def test_the_first_line_is_the_first_that_says_something() -> None:
    assert first_line("\n  \nE   assert 1 == 2\nmore") == "E   assert 1 == 2"
    assert not first_line(" \n ")


@given(st.text(max_size=50), st.integers(min_value=0, max_value=60))
def test_a_clip_is_never_longer_and_says_when_it_cut(text: str, limit: int) -> None:
    clipped = clip(text, limit)

    assert len(clipped) <= limit
    assert clipped == text or not limit or clipped.endswith("…")


def test_an_excerpt_says_how_much_is_left_out() -> None:
    text = "\n".join(f"line {number}" for number in range(100))

    kept, _, note = excerpt(text, lines=3, characters=1_000).rpartition("\n")

    assert kept == "line 0\nline 1\nline 2"
    assert note == f"… {len(text) - len(kept):,} more characters"


def test_an_excerpt_of_what_fits_is_the_whole() -> None:
    assert excerpt("a\nb\n", lines=2, characters=10) == "a\nb"


@given(hostile_text, st.integers(min_value=1, max_value=80))
def test_a_short_line_is_the_beginning_of_the_whole_line(text: str, limit: int) -> None:
    short = short_line(text, limit)

    assert len(short) <= limit
    assert one_line(text).startswith(short.removesuffix("…"))


def test_megabytes_are_not_read_to_show_a_line() -> None:
    text = "\x1b[31m" * 5_000_000
    began = time.process_time()

    assert short_line(text, 10).startswith("\\x1b[31m")
    assert excerpt(text, lines=5, characters=100).endswith("24,999,900 more characters")
    assert time.process_time() - began < 0.5
