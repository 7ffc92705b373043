"""What events become."""

from __future__ import annotations

import json
import tracemalloc

import pytest

from nightly_pipeline.model import evidence_fold
from nightly_pipeline.model.evidence import (
    StageEvidence,
    TestOutcome,
    failures_of,
    fold_events,
    stage_status,
)
from nightly_pipeline.model.evidence_drafts import DETAIL_BUDGET, Budget, TestDraft
from nightly_pipeline.model.evidence_lines import parse_line
from nightly_pipeline.model.outcomes import EngineFacts, StageCounts, StageStatus, TestFailure
from tests.unit.model.evidence_streams import (
    collected,
    container,
    finish,
    line,
    node,
    passing,
    phase,
    ran,
    session,
    start,
)


def test_nothing_at_all_is_an_empty_evidence():
    assert fold_events(()) == StageEvidence()


def test_session_facts():
    image = {"engine": {"kind": "mock", "name": "vllm", "version": "0.9"}, "built": "2026-11-20"}
    gpu = {"device": "/dev/nvidia0", "name": "NVIDIA L40", "uuid": "GPU-1"}

    facts = fold_events(
        [session(args=["-q"], gpus=[gpu], image=image, plugins={"pytest-xdist": "3.8.0"})]
    ).session

    assert facts is not None
    assert (facts.python, facts.pytest, facts.machine, facts.arguments) == (
        "3.12.1",
        "8.3.4",
        "x86_64",
        ("-q",),
    )
    assert facts.engine == EngineFacts(kind="mock", name="vllm", version="0.9")
    assert (facts.gpus[0].name, facts.image["built"], facts.plugins) == (
        "NVIDIA L40",
        "2026-11-20",
        {"pytest-xdist": "3.8.0"},
    )


@pytest.mark.parametrize(
    "image", [None, {}, [], "mock", {"engine": "mock"}, {"engine": {"kind": "pretend", "name": "x"}}]
)
def test_an_image_that_does_not_say_its_engine_has_none(image: object):
    facts = fold_events([session(image=image)]).session

    assert facts is not None
    assert facts.engine is None


@pytest.mark.parametrize(
    ("label", "kept"),
    [("a\\u0000", "a\\u0000"), ("a\x00b", "ab"), ("\\\x00", "\\"), ("\\\\u0000", "\\\\u0000")],
)
def test_what_looks_like_a_nul_in_an_image_does_not_hide_its_engine(label: str, kept: str):
    facts = fold_events([session(image={"engine": {"kind": "mock", "name": "vllm"}, "label": label})]).session

    assert facts is not None
    assert facts.engine is not None
    assert facts.image["label"] == kept


def test_collected_tests_keep_their_order_and_their_markers():
    evidence = fold_events([session(), *collected("test_b", "test_a")])

    assert evidence.node_ids == (node("test_b"), node("test_a"))
    assert [(t.markers, t.file, t.line, t.outcome) for t in evidence.tests] == [
        (("unit",), "tests/test_it.py", 3, TestOutcome.NOT_RUN)
    ] * 2


def test_a_passed_test_has_the_durations_of_its_phases():
    [test] = fold_events(passing("test_one")).tests

    assert (test.outcome, test.duration_s, test.message) == (TestOutcome.PASSED, 0.75, None)
    assert [(a.setup_s, a.call_s, a.teardown_s) for a in test.attempts] == [(0.25, 0.25, 0.25)]


def test_a_failure_is_one_line_and_keeps_its_detail():
    lines = ran(
        "test_one",
        "failed",
        message="assert 1 == 2",
        exception="AssertionError",
        longrepr="def test...\nE assert 1 == 2",
        stdout="out",
        stderr="err",
    )
    evidence = fold_events(lines)
    [test] = evidence.tests
    attempt = test.deciding

    output = "def test...\nE assert 1 == 2\n--- captured stdout\nout\n--- captured stderr\nerr"
    assert failures_of(evidence) == (
        TestFailure(test=node("test_one"), message="assert 1 == 2", output=output),
    )
    assert attempt is not None
    assert (attempt.phase, attempt.exception, attempt.detail, attempt.stdout, attempt.stderr) == (
        "call",
        "AssertionError",
        "def test...\nE assert 1 == 2",
        "out",
        "err",
    )


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


def test_of_several_running_tests_the_one_that_was_started_again_last_is_to_blame():
    evidence = fold_events([start("test_one"), start("test_two"), start("test_one", 2)])

    assert evidence.running == (node("test_two"), node("test_one"))


def test_the_last_test_to_start_is_to_blame():
    evidence = fold_events([session(), *ran("test_one"), start("test_two"), start("test_three")])

    assert evidence.running == (node("test_two"), node("test_three"))
    assert evidence.blame == node("test_three")
    assert [failure.test for failure in failures_of(evidence)] == [node("test_two"), node("test_three")]


def test_a_test_that_took_its_worker_with_it_is_to_blame_before_those_that_were_running():
    crash = line("crash", node_id=node("test_one"), attempt=1, worker="gw0", message="worker 'gw0' crashed")
    evidence = fold_events([start("test_one"), start("test_two"), crash])

    assert evidence.blame == node("test_one")
    assert evidence.tests[0].outcome is TestOutcome.CRASHED


def test_a_failure_whose_teardown_hangs_says_both():
    lines = [
        start("test_one"),
        phase("test_one", "setup"),
        phase("test_one", "call", "failed", message="assert 0"),
    ]
    [failure] = failures_of(fold_events(lines))

    assert failure.message == "assert 0; then it never ended: the process ended while it was running"


def test_workers_that_fail_alike_make_one_collection_error():
    error = line("collect_error", node_id="tests/test_x.py", message="No module named 'x'", longrepr="...")
    evidence = fold_events([error, error])

    assert failures_of(evidence) == (
        TestFailure(
            test="tests/test_x.py", message="could not be collected: No module named 'x'", output="..."
        ),
    )


def test_an_interruption_keeps_its_first_cause():
    evidence = fold_events(
        [
            line("interrupted", reason="SIGTERM", running=[node("test_one")], stacks="thread 1"),
            line("interrupted", reason="SIGINT"),
        ]
    )

    assert evidence.interruption is not None
    assert (evidence.interruption.reason, evidence.interruption.running, evidence.interruption.stacks) == (
        "SIGTERM",
        (node("test_one"),),
        "thread 1",
    )


def test_markers_of_distributed_tests_come_with_their_phases():
    [test] = fold_events([phase("test_one", "setup", markers=["gpu_1", "unit"], worker="gw1")]).tests

    assert (test.markers, test.attempts[0].worker) == (("gpu_1", "unit"), "gw1")


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
