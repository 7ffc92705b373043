"""What the history remembers of a stage's tests."""

from __future__ import annotations

from datetime import timedelta

import pytest

from nightly_pipeline.model import evidence_rows
from nightly_pipeline.model.evidence import TestOutcome, fold_events, stage_status
from nightly_pipeline.model.evidence_rows import MESSAGE_LIMIT, MESSAGE_LINES, rows_of_stage
from nightly_pipeline.model.history import TestResult, TestRow
from nightly_pipeline.model.outcomes import EngineFacts, StageOutcome
from nightly_pipeline.model.signature import signature_of
from tests.factories import DATE, RUN_ID, STARTED
from tests.factories import stage as stage_outcome
from tests.unit.model.evidence_streams import (
    collected,
    container,
    finish,
    line,
    node,
    phase,
    ran,
    session,
    start,
)

CHAINED = """\
E   ValueError: the cause
E     not this

The above exception was the direct cause of the following exception:
>   assert got == wanted
E   AssertionError: assert [1,   2] == [1, 3]
E
E     At index 1 diff: 2 != 3

test_it.py:3: AssertionError
E   not this either
"""
FAILED = {"message": "assert 1 == 2", "exception": "AssertionError"}


def rows(lines: list[str], **fields: object) -> list[TestRow]:
    return rows_of_stage(fold_events(lines), stage_outcome(**{"status": "failed", **fields}), "abc")


def row(lines: list[str], **fields: object) -> TestRow:
    [only] = rows(lines, **fields)
    return only


def test_a_row_carries_what_its_stage_ran_on():
    outcome = stage_outcome(
        framework="sglang",
        arch="arm64",
        stage="integration",
        mode="run",
        status="passed",
        runner="gpu-l40-amd64",
        image_digest="sha256:12",
        duration_s=90.0,
        engine=EngineFacts(kind="real", name="sglang", version="0.5.23"),
    )

    [found] = rows_of_stage(fold_events(ran("test_one")), outcome, "9c1d5e0f")

    assert found == TestRow(
        date=DATE,
        run_id=RUN_ID,
        framework="sglang",
        arch="arm64",
        stage="integration",
        node_id=node("test_one"),
        result=TestResult.PASSED,
        duration_s=0.75,
        image_digest="sha256:12",
        source_revision="9c1d5e0f",
        runner="gpu-l40-amd64",
        engine="sglang 0.5.23",
        engine_kind="real",
        finished_at=STARTED + timedelta(minutes=3, seconds=90),
    )


def test_a_stage_of_which_little_is_known_has_rows_all_the_same():
    outcome = StageOutcome(
        date=DATE, run_id=RUN_ID, framework="vllm", arch="amd64", stage="unit", status="failed", runner="gpu"
    )

    [found] = rows_of_stage(fold_events(ran("test_one")), outcome)

    assert (found.engine, found.engine_kind, found.finished_at, found.image_digest) == (None,) * 4


def test_without_evidence_there_are_no_rows():
    assert rows([], status="blocked") == []


def test_a_failure_has_its_message_and_its_signature():
    found = row(ran("test_one", "failed", **FAILED))

    assert (found.result, found.attempts, found.failed_attempts) == (TestResult.FAILED, 1, 1)
    assert (found.message, found.signature) == (
        "assert 1 == 2",
        signature_of("AssertionError: assert 1 == 2"),
    )


def test_a_message_takes_the_lines_that_follow_it_in_the_last_traceback():
    found = row(
        ran("test_one", "failed", message="AssertionError: assert [1, 2] == [1, 3]", longrepr=CHAINED)
    )

    assert found.message == "AssertionError: assert [1, 2] == [1, 3]\n\nAt index 1 diff: 2 != 3"


def test_a_message_is_bounded():
    lines = [f"E   AssertionError: {'x' * 400}", *(f"E   {'y' * 400}" for _ in range(100))]

    found = row(
        ran("test_one", "failed", message=f"AssertionError: {'x' * 400}", longrepr="\n".join(lines))
    ).message

    assert found is not None
    assert len(found) == MESSAGE_LIMIT
    assert found.count("\n") < MESSAGE_LINES


def test_an_error_in_teardown_after_a_failure_is_one_failed_row():
    found = row(
        [
            start("test_one"),
            phase("test_one", "setup"),
            phase("test_one", "call", "failed", **FAILED),
            phase("test_one", "teardown", "failed", message="still running"),
        ]
    )

    assert (found.result, found.failed_attempts, found.message) == (TestResult.FAILED, 1, "assert 1 == 2")


@pytest.mark.parametrize("phases", [("setup",), ("setup", "teardown")], ids=["set-up", "tear-down"])
def test_a_broken_fixture_is_an_error(phases: tuple[str, ...]):
    broken = [phase("test_one", phases[-1], "failed", message="RuntimeError: no engine")]
    whole = [
        start("test_one"),
        *(broken if phases == ("setup",) else [phase("test_one", "setup"), phase("test_one", "call")]),
        *([phase("test_one", "teardown")] if phases == ("setup",) else broken),
    ]

    assert row(whole).result is TestResult.ERROR


def test_a_skip_keeps_its_reason_and_has_no_signature():
    found = row(
        [
            start("test_one"),
            phase("test_one", "setup", "skipped", message="no GPU here"),
            phase("test_one", "teardown"),
        ]
    )

    assert (found.result, found.message, found.signature) == (TestResult.SKIPPED, "no GPU here", None)


@pytest.mark.parametrize(
    ("outcome", "result"), [("skipped", TestResult.XFAILED), ("passed", TestResult.XPASSED)]
)
def test_an_expected_failure_is_told_from_a_skip_and_from_a_pass(outcome: str, result: TestResult):
    found = row(ran("test_one", outcome, wasxfail="known"))

    assert (found.result, found.failed_attempts, found.signature) == (result, 0, None)


def test_an_expected_failure_whose_fixture_breaks_is_an_error():
    lines = [
        start("test_one"),
        phase("test_one", "setup"),
        phase("test_one", "call", "skipped", wasxfail="known"),
        phase("test_one", "teardown", "failed", message="still running"),
    ]

    assert row(lines).result is TestResult.ERROR


def test_a_rerun_that_passed_remembers_the_failure():
    lines = [*ran("test_one", "rerun", attempt=1, **FAILED), *ran("test_one", attempt=2)]

    found = row(lines, status="passed")

    assert (found.result, found.attempts, found.failed_attempts) == (TestResult.PASSED, 2, 1)
    assert (found.message, found.signature) == (
        "assert 1 == 2",
        signature_of("AssertionError: assert 1 == 2"),
    )
    assert found.duration_s == 0.75  # of the last attempt


def test_a_rerun_that_failed_hard_counts_every_attempt_and_has_the_last_word():
    lines = [
        *ran("test_one", "rerun", attempt=1, message="first"),
        *ran("test_one", "failed", attempt=2, message="second"),
    ]

    found = row(lines)

    assert (found.result, found.attempts, found.failed_attempts, found.message) == (
        TestResult.FAILED,
        2,
        2,
        "second",
    )


def test_what_was_selected_and_never_started_did_not_run():
    lines = [session(), *collected("test_one", "test_two"), *ran("test_one", "failed", **FAILED)]

    assert [(found.result, found.attempts) for found in rows(lines)] == [
        (TestResult.FAILED, 1),
        (TestResult.NOT_RUN, 0),
    ]


def test_a_dry_run_collects():
    found = row([session(), *collected("test_one"), finish(0)], arch="arm64")

    assert (found.result, found.attempts, found.duration_s) == (TestResult.COLLECTED, 0, 0.0)


def test_a_file_that_could_not_be_collected_is_an_error_of_its_own():
    lines = [
        session(),
        line("collect_error", node_id="test_new.py", message="ModuleNotFoundError: No module named 'x'"),
        line("collect_error", node_id="test_new.py", message="again, by another worker"),
        *collected("test_one"),
    ]

    found, other = rows(lines, status="collect_error")

    assert (found.node_id, found.result, found.attempts, found.failed_attempts) == (
        "test_new.py",
        TestResult.ERROR,
        1,
        1,
    )
    assert found.signature == signature_of(found.message or "")
    assert other.result is TestResult.NOT_RUN


def hanging(*names: str) -> list[str]:
    return [session(), *collected(*names), *(start(name) for name in names)]


def test_the_test_that_was_running_at_the_deadline_crashed():
    evidence = fold_events(hanging("test_one"))
    status, message = stage_status(evidence, mode="run", container=container(137, timed_out=True))

    [found] = rows_of_stage(evidence, stage_outcome(status=status.value, message=message))

    assert (found.result, found.failed_attempts) == (TestResult.CRASHED, 1)
    assert found.message == f"the deadline passed while {node('test_one')} was running"
    assert found.signature == signature_of("the deadline passed while the test was running")


def test_one_end_of_a_process_is_one_signature_for_all_tests_it_took():
    message = f"the process died of SIGSEGV, without pytest's finish, while {node('b')} was running"

    found = rows(hanging("a", "b"), status="crashed", message=message)

    assert [each.result for each in found] == [TestResult.CRASHED] * 2
    assert len({each.signature for each in found}) == 1
    assert {each.message for each in found} == {message}


def test_a_crashed_worker_names_its_test_and_the_signature_does_not():
    crash = line("crash", node_id=node("test_one"), attempt=1, message=f"crashed in {node('test_one')}")

    found = row([start("test_one"), crash], status="crashed", message="another thing")

    assert (found.result, found.message) == (TestResult.CRASHED, f"crashed in {node('test_one')}")
    assert found.signature == signature_of("crashed in the test")


def test_a_crash_of_a_worker_that_was_run_again_is_a_flake_with_the_same_signature():
    crash = line(
        "crash", node_id=node("test_one"), attempt=1, message=f"crashed in {node('test_one')}", rerun=True
    )

    found = row([start("test_one"), crash, *ran("test_one", attempt=2)], status="passed")

    assert (found.result, found.attempts, found.failed_attempts) == (TestResult.PASSED, 2, 1)
    assert found.signature == signature_of("crashed in the test")


@pytest.mark.parametrize("status", ["cancelled", "infra_error", "passed"])
def test_a_stage_that_was_stopped_from_outside_or_was_good_says_nothing_against_its_running_test(status: str):
    found = row(hanging("test_one"), status=status, message="the container's end was not seen")

    assert (found.result, found.failed_attempts, found.signature) == (TestResult.NOT_RUN, 0, None)


def test_the_stage_of_a_test_left_unfinished_may_be_about_something_else():
    found = row(hanging("test_one"), status="failed", message="1 failed of 2 tests")

    assert found.result is TestResult.CRASHED
    assert found.message == "never ended: the process ended while it was running"


def test_every_outcome_of_a_test_has_a_result():
    assert set(evidence_rows._RESULTS) == set(TestOutcome)
