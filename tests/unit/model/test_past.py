"""Which result of a night counts where there are several."""

from __future__ import annotations

from itertools import permutations

import pytest

from nightly_pipeline.model.past import pasts
from tests.unit.model.pasts import RESULTS, TEST, day, row


@pytest.mark.parametrize(
    ("signs", "counts"), [("sF", "F"), (".F", "F"), ("s.", "."), ("n.", "."), ("sn", "s"), ("sE.n", "E")]
)
def test_of_results_that_came_at_once_the_bad_one_counts_in_any_order(signs, counts):
    for order in permutations(signs):
        rows = [row(sign, 0, source="import", engine_kind=None) for sign in order]
        [night] = pasts(rows, until=day(0), engine="real")[TEST]
        assert night.row.result is RESULTS[counts]
