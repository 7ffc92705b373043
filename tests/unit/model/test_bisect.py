from __future__ import annotations

import json
from math import ceil, log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightly_pipeline.model.bisect import Finding, Search


def row_of(length: int) -> tuple[str, ...]:
    return tuple(f"n{place:03}" for place in range(length))


def after(search: Search, name: str, finding: Finding) -> Search:
    """The search with one more of its row looked at."""
    return Search(search.row, {**search.found, name: finding})


def look_through(
    search: Search, first_bad: int, unclear: frozenset[int] = frozenset()
) -> tuple[Search, list[str]]:
    """Look at what the search asks for until it asks for nothing; everything from `first_bad` on is bad."""
    asked = []
    while (name := search.next) is not None:
        asked.append(name)
        assert len(asked) <= len(search.row), "it goes on for ever"
        place = search.row.index(name)
        known = Finding.BAD if place >= first_bad else Finding.GOOD
        search = after(search, name, Finding.UNCLEAR if place in unclear else known)
    return search, asked


@st.composite
def cases(draw) -> tuple[int, int]:
    length = draw(st.integers(2, 200))
    return length, draw(st.integers(1, length - 1))


@given(cases())
def test_it_finds_the_first_bad_one_with_as_few_looks_as_can_be(case):
    length, first_bad = case
    promised = Search(row_of(length)).most_left
    search, asked = look_through(Search(row_of(length)), first_bad)
    assert search.culprits == (row_of(length)[first_bad],)
    assert search.last_good == row_of(length)[first_bad - 1]
    assert len(asked) == len(set(asked))
    assert len(asked) - 2 <= ceil(log2(length - 1)) if length > 2 else len(asked) == 2
    assert len(asked) <= promised
    assert search.most_left == 0


@pytest.mark.parametrize("first_bad", range(1, 64))
def test_64_nights_take_six_looks_beside_both_ends(first_bad):
    _, asked = look_through(Search(row_of(64)), first_bad)
    assert set(asked[:2]) == {"n000", "n063"}
    assert len(asked[2:]) <= 6


@pytest.mark.parametrize("first_bad", range(1, 101))
def test_100_commits_between_known_ends_take_seven_builds(first_bad):
    row = row_of(101)
    ends = {row[0]: Finding.GOOD, row[-1]: Finding.BAD}
    assert Search(row, ends).most_left == 7
    _, asked = look_through(Search(row, ends), first_bad)
    assert len(asked) <= 7


@given(cases(), st.data())
def test_what_cannot_tell_leaves_an_answer_that_holds_the_first_bad_one(case, data):
    length, first_bad = case
    inner = st.integers(1, length - 2) if length > 2 else st.nothing()
    unclear = data.draw(st.frozensets(inner)) if length > 2 else frozenset()
    search, asked = look_through(Search(row_of(length)), first_bad, unclear)
    culprits = [search.row.index(name) for name in search.culprits]
    assert first_bad in culprits
    assert len(asked) == len(set(asked))
    # Only what could not tell lies between the last good one and the first bad one.
    assert set(culprits[:-1]) <= unclear


@given(cases(), st.integers(0, 8))
def test_a_search_that_was_written_down_goes_on_where_it_was(case, looks):
    length, first_bad = case
    search = Search(row_of(length))
    for _ in range(looks):
        if (name := search.next) is None:
            break
        bad = search.row.index(name) >= first_bad
        search = after(search, name, Finding.BAD if bad else Finding.GOOD)
    again = Search(
        search.row, {name: Finding(word) for name, word in json.loads(json.dumps(search.found)).items()}
    )
    assert again.next == search.next
    assert look_through(again, first_bad) == look_through(search, first_bad)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"n009": Finding.GOOD}, "n009 should be bad, but is good"),
        ({"n009": Finding.UNCLEAR}, "n009 should be bad, but is unclear"),
        ({"n009": Finding.BAD, "n000": Finding.BAD}, "n000 should be good, but is bad"),
    ],
)
def test_ends_that_are_not_as_they_should_be_end_the_search(found, said):
    search = Search(row_of(10), found)
    assert search.contradiction == said
    assert search.next is None


def test_the_ends_come_first_the_bad_one_before_the_good_one():
    search = Search(row_of(10))
    assert search.next == "n009"
    assert after(search, "n009", Finding.BAD).next == "n000"
    assert search.culprits == row_of(10)[1:]
