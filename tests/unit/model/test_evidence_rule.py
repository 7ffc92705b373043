"""The truth table of a stage's status."""

from __future__ import annotations

from typing import Any

import pytest

from nightly_pipeline.model.evidence import fold_events, stage_status
from nightly_pipeline.model.outcomes import StageStatus
from nightly_pipeline.model.requests import ContainerResult
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
    without,
)

S = StageStatus
HANGING = [session(), *collected("test_one", "test_two"), *ran("test_one"), start("test_two")]
FAILING = [
    session(),
    *collected("test_one", "test_two"),
    *ran("test_one"),
    *ran("test_two", "failed", message="assert 1 == 2"),
    finish(1),
]
SKIPPING = [session(), *collected("test_one"), *ran("test_one", "skipped", message="no GPU"), finish(0)]
UNCOLLECTED = [
    session(),
    line("collect_error", node_id="tests/test_x.py", message="No module named 'x'"),
    *collected("test_one"),
]
INTERRUPTED = [*HANGING, line("interrupted", reason="SIGTERM", running=[node("test_two")]), finish(2)]
DRY = [session(), *collected("test_one", "test_two"), finish(0)]

TABLE: list[tuple[str, list[str], ContainerResult, StageStatus, str]] = [
    # what happened, evidence, container, status, a piece of the message
    ("everything passed", passing(), container(0), S.PASSED, ""),
    ("a test failed", FAILING, container(1), S.FAILED, "1 failed of 2 tests"),
    ("failed, but a wrapper says 0", FAILING, container(0), S.FAILED, "yet the exit code is 0"),
    (
        "failed, but pytest says 0",
        [*FAILING[:-1], finish(0)],
        container(0),
        S.FAILED,
        "yet the exit code is 0",
    ),
    (
        "no test failed, pytest says 1",
        [*passing()[:-1], finish(1)],
        container(1),
        S.FAILED,
        "though no test failed",
    ),
    ("a plugin's own code", [*passing()[:-1], finish(7)], container(7), S.FAILED, "exit code 7"),
    ("everything skipped", SKIPPING, container(0), S.NO_TESTS, "no GPU"),
    ("nothing selected", [session(), *collected(), finish(5)], container(5), S.NO_TESTS, "no test was found"),
    (
        "nothing selected, pytest says 0",
        [session(), *collected(), finish(0)],
        container(0),
        S.NO_TESTS,
        "no test",
    ),
    ("exit 5 though tests ran", [*passing()[:-1], finish(5)], container(5), S.CRASHED, "but tests did"),
    ("collection error", [*UNCOLLECTED, finish(2)], container(2), S.COLLECT_ERROR, "No module named 'x'"),
    (
        "collection error, the rest ran",
        [*UNCOLLECTED, *ran("test_one", "failed"), finish(1)],
        container(1),
        S.COLLECT_ERROR,
        "tests/test_x.py",
    ),
    ("collection error, then killed", UNCOLLECTED, container(4), S.COLLECT_ERROR, "No module named 'x'"),
    ("usage error before collection", [session()], container(4), S.COLLECT_ERROR, "refused its arguments"),
    ("usage error, finished", [session(), finish(4)], container(4), S.COLLECT_ERROR, "a path is not there"),
    ("no finish, exit 0", passing()[:-1], container(0), S.CRASHED, "without pytest's finish"),
    ("no finish, exit 1", HANGING, container(1), S.CRASHED, node("test_two")),
    (
        "killed in a test",
        HANGING,
        container(137),
        S.CRASHED,
        f"died of SIGKILL, without pytest's finish, while {node('test_two')}",
    ),
    ("segfault in a test", HANGING, container(139), S.CRASHED, "died of SIGSEGV"),
    ("a signal without a name", HANGING, container(160), S.CRASHED, "died of signal 32"),
    ("killed while collecting", [session()], container(137), S.CRASHED, "before the collection"),
    ("killed between tests", passing()[:-1], container(137), S.CRASHED, "between tests (2 of 2 tests ended)"),
    (
        "passed, then died",
        passing(),
        container(139),
        S.CRASHED,
        "finished with exit code 0, then the process died",
    ),
    ("passed, then exit 1", passing(), container(1), S.CRASHED, "then the process ended with exit code 1"),
    ("interrupted", INTERRUPTED, container(2), S.CRASHED, "stopped by SIGTERM while"),
    ("interrupted, no finish", INTERRUPTED[:-1], container(143), S.CRASHED, "died of SIGTERM"),
    ("pytest interrupted itself", [*HANGING[:-1], finish(2)], container(2), S.CRASHED, "was interrupted"),
    ("stopped after failures", [*FAILING[:-1], finish(2)], container(2), S.FAILED, "1 failed"),
    (
        "pytest failed inside",
        [*HANGING, line("internal_error", message="KeyError: 'x'"), finish(3)],
        container(3),
        S.CRASHED,
        "KeyError: 'x'",
    ),
    ("exit 3 without a word", [*HANGING[:-1], finish(3)], container(3), S.CRASHED, "pytest failed inside"),
    ("deadline in a test", HANGING, container(137, timed_out=True), S.TIMED_OUT, f"while {node('test_two')}"),
    ("deadline, exit not seen", HANGING, container(None, timed_out=True), S.TIMED_OUT, "the deadline passed"),
    (
        "deadline, stopped in time",
        INTERRUPTED,
        container(2, timed_out=True),
        S.TIMED_OUT,
        "the deadline passed while",
    ),
    ("deadline, nothing written", [], container(137, timed_out=True), S.TIMED_OUT, "before the collection"),
    ("passed, then hung", passing(), container(137, timed_out=True), S.TIMED_OUT, "did not end by itself"),
    ("passed at the deadline", passing(), container(0, timed_out=True), S.TIMED_OUT, "after pytest's finish"),
    (
        "deadline after failures",
        [*FAILING[:-1]],
        container(137, timed_out=True),
        S.TIMED_OUT,
        "1 test had failed",
    ),
    ("out of memory", HANGING, container(137, out_of_memory=True), S.CRASHED, "for memory while"),
    (
        "out of memory, went on",
        passing(),
        container(0, out_of_memory=True),
        S.CRASHED,
        "pytest finished nevertheless",
    ),
    ("nothing, exit 0", [], container(0), S.CRASHED, "left no evidence"),
    ("nothing, pytest missing", [], container(1), S.INFRA_ERROR, "did not start"),
    ("nothing, plugin missing", [], container(3), S.INFRA_ERROR, "did not start"),
    ("nothing, engine refused", [], container(125), S.INFRA_ERROR, "could not start the command"),
    ("nothing, not executable", [], container(126), S.INFRA_ERROR, "cannot be executed"),
    ("nothing, not found", [], container(127), S.INFRA_ERROR, "not in this image"),
    ("nothing, killed", [], container(137), S.CRASHED, "before pytest started"),
    ("nothing, never started", [], container(None), S.INFRA_ERROR, "left no evidence"),
    ("end not seen", passing(), container(None), S.INFRA_ERROR, "end was not seen"),
    ("end not seen, but failures", FAILING, container(None), S.FAILED, "1 failed"),
    ("only garbage, exit 0", ["garbage", "{", "[]"], container(0), S.CRASHED, "left no evidence"),
    ("another schema", [line("session", schema=2), *passing()[1:]], container(0), S.INFRA_ERROR, "schema 2"),
    ("no schema", [line("session"), *passing()[1:]], container(0), S.INFRA_ERROR, "schema 0"),
    ("no beginning", passing()[1:], container(0), S.CRASHED, "beginning of the evidence is missing"),
    ("no count", without(passing(), "collection"), container(0), S.CRASHED, "announced None"),
    ("no ids", without(passing(), "collected"), container(0), S.CRASHED, "the evidence has 0"),
    (
        "a test never ran",
        [*DRY[:-1], *ran("test_one"), finish(0)],
        container(0),
        S.CRASHED,
        "1 of 2 tests never ran",
    ),
    ("nothing ran", DRY, container(0), S.CRASHED, "2 of 2 tests never ran"),
    ("finish during a test", [*HANGING, finish(0)], container(0), S.CRASHED, "was still running"),
    ("events were lost", [*passing()[:-1], finish(0, lost=3)], container(0), S.CRASHED, "3 events"),
    (
        "a phase is missing",
        [text for text in passing() if '"call"' not in text],
        container(0),
        S.CRASHED,
        "was still running",
    ),
    (
        "a worker died in a test",
        [
            *HANGING,
            line("worker_down", worker="gw0", message="gone"),
            line("crash", node_id=node("test_two"), attempt=1, worker="gw0", message="worker 'gw0' crashed"),
            finish(1),
        ],
        container(1),
        S.CRASHED,
        "worker 'gw0' crashed",
    ),
    (
        "a worker died outside of a test",
        [*passing()[:-1], line("worker_down", worker="gw0", message="Not properly terminated"), finish(0)],
        container(0),
        S.CRASHED,
        "outside of a test: gw0: Not properly terminated",
    ),
    (
        "a worker died, its test was run again",
        [
            session(),
            *collected("test_one"),
            start("test_one"),
            line("worker_down", worker="gw0", message="gone"),
            line("crash", node_id=node("test_one"), attempt=1, worker="gw0", message="crashed", rerun=True),
            *ran("test_one", attempt=2),
            finish(0),
        ],
        container(0),
        S.PASSED,
        "1 test passed only when run again",
    ),
    (
        "an outcome nobody knows",
        [session(), *collected("test_one"), *ran("test_one", "splendid"), finish(0)],
        container(0),
        S.FAILED,
        "1 failed",
    ),
    (
        "later kinds of events",
        [*passing()[:-1], line("weather", wind=3), finish(0)],
        container(0),
        S.PASSED,
        "",
    ),
]


@pytest.mark.parametrize(
    ("lines", "end", "status", "says"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_status_of_a_run(lines: list[str], end: ContainerResult, status: StageStatus, says: str):
    got, message = stage_status(fold_events(lines), mode="run", container=end)

    assert (got, says in (message or "")) == (status, True), message


DRY_TABLE: list[tuple[str, list[str], ContainerResult, StageStatus, str]] = [
    ("collected", DRY, container(0), S.COLLECTED, "2 tests collected; none ran"),
    (
        "nothing collected",
        [session(), *collected(), finish(5)],
        container(5),
        S.NO_TESTS,
        "no test was found",
    ),
    ("nothing collected, exit 0", [session(), *collected(), finish(0)], container(0), S.NO_TESTS, "no test"),
    ("collection error", [*UNCOLLECTED, finish(2)], container(2), S.COLLECT_ERROR, "No module named 'x'"),
    ("no finish", DRY[:-1], container(0), S.CRASHED, "without pytest's finish"),
    ("killed", DRY[:-1], container(137), S.CRASHED, "died of SIGKILL"),
    ("ids are missing", [DRY[0], DRY[2], finish(0)], container(0), S.CRASHED, "announced 2 tests"),
    ("count is missing", [DRY[0], DRY[1], finish(0)], container(0), S.CRASHED, "announced None"),
    ("exit 1", [*DRY[:-1], finish(1)], container(1), S.FAILED, "though no test failed"),
    ("died at the end", DRY, container(139), S.CRASHED, "died of SIGSEGV"),
    ("deadline", DRY[:1], container(137, timed_out=True), S.TIMED_OUT, "before the collection"),
    ("nothing at all", [], container(127), S.INFRA_ERROR, "not in this image"),
    (
        "something ran and failed",
        [*DRY[:-1], *ran("test_one", "failed"), finish(1)],
        container(1),
        S.FAILED,
        "1 failed",
    ),
    ("everything skipped is no matter", SKIPPING, container(0), S.COLLECTED, "1 test collected"),
]


@pytest.mark.parametrize(
    ("lines", "end", "status", "says"), [row[1:] for row in DRY_TABLE], ids=[row[0] for row in DRY_TABLE]
)
def test_status_of_a_dry_run(lines: list[str], end: ContainerResult, status: StageStatus, says: str):
    got, message = stage_status(fold_events(lines), mode="collect", container=end)

    assert (got, says in (message or "")) == (status, True), message


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"outcome": "skipped", "wasxfail": "known"}, S.NO_TESTS),
        ({"outcome": "passed", "wasxfail": "fixed?"}, S.PASSED),
        ({"outcome": "failed", "longrepr": "[XPASS(strict)] known"}, S.FAILED),
    ],
    ids=["xfailed", "xpassed", "xpassed strictly"],
)
def test_expected_failures(fields: dict[str, Any], status: StageStatus):
    call = phase("test_one", "call", **fields)
    lines = [
        session(),
        *collected("test_one"),
        phase("test_one", "setup"),
        call,
        phase("test_one", "teardown"),
        finish(int(status is S.FAILED)),
    ]

    got, _ = stage_status(fold_events(lines), mode="run", container=container(int(status is S.FAILED)))

    assert got == status
