from __future__ import annotations

from datetime import date

import pytest
from pydantic import ValidationError

from nightly_pipeline.model.history import TestIdentity
from nightly_pipeline.model.judgement import Judgement, TestVerdict, Verdict
from nightly_pipeline.model.quarantine import Quarantine, QuarantineEntry, quarantined_failures
from tests.unit.model.pasts import TEST, day, drawn, nights, row


def entry(**fields) -> QuarantineEntry:
    given = {
        "test": TEST.node_id,
        "owner": "@kv",
        "reason": "races",
        "issue": "#217",
        "since": date.fromisoformat(day(0)),
        "expires": date.fromisoformat(day(60)),
    }
    return QuarantineEntry(**{**given, **fields})


def named(node_id: str, **fields: str) -> TestIdentity:
    return TestIdentity(**{**TEST.model_dump(), "node_id": node_id, **fields})


@pytest.mark.parametrize(
    ("pattern", "node_id", "meant"),
    [
        ("a.py::test_x", "a.py::test_x", True),
        ("a.py::test_x", "a.py::test_x[1-b]", True),
        ("a.py::test_x[1]", "a.py::test_x[1]", True),
        ("a.py::test_x[1]", "a.py::test_x[2]", False),
        ("a.py::test_x[*]", "a.py::test_x[any [of] these]", True),
        ("a.py::*", "a.py::TestA::test_b", True),
        ("a.py::test_?", "a.py::test_b", True),
        ("a.py::test_?", "a.py::test_bb", False),
        ("a.py::test_x", "b/a.py::test_x", False),
        ("a.py::test.x", "a.py::test_x", False),
    ],
)
def test_a_pattern_is_a_node_id_with_stars(pattern, node_id, meant):
    assert entry(test=pattern).means(named(node_id)) is meant
    assert Quarantine(entries=(entry(test=pattern),)).means(named(node_id)) is meant


def test_an_entry_may_be_for_some_cells_alone():
    only = entry(cells=("vllm/amd64",))
    assert only.means(TEST)
    assert not only.means(named(TEST.node_id, framework="sglang"))
    assert not only.means(named(TEST.node_id, arch="arm64"))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"test": "*"}, "every test"),
        ({"issue": "later"}, "where it is followed"),
        ({"owner": ""}, "at least 1 character"),
        ({"cells": ("vllm",)}, "match pattern"),
        ({"expires": date(2020, 1, 1)}, "is before since"),
        ({"wonder": 1}, "not permitted"),
    ],
)
def test_an_entry_that_would_hide_too_much_or_says_too_little_is_refused(fields, said):
    with pytest.raises(ValidationError, match=said):
        entry(**fields)


def state(signs: str, *, leave_after: int = 3, **fields) -> str:
    past = nights(list(drawn(signs)))
    quarantine = Quarantine(entries=(entry(**fields),), leave_after_nights=leave_after)
    return quarantine.notes({TEST: past}, past[-1].date)[0].state


def active(signs: str, *, leave_after: int = 3, **fields) -> bool:
    past = nights(list(drawn(signs)))
    quarantine = Quarantine(entries=(entry(**fields),), leave_after_nights=leave_after)
    return quarantine.active(TEST, past, past[-1].date) is not None


def test_a_bad_test_is_in_the_quarantine_until_its_last_night():
    assert active(".F")
    assert active(".F", expires=date.fromisoformat(day(1)))
    assert not active("..F", expires=date.fromisoformat(day(1)))
    assert state("..F", expires=date.fromisoformat(day(1))) == "expired"


def test_a_test_that_was_good_for_long_enough_leaves_by_itself():
    assert state("F..") == "active"
    assert state("F...") == "ready_to_leave"
    assert not active("F...F")
    assert active("F..F")


def test_who_left_once_does_not_come_back_by_itself():
    assert not active("F...FFF")


def test_good_nights_before_the_entry_do_not_count():
    assert active("....F", since=date.fromisoformat(day(3)))


@pytest.mark.parametrize("signs", ["F.x.", "F.F.", "Fx..", "F.sF"])
def test_a_night_with_a_failed_attempt_is_no_good_night(signs):
    assert state(signs) == "active"


def test_nights_without_a_result_are_looked_past():
    assert state("F.-.n.") == "ready_to_leave"


def test_an_entry_that_has_not_begun_is_not_told_of():
    quarantine = Quarantine(entries=(entry(since=date.fromisoformat(day(5))),))
    assert quarantine.notes({}, day(1)) == ()


def test_an_entry_of_no_test_is_told_of():
    assert Quarantine(entries=(entry(),)).notes({}, day(1))[0].state == "unmatched"


def test_of_a_part_of_a_night_nobody_knows_whether_a_test_is_gone_or_all_are_good():
    quarantine = Quarantine(entries=(entry(),), leave_after_nights=3)
    assert quarantine.notes({}, day(1), whole=False)[0].state == "active"
    past = {TEST: nights(list(drawn("F...")))}
    assert quarantine.notes(past, day(3))[0].state == "ready_to_leave"
    assert quarantine.notes(past, day(3), whole=False)[0].state == "active"
    assert quarantine.notes({}, "2999-01-01", whole=False)[0].state == "expired"


def test_of_several_tests_all_have_to_be_good_before_the_entry_can_go():
    other = named("unit/test_a.py::test_y")
    rows = [*drawn("F..."), *drawn("F..F", test=other)]
    pasts = {TEST: nights(rows), other: nights(rows, test=other)}
    quarantine = Quarantine(entries=(entry(test="unit/test_a.py::*"),), leave_after_nights=3)
    (note,) = quarantine.notes(pasts, day(3))
    assert (note.state, note.failing, note.passed_nights) == ("active", 1, 0)
    assert quarantine.active(TEST, [*pasts[TEST], *nights([row("F", 4)])], day(4)) is None


def test_what_may_be_looked_past_is_bad_and_quarantined():
    told = [
        TestVerdict(test=TEST, verdict=Verdict.QUARANTINED),
        TestVerdict(test=named("b"), verdict=Verdict.NEW),
    ]
    assert quarantined_failures(Judgement(verdicts=tuple(told))) == {TEST}
    assert quarantined_failures(None) == frozenset()
