"""Which result of a night counts where there are several."""

from __future__ import annotations

from itertools import permutations

import pytest

from nightly_pipeline.model.history import SharedRow
from nightly_pipeline.model.past import nights_of_each, pasts
from tests.unit.model.pasts import RESULTS, TEST, day, row


@pytest.mark.parametrize(
    ("signs", "counts"), [("sF", "F"), (".F", "F"), ("s.", "."), ("n.", "."), ("sn", "s"), ("sE.n", "E")]
)
def test_of_results_that_came_at_once_the_bad_one_counts_in_any_order(signs, counts):
    for order in permutations(signs):
        rows = [row(sign, 0, source="import", engine_kind=None) for sign in order]
        [night] = pasts(rows, until=day(0), engine="real")[TEST]
        assert night.row.result is RESULTS[counts]


def test_tests_with_the_same_rows_have_the_same_nights():
    shared = [SharedRow(row(".", 0), [0, 1, 2]), SharedRow(row("F", 1), [2]), SharedRow(row(".", 1), [1, 0])]
    first, second, third, fourth = nights_of_each(shared, 4, engine="mock")
    assert first is second
    assert [night.row for night in first] == [row(".", 0), row(".", 1)]
    assert [night.row for night in third] == [row(".", 0), row("F", 1)]
    assert fourth == ()


def test_rows_of_another_kind_of_engine_make_no_nights():
    shared = [SharedRow(row(".", 0), [0]), SharedRow(row("F", 1, engine_kind="real"), [0])]
    (mock,), (real,) = (nights_of_each(shared, 1, engine=kind) for kind in ("mock", "real"))
    assert [night.date for night in mock] == [day(0)]
    assert [night.date for night in real] == [day(1)]
