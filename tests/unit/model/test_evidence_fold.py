"""What events become: the session, its tests, their failures and who is to blame."""

from __future__ import annotations

import pytest

from nightly_pipeline.model.evidence import StageEvidence, TestOutcome, failures_of, fold_events
from nightly_pipeline.model.outcomes import EngineFacts, TestFailure
from tests.unit.model.evidence_streams import collected, line, node, phase, ran, session, start


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
