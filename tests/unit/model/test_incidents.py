from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightly_pipeline.model.history import TestIdentity, TestResult
from nightly_pipeline.model.incident_words import is_consequence, phrase
from nightly_pipeline.model.incidents import Failure, incidents_of
from nightly_pipeline.model.judgement import Incident, TestVerdict, Verdict
from tests.unit.model.pasts import day, row

TONIGHT = 10


def failure(  # noqa: PLR0913 - a failure has that many sides
    name: str = "unit/test_a.py::test_x",
    error: str = "KeyError: 'usage'",
    *,
    framework: str = "vllm",
    arch: str = "amd64",
    began: int = TONIGHT,
    verdict: Verdict = Verdict.NEW,
    sign: str = "F",
    bad_on: tuple[int, ...] = (),
) -> Failure:
    test = TestIdentity(framework=framework, arch=arch, stage="unit", node_id=name)
    nights = bad_on or tuple(range(began, TONIGHT + 1))
    return Failure(
        verdict=TestVerdict(test=test, verdict=verdict, since=day(began), last_good=day(began - 1)),
        row=row(sign, TONIGHT, error=error, test=test),
        bad_on=tuple(map(day, nights)),
        began=day(began),
        good_until=day(began - 1),
        nights=TONIGHT - began + 1,
    )


def groups(*failures: Failure) -> list[set[str]]:
    """The node ids of each incident."""
    return [{test.node_id for test in one.tests} for one in incidents_of(failures)]


def test_one_error_in_many_cells_and_files_is_one_incident():
    failures = [
        failure(f"unit/test_{file}.py::test_{number}", framework=framework, arch=arch)
        for framework in ("vllm", "sglang")
        for arch in ("amd64", "arm64")
        for file in "abc"
        for number in range(5)
    ]
    (incident,) = incidents_of(failures)
    assert len(incident.tests) == 60
    assert len(incident.cells) == 4
    assert incident.title == "KeyError: 'usage'"


def test_an_error_with_another_address_and_time_is_the_same_incident():
    one = failure("a.py::test_1", "RuntimeError: <Engine at 0x7f01> died after 3.2 s")
    other = failure("a.py::test_2", "RuntimeError: <Engine at 0x7fff> died after 117 ms")
    assert len(incidents_of([one, other])) == 1


def test_different_errors_are_different_incidents():
    assert len(groups(failure("a.py::test_1"), failure("a.py::test_2", "ValueError: bad shape"))) == 2


@pytest.mark.parametrize(
    "error", ["AssertionError: assert False", "Failed: Timeout (>30.0s) from pytest-timeout."]
)
def test_an_error_that_says_little_joins_only_what_began_together_in_one_file(error):
    same = [failure("a.py::test_1", error), failure("a.py::test_2", error)]
    assert len(incidents_of(same)) == 1
    assert len(incidents_of([*same, failure("b.py::test_3", error)])) == 2
    assert len(incidents_of([*same, failure("a.py::test_3", error, began=5)])) == 2


def test_a_bare_comparison_joins_only_what_began_together():
    error = "AssertionError: assert 404 == 200"
    assert len(incidents_of([failure("a.py::test_1", error), failure("b.py::test_2", error)])) == 1
    assert len(incidents_of([failure("a.py::test_1", error), failure("b.py::test_2", error, began=5)])) == 2


def test_a_cell_that_did_not_run_on_the_first_night_began_together_with_the_others():
    error = "AssertionError: assert 404 == 200"
    first = failure("a.py::test_1", error, began=8)
    late = failure("a.py::test_1", error, framework="sglang", began=9)
    assert len(incidents_of([first, late])) == 2  # it was good on the night before the other began
    gap = Failure(late.verdict, late.row, late.bad_on, late.began, day(6), late.nights)
    assert len(incidents_of([first, gap])) == 1


def test_a_crash_takes_what_nobody_answered_after_it_with_it():
    crash = failure("a.py::test_1", "RuntimeError: engine core died with signal 11", sign="C")
    refused = [failure(f"b.py::test_{at}", "ConnectionRefusedError: Connection refused") for at in range(3)]
    (incident,) = incidents_of([crash, *refused])
    assert incident.title.startswith("RuntimeError: engine core died")
    assert len(incident.tests) == 4


def test_what_nobody_answered_elsewhere_or_before_is_not_the_crashs_doing():
    crash = failure("a.py::test_1", "RuntimeError: engine core died", sign="C")
    refused = "ConnectionRefusedError: Connection refused"
    assert len(incidents_of([crash, failure("b.py::test_2", refused, framework="sglang")])) == 2
    assert len(incidents_of([crash, failure("b.py::test_2", refused, began=5)])) == 2


def test_what_two_crashes_could_have_left_behind_is_put_to_neither():
    crashes = [
        failure("a.py::test_1", "RuntimeError: engine died in attention", sign="C"),
        failure("b.py::test_1", "RuntimeError: engine died in sampling", sign="C"),
    ]
    refused = failure("c.py::test_2", "ConnectionRefusedError: Connection refused")
    assert len(incidents_of([*crashes, refused])) == 3


def test_two_new_errors_of_one_night_and_place_stay_two():
    assert len(groups(failure("a.py::test_1"), failure("a.py::test_1b", "ValueError: no"))) == 2


def test_errors_in_the_set_up_of_one_module_are_one_incident():
    setup = [
        failure("a.py::test_1", "KeyError: 'model'", sign="E"),
        failure("a.py::test_2", "KeyError: 'model'", sign="E"),
    ]
    other = failure("a.py::test_3", "ValueError: fixture was used before", sign="E")
    assert len(incidents_of([*setup, other])) == 1
    assert len(incidents_of([*setup, failure("b.py::test_3", "ValueError: x", sign="E")])) == 2


def test_what_was_left_behind_by_what_another_error_left_behind_is_not_lost():
    """What is refused belongs to the set-up that broke, and that to a larger one that began at another time."""
    refused = failure("b.py::test_1", "ConnectionRefusedError: Connection refused", began=8)
    small = replace(failure("a.py::test_1", "ValueError: used before", sign="E", began=9), good_until=None)
    large = [failure(f"a.py::test_{at}", "KeyError: 'model'", sign="E", began=9) for at in (2, 3)]
    (incident,) = incidents_of([refused, small, *large])
    assert len(incident.tests) == 4
    assert incident.title == "KeyError: 'model'"


def _of_one_module(error: str, numbers: range, **fields) -> list[Failure]:
    cells = ("vllm", "sglang")
    return [
        failure(f"a.py::test_{number}", error, framework=cell, **fields)
        for cell in cells
        for number in numbers
    ]


def test_what_began_in_one_module_on_one_night_in_the_same_cells_is_one_incident_whatever_it_says():
    errors = ("KeyError: 'usage'", "AssertionError: assert None == 'stop'", "TypeError: 'NoneType' object")
    several = [_of_one_module(error, range(at * 5, at * 5 + 4 - at)) for at, error in enumerate(errors)]
    (incident,) = incidents_of([one for group in several for one in group])
    assert (len(incident.tests), incident.title, incident.verdict) == (18, "KeyError: 'usage'", Verdict.NEW)


@pytest.mark.parametrize(
    "other",
    [
        _of_one_module("ValueError: bad shape", range(5, 7), began=TONIGHT - 1),
        [failure("a.py::test_9", "ValueError: bad shape", framework="vllm")],
        [replace(one, row=one.row.model_copy(update={"node_id": "b.py::test_9"}))
         for one in _of_one_module("ValueError: bad shape", range(9, 10))],
        _of_one_module("ValueError: bad shape", range(5, 7), verdict=Verdict.FLAKY),
        _of_one_module("ValueError: bad shape", range(5, 7), verdict=Verdict.ENVIRONMENT),
    ],
    ids=["another night", "other cells", "another module", "a flake", "the environment"],
)  # fmt: skip
def test_what_began_elsewhere_or_on_another_night_stays_apart(other):
    assert len(incidents_of([*_of_one_module("KeyError: 'usage'", range(4)), *other])) == 2


def test_errors_that_came_and_went_together_are_one_incident():
    nights = (3, 6, 10)
    one = failure("a.py::test_1", "KeyError: 'a'", bad_on=nights)
    other = failure("b.py::test_2", "ValueError: b", bad_on=nights)
    assert len(incidents_of([one, other])) == 1
    assert len(incidents_of([one, failure("b.py::test_2", "ValueError: b", bad_on=(3, 10))])) == 2


def test_a_flake_and_a_break_with_one_error_are_two_incidents():
    found = incidents_of([failure("a.py::test_1"), failure("a.py::test_2", verdict=Verdict.FLAKY)])
    assert [one.verdict for one in found] == [Verdict.NEW, Verdict.FLAKY]


def test_what_is_quarantined_is_an_incident_apart():
    found = incidents_of([failure("a.py::test_1"), failure("a.py::test_2", verdict=Verdict.QUARANTINED)])
    assert [one.verdict for one in found] == [Verdict.NEW, Verdict.QUARANTINED]


def test_an_incident_is_recurring_when_one_of_its_tests_had_the_error_before():
    old = failure("a.py::test_1", began=7, verdict=Verdict.RECURRING)
    (incident,) = incidents_of([old, failure("a.py::test_2")])
    assert (incident.verdict, incident.since, incident.nights) == (Verdict.RECURRING, day(7), 4)


def test_a_new_error_of_a_test_that_was_bad_before_is_a_new_incident():
    (incident,) = incidents_of([failure("a.py::test_1", "ValueError: other", verdict=Verdict.RECURRING)])
    assert incident.verdict is Verdict.NEW


def test_an_id_stays_from_night_to_night_while_tests_come_and_go():
    tonight = incidents_of([failure("a.py::test_1"), failure("a.py::test_2")])
    tomorrow = incidents_of([failure("b.py::test_3", framework="sglang", began=9, verdict=Verdict.RECURRING)])
    assert tonight[0].id == tomorrow[0].id
    assert len(tonight[0].id) == 8


ERRORS = st.sampled_from(
    ["KeyError: 'a'", "assert False", "assert 1 == 2", "ConnectionRefusedError: x", "ValueError: c"]
)
FAILURES = st.builds(
    failure,
    name=st.sampled_from(["a.py::t1", "a.py::t2[x]", "b.py::t1"]),
    error=ERRORS,
    framework=st.sampled_from(["vllm", "sglang"]),
    began=st.integers(3, TONIGHT),
    verdict=st.sampled_from([Verdict.NEW, Verdict.RECURRING, Verdict.FLAKY, Verdict.QUARANTINED]),
    sign=st.sampled_from("FEC"),
)
MANY = st.lists(FAILURES, max_size=10, unique_by=lambda one: one.verdict.test)


@given(MANY)
def test_every_failure_is_in_exactly_one_incident_and_ids_are_unique(failures):
    found = incidents_of(failures)
    tests = [test for one in found for test in one.tests]
    assert sorted(map(str, tests)) == sorted(str(one.verdict.test) for one in failures)
    assert len({one.id for one in found}) == len(found)


@given(MANY, st.randoms(use_true_random=False))
def test_the_order_of_the_failures_does_not_count(failures, random):
    shuffled = random.sample(failures, len(failures))
    assert [(one.id, one.tests) for one in incidents_of(shuffled)] == [
        (one.id, one.tests) for one in incidents_of(failures)
    ]


def incident(tests: int, cells: int, since: str | None) -> Incident:
    identities = [
        TestIdentity(framework=f"f{at % cells}", arch="amd64", stage="unit", node_id=f"a.py::t{at}")
        for at in range(tests)
    ]
    where = tuple((f"f{at}", "amd64") for at in range(cells))
    return Incident(
        id="1", title="x", verdict=Verdict.NEW, tests=tuple(identities), cells=where, since=since, nights=1
    )


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        ("2026-11-17", "30 tests, 4 cells, since Tuesday"),
        ("2026-11-20", "30 tests, 4 cells, since tonight"),
        ("2026-11-13", "30 tests, 4 cells, since 2026-11-13"),
        (None, "30 tests, 4 cells"),
    ],
)
def test_an_incident_is_told_by_its_size_and_age(since, expected):
    assert phrase(incident(30, 4, since), "2026-11-20") == expected


def test_a_stage_without_a_failed_test_is_told_by_its_cells():
    assert phrase(incident(0, 1, "2026-11-20"), "2026-11-20") == "1 cell, since tonight"


@pytest.mark.parametrize("message", ["Connection reset by peer", "the server is not running", "assert False"])
def test_errors_that_something_else_leaves_behind_are_known(message):
    assert is_consequence(message)
    assert not is_consequence("KeyError: 'usage'")


def test_a_crashed_test_is_a_result_of_its_own():
    assert failure(sign="C").row.result is TestResult.CRASHED
