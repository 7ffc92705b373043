"""Why tests that were asked for were not there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightly_pipeline.model.absence import NOT_THERE, why_absent
from nightly_pipeline.model.evidence import fold_events
from tests.unit.model.evidence_streams import FILE, collected, finish, line, node, passing, session, without

TEST = "unit/pkg/test_a.py::TestIt::test_one[a/b::c]"
NAMES = st.sampled_from(["test_one", "test_two", "test_three", "test_four"])


def told(*events: str, test: str = TEST) -> str:
    return why_absent([test], fold_events([session(), *events, *collected(), finish(1)]))[test]


@pytest.mark.parametrize(
    "place",
    [
        "unit/pkg/test_a.py::TestIt",
        "unit/pkg/test_a.py",
        "unit/pkg",
        "unit/pkg/__init__.py",
        "unit",
        ".",
        "",  # pytest's name for everything
    ],
)
def test_what_could_not_be_collected_around_it_is_the_reason(place: str):
    error = line("collect_error", node_id=place, message="ImportError: no")
    assert told(error) == f"{place or '(the whole collection)'} could not be collected: ImportError: no"


def test_what_skipped_itself_around_it_is_the_reason():
    skip = line("collect_skip", node_id="unit/pkg/test_a.py", message="no engine")
    assert told(skip) == "unit/pkg/test_a.py skipped itself: no engine"


@pytest.mark.parametrize(
    "place",
    ["unit/pkg/test_a.py::TestItself", "unit/pkg/test_a", "unit/p", "uni", "pkg/test_a.py", TEST[:-1]],
)
def test_what_is_wrong_elsewhere_is_not(place: str):
    assert told(line("collect_error", node_id=place, message="ImportError: no")) == NOT_THERE


@given(st.lists(NAMES, unique=True), st.sets(NAMES))
def test_exactly_what_was_not_collected_is_absent(there: list[str], asked: set[str]):
    evidence = fold_events(passing(*there) if there else [session(), *collected(), finish(5)])
    absent = why_absent(map(node, asked), evidence)
    assert absent == {node(name): NOT_THERE for name in asked - set(there)}


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [session()],
        without(passing("test_one"), "collection"),
        without(passing("test_one"), "collected"),
    ],
    ids=["nothing", "no collection", "collection cut off", "collected lost"],
)
def test_a_collection_that_was_not_seen_whole_says_nothing(lines: list[str]):
    assert why_absent([f"{FILE}::test_other"], fold_events(lines)) == {}
