"""Rows that several tests share: they must say of each test exactly what its own rows say."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nightly_pipeline.model.history import SharedRow, TestIdentity, TestResult, TestRow
from nightly_pipeline.tools.history import ParquetHistory
from tests.history_rows import DAY, NEXT, night, row

FAILED = {"failed_attempts": 1, "message": "KeyError", "signature": "E"}


@pytest.fixture
def history(tmp_path) -> ParquetHistory:
    return ParquetHistory(tmp_path / "history")


def of_each(tests: list[TestIdentity], shared: list[SharedRow]) -> dict[TestIdentity, list[TestRow]]:
    """The rows of each test, with its name, without their durations."""
    found: dict[TestIdentity, list[TestRow]] = {test: [] for test in tests}
    for one in shared:
        for place in one.places:
            found[tests[place]].append(nameless(one.row, tests[place].node_id))
    return found


def nameless(one: TestRow, name: str) -> TestRow:
    return one.model_copy(update={"node_id": name, "duration_s": 0.0})


def test_tests_of_which_the_same_is_said_share_a_row_without_a_name(history):
    tests = [
        row("a", duration_s=1),
        row("b", duration_s=2),
        row("c", TestResult.FAILED, duration_s=3, **FAILED),
    ]
    history.write(night(), [], tests)
    both, own = sorted(history.shared_rows([one.identity for one in tests]), key=lambda one: -len(one.places))
    assert (both.row, sorted(both.places)) == (row("", duration_s=0), [0, 1])
    assert (own.row, list(own.places)) == (tests[2], [2])


def test_who_is_alone_keeps_name_and_duration(history):
    tests = [row(name, duration_s=number) for number, name in enumerate("abcd", start=1)]
    history.write(night(), [], tests)
    names = [one.identity for one in tests]
    found = history.shared_rows(names, alone={names[1], names[2]})
    assert [one.row for one in found if len(one.places) == 1] == [tests[1], tests[2]]
    assert [sorted(one.places) for one in found if len(one.places) == 2] == [[0, 3]]


def test_a_result_that_is_there_twice_counts_twice_and_is_its_tests_own(history):
    history.write(night(), [], [row("a", duration_s=1), row("a", duration_s=2)])
    (found,) = history.shared_rows([row("a").identity])
    assert (found.row.node_id, list(found.places)) == ("a", [0, 0])
    assert found.row.duration_s in {1, 2}


def test_none_are_asked_for_none_are_there(history):
    assert history.shared_rows([]) == history.shared_rows([row().identity]) == []


def test_the_oldest_comes_first_and_nights_outside_are_left_out(history):
    for day in (NEXT, DAY):
        history.write(night(date=day), [], [row("a", date=day), row("b", date=day)])
    names = [row("a").identity, row("b").identity]
    assert [one.row.date for one in history.shared_rows(names)] == [DAY, NEXT]
    assert [one.row.date for one in history.shared_rows(names, since=NEXT)] == [NEXT]
    assert [one.row.date for one in history.shared_rows(names, until=DAY)] == [DAY]


def test_results_of_one_night_come_in_the_order_they_ended(history):
    early, late = (datetime(2026, 11, 20, hour, tzinfo=UTC) for hour in (9, 11))
    history.write(night(), [], [row("a", finished_at=late), row("b", finished_at=late)])
    again = {"run_id": "two", "finished_at": early}
    history.write(
        night(run_id="two"), [], [row("a", TestResult.ERROR, **again), row("b", TestResult.ERROR, **again)]
    )
    found = history.shared_rows([row("a").identity, row("b").identity])
    assert [(one.row.run_id, len(one.places)) for one in found] == [("two", 2), ("one", 2)]


@given(
    st.lists(st.tuples(*[st.integers(0, some) for some in (1, 1, 1, 3, 2, 2, 1)]), min_size=1, max_size=30)
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_it_says_what_the_rows_themselves_say(tmp_path_factory, drawn):
    history = ParquetHistory(tmp_path_factory.mktemp("history"))
    parts: dict[tuple[str, str], dict[TestIdentity, TestRow]] = {}
    for stage, arch, name, result, day, part, bad in drawn:
        date = ("2026-09-02", DAY, NEXT)[day]
        kind = ("night", "again", "checks")[part]
        one = row(
            f"t{name}",
            (TestResult.PASSED, TestResult.SKIPPED, TestResult.FAILED, TestResult.ERROR)[result],
            stage=("unit", "e2e")[stage],
            arch=("amd64", "arm64")[arch],
            date=date,
            source=("night", "confirmation", "previous_image")[part],
            signature=("E", None)[bad],
            duration_s=float(name),
        )
        parts.setdefault((date, kind), {})[one.identity] = one
    for (date, kind), rows in parts.items():
        if kind == "night":
            history.write(night(date=date), [], list(rows.values()))
        else:
            history.add(list(rows.values()), date=date, run_id="one", part=kind)
    history.pack(before=DAY)
    tests = list(dict.fromkeys(test for rows in parts.values() for test in rows))
    wanted: dict[TestIdentity, list[TestRow]] = {test: [] for test in tests}
    for one in history.of_tests(tests):
        wanted[one.identity].append(nameless(one, one.node_id))
    assert of_each(tests, history.shared_rows(tests)) == wanted
    assert of_each(tests, history.shared_rows(tests, alone=set(tests[::2]))) == wanted
