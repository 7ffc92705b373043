"""What the phases, subtests and attempts of a test make of it."""

from __future__ import annotations

import pytest

from nightly_pipeline.model.evidence import TestOutcome, failures_of, fold_events
from nightly_pipeline.model.outcomes import StageCounts
from tests.unit.model.evidence_streams import node, passing, phase, ran, start


def test_a_passed_test_has_the_durations_of_its_phases():
    [test] = fold_events(passing("test_one")).tests

    assert (test.outcome, test.duration_s, test.message) == (TestOutcome.PASSED, 0.75, None)
    assert [(a.setup_s, a.call_s, a.teardown_s) for a in test.attempts] == [(0.25, 0.25, 0.25)]


def test_a_failure_and_an_error_in_teardown_are_one_test():
    lines = [
        start("test_one"),
        phase("test_one", "setup"),
        phase("test_one", "call", "failed", message="assert 0", longrepr="call's"),
        phase("test_one", "teardown", "failed", message="still running", longrepr="teardown's"),
    ]
    evidence = fold_events(lines)
    [test] = evidence.tests

    assert (test.outcome, test.message) == (TestOutcome.FAILED, "assert 0")
    assert test.attempts[0].detail == "call's\n\n[teardown]\nteardown's"
    assert evidence.counts == StageCounts(failed=1)


def test_an_error_says_its_phase():
    lines = [
        start("test_one"),
        phase("test_one", "setup", "failed", message="no engine"),
        phase("test_one", "teardown"),
    ]
    evidence = fold_events(lines)

    assert [failure.message for failure in failures_of(evidence)] == ["error in setup: no engine"]
    assert evidence.counts == StageCounts(errors=1)


def test_a_skip_in_teardown_does_not_undo_a_pass_and_an_error_there_replaces_a_skip():
    skipped_late = [
        phase("a", "setup"),
        phase("a", "call"),
        phase("a", "teardown", "skipped", message="late"),
    ]
    failed_late = [
        phase("b", "setup"),
        phase("b", "call", "skipped", message="no GPU"),
        phase("b", "teardown", "failed", message="still running"),
    ]
    first, second = fold_events([*skipped_late, *failed_late]).tests

    assert first.outcome is TestOutcome.PASSED
    assert (second.outcome, second.message) == (TestOutcome.ERROR, "still running")


def test_a_rerun_takes_the_place_of_what_it_repeats_and_the_attempts_stay():
    lines = [*ran("test_one", "rerun", message="the first time"), *ran("test_one", attempt=2)]
    evidence = fold_events(lines)
    [test] = evidence.tests

    assert (test.outcome, test.rerun, test.duration_s) == (TestOutcome.PASSED, True, 1.5)
    assert [(a.number, a.outcome, a.superseded, a.message) for a in test.attempts] == [
        (1, TestOutcome.FAILED, True, "the first time"),
        (2, TestOutcome.PASSED, False, None),
    ]
    assert evidence.flaky == (test,)
    assert failures_of(evidence) == ()


def test_a_rerun_that_was_announced_and_never_seen_is_unfinished():
    evidence = fold_events(ran("test_one", "rerun"))

    assert (evidence.tests[0].outcome, evidence.running) == (TestOutcome.UNFINISHED, (node("test_one"),))


def test_of_two_runs_that_do_not_replace_each_other_the_worse_counts():
    evidence = fold_events([*ran("test_one", "failed"), *ran("test_one")])

    assert evidence.tests[0].outcome is TestOutcome.FAILED


def test_a_failed_subtest_fails_its_test_and_keeps_the_word():
    lines = [
        phase("test_one", "setup"),
        phase("test_one", "call", subtest="good"),
        phase("test_one", "call", "failed", subtest="bad", message="this part"),
        phase("test_one", "call", "failed", message="contains 1 failed subtest"),
        phase("test_one", "teardown"),
    ]
    [test] = fold_events(lines).tests

    assert (test.outcome, test.message) == (TestOutcome.FAILED, "this part")


def test_a_failed_subtest_fails_its_test_even_where_the_whole_claims_to_have_passed():
    """As pytest-subtests reports it; pytest itself fails the whole."""
    subtest = phase("test_one", "call", "failed", subtest="bad", message="this part")
    [test] = fold_events([*ran("test_one"), subtest]).tests

    assert (test.outcome, test.message) == (TestOutcome.FAILED, "this part")


@pytest.mark.parametrize("missing", ["setup", "call", "teardown"])
def test_passing_takes_all_three_phases(missing: str):
    lines = [phase("test_one", when) for when in ("setup", "call", "teardown") if when != missing]
    [test] = fold_events(lines).tests

    assert test.outcome is TestOutcome.UNFINISHED


def test_an_attempt_that_was_superseded_before_its_teardown_failed_all_the_same():
    lines = [phase("test_one", "setup"), phase("test_one", "call", "rerun"), *ran("test_one", attempt=2)]
    [test] = fold_events(lines).tests

    assert [attempt.outcome for attempt in test.attempts] == [TestOutcome.FAILED, TestOutcome.PASSED]
