"""Events that are damaged, hostile or too many: never a pass, never a crash of ours."""

from __future__ import annotations

import json
import tracemalloc

import pytest

from nightly_pipeline.model import evidence_fold
from nightly_pipeline.model.evidence import TestOutcome, failures_of, fold_events, stage_status
from nightly_pipeline.model.evidence_drafts import DETAIL_BUDGET, Budget, TestDraft
from nightly_pipeline.model.evidence_lines import parse_line
from nightly_pipeline.model.outcomes import StageCounts, StageStatus
from tests.unit.model.evidence_streams import container, finish, node, passing, ran, session, start


def test_two_sessions_in_one_file_are_damage():
    assert fold_events([session(), session()]).damaged == 1


@pytest.mark.parametrize(
    "damaged",
    [
        "",
        "garbage",
        '{"event":"start"',
        "[]",
        "null",
        "3",
        '"text"',
        '{"no":"event"}',
        '{"event":7}',
        b"\xff\xfe\x00",
        "[" * 100_000,
        '{"event":' * 50_000,
        '{"event":"start","attempt":' + "9" * 10_000 + "}",
    ],
    ids=lambda line: f"{len(line)} of {line[:8]!r}",
)
def test_damaged_lines_are_counted_and_harm_nothing(damaged: str | bytes):
    evidence = fold_events([*passing("test_one"), damaged])

    assert (evidence.damaged, evidence.counts) == (1, StageCounts(passed=1, collected=1))


@pytest.mark.parametrize(
    "hostile",
    [
        {"node_id": ["a"]},
        {"attempt": -1},
        {"attempt": 10**12},
        {"attempt": True},
        {"duration_s": "long"},
        {"duration_s": -5},
        {"duration_s": float("nan")},
        {"duration_s": float("inf")},
        {"duration_s": 10**400},
        {"when": {"a": 1}},
        {"outcome": 3},
        {"message": ["x"] * 1000},
        {"markers": {"a": "b"}},
        {"markers": [["unit"], 3, None]},
        {"worker": {}},
        {"wasxfail": [[]]},
        {"subtest": [0]},
    ],
    ids=str,
)
def test_fields_of_the_wrong_type_never_raise_and_never_pass(hostile: dict[str, object]):
    fields = {"node_id": node("test_one"), "attempt": 1, "when": "call", "outcome": "failed"} | hostile

    evidence = fold_events([json.dumps({"event": "phase", "time": "now", **fields})])

    assert all(test.outcome not in (TestOutcome.PASSED, TestOutcome.SKIPPED) for test in evidence.tests)
    assert all(0 <= test.duration_s < 1e11 for test in evidence.tests)


def test_text_can_be_encoded_and_stored_anywhere():
    lines = ran("test_\udcff", "failed", message="nul \x00 lone \ud800 pair \U0001f600", longrepr="\udcff")
    evidence = fold_events(lines)
    [failure] = failures_of(evidence)

    assert failure.model_dump_json()
    assert failure.message == "nul \\x00 lone \\ud800 pair \U0001f600"
    assert failure.test == node("test_\\udcff")


def test_two_long_node_ids_that_differ_stay_two():
    evidence = fold_events([*ran("x" * 100_000 + "a"), *ran("x" * 100_000 + "b")])

    assert [test.outcome for test in evidence.tests] == [TestOutcome.PASSED] * 2
    assert all(len(test.node_id) < 2300 for test in evidence.tests)


def test_more_attempts_than_are_kept_are_never_a_whole_picture():
    budget = Budget(attempts=2)
    draft = TestDraft(node("test_one"))
    events = [parse_line(start("test_one", number)) for number in (1, 2, 3)]

    assert [draft.start(event, budget) for event in events if event] == [True, True, False]


def test_more_evidence_than_is_read_is_never_a_whole_picture(monkeypatch):
    lines = passing("test_one")
    monkeypatch.setattr(evidence_fold, "BYTES_LIMIT", sum(map(len, lines)) - 1)
    evidence = fold_events(lines)

    assert (evidence.overflow, evidence.finished) == (True, False)
    assert stage_status(evidence, mode="run", container=container(0)) == (
        StageStatus.CRASHED,
        "there is more evidence than can be judged",
    )


def test_more_tests_than_are_kept_are_never_a_whole_picture(monkeypatch):
    monkeypatch.setattr(evidence_fold, "TESTS_LIMIT", 1)
    evidence = fold_events(passing("test_one", "test_two"))

    assert evidence.overflow
    assert stage_status(evidence, mode="run", container=container(0))[0] is StageStatus.CRASHED


def test_an_image_that_describes_itself_without_end_has_no_facts():
    deep = '{"event":"session","schema":1,"image":' + '{"a":' * 900 + "1" + "}" * 901

    assert fold_events([deep]).schema in (1, None)


def test_memory_is_bounded_however_much_the_tests_print():
    text = "x" * 100_000

    def flood():
        yield session()
        for number in range(1_000):  # 200 MB of detail
            yield from ran(f"test_{number}", "failed", message=f"assert {number}", longrepr=text, stdout=text)
        yield finish(1)

    tracemalloc.start()
    try:
        evidence = fold_events(flood())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert evidence.counts.failed == 1_000
    assert all(test.message for test in evidence.tests)
    assert peak < 1.5 * DETAIL_BUDGET
