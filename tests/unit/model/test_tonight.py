from __future__ import annotations

import pytest

from nightly_pipeline.model.history import TestIdentity, TestResult, TestRow
from nightly_pipeline.model.tonight import rows_of_tonight
from tests.factories import DATE, failure, night, run_facts, stage


def row(name: str, run_id: str, result: str = "passed", **fields: str) -> TestRow:
    given = {"framework": "vllm", "arch": "amd64", "stage": "unit", **fields}
    return TestRow(date=DATE, run_id=run_id, node_id=name, result=TestResult(result), **given)


def report(*stages, runs=("first", "second")):
    return night(stages=stages, runs=tuple(run_facts(run_id=run_id) for run_id in runs))


def names(rows: list[TestRow]) -> list[tuple[str, str]]:
    return [(one.node_id, one.run_id) for one in rows]


REMEMBERED = [
    row("test_gone", "first", "failed"),
    row("test_kept", "first", "failed"),
    row("test_kept", "second"),
]


@pytest.mark.parametrize("status", ["passed", "failed"])
def test_a_test_that_the_newest_run_does_not_have_any_more_counts_no_more(status):
    found = rows_of_tonight(report(stage(run_id="second", status=status)), REMEMBERED)
    assert names(found) == [("test_kept", "first"), ("test_kept", "second")]


@pytest.mark.parametrize("status", ["timed_out", "crashed", "infra_error", "cancelled", "not_run"])
def test_where_the_newest_run_was_stopped_the_earlier_result_stands(status):
    found = rows_of_tonight(report(stage(run_id="second", status=status)), REMEMBERED)
    assert names(found) == names(REMEMBERED)


def test_a_run_of_which_nothing_is_remembered_takes_nothing_away():
    found = rows_of_tonight(report(stage(run_id="third", status="passed")), REMEMBERED)
    assert names(found) == names(REMEMBERED)


def test_another_stage_is_not_touched():
    other = row("test_other", "first", "failed", stage="integration")
    found = rows_of_tonight(report(stage(run_id="second", status="passed")), [*REMEMBERED, other])
    assert ("test_other", "first") in names(found)


def test_runs_that_the_report_does_not_show_are_left_out():
    found = rows_of_tonight(report(stage(run_id="second"), runs=("second",)), REMEMBERED)
    assert names(found) == [("test_kept", "second")]


def test_a_failure_of_which_nothing_is_remembered_is_known_from_the_report():
    broken = stage(status="failed", run_id="second", failures=[failure("test_new", "boom")])
    (found,) = rows_of_tonight(report(broken), [])
    assert found.identity == TestIdentity(framework="vllm", arch="amd64", stage="unit", node_id="test_new")
    assert (found.result, found.message) == (TestResult.FAILED, "boom")
    assert found.signature
