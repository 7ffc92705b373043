"""Evidence that is not whole: what cannot be read may have been the one line that speaks against a stage."""

from __future__ import annotations

import pytest

from nightly_pipeline.model.evidence import fold_events, stage_status
from nightly_pipeline.model.evidence_rows import rows_of_stage
from nightly_pipeline.model.history import TestResult
from nightly_pipeline.model.outcomes import StageStatus
from nightly_pipeline.model.requests import ContainerResult
from tests.factories import stage as stage_outcome
from tests.unit.model.evidence_streams import (
    collected,
    container,
    finish,
    line,
    passing,
    phase,
    ran,
    session,
    start,
)

S = StageStatus
ONE_LINE = "1 line of the evidence cannot be read"
FAILING = [session(), *collected("test_one"), *ran("test_one", "failed"), finish(1)]

TABLE: list[tuple[str, list[str], ContainerResult, StageStatus, str]] = [
    # what happened, evidence, container, status, the end of the message
    ("nothing is damaged", passing(), container(0), S.PASSED, ""),
    (
        "a line of nobody knows what",
        [*passing(), "{trunc"],
        container(0),
        S.CRASHED,
        f"{ONE_LINE} (exit code 0)",
    ),
    (
        "a worker process died outside of a test",
        [*passing()[:-1], line("worker_down", worker="gw0", message="gone")[:-9], finish(0)],
        container(0),
        S.CRASHED,
        f"{ONE_LINE} (exit code 0)",
    ),
    (
        "a test failed and was run again",
        [session(), *collected("test_one"), "{", "{", *ran("test_one", attempt=2), finish(0)],
        container(0),
        S.CRASHED,
        "2 lines of the evidence cannot be read (exit code 0)",
    ),
    (
        "a part of a test failed, and a plugin makes the exit code 0",
        [
            session(),
            *collected("test_one"),
            start("test_one"),
            phase("test_one", "setup"),
            phase("test_one", "call", "failed", subtest="part")[:-1],
            phase("test_one", "call"),
            phase("test_one", "teardown"),
            finish(0),
        ],
        container(0),
        S.CRASHED,
        f"{ONE_LINE} (exit code 0)",
    ),
    (
        "an error in tear-down",
        [*passing("test_one")[:-2], phase("test_one", "teardown", "failed")[:-1], finish(1)],
        container(1),
        S.CRASHED,
        f"{ONE_LINE} (exit code 1)",
    ),
    ("two runs in one file", [session(), *passing()], container(0), S.CRASHED, f"{ONE_LINE} (exit code 0)"),
    ("beside a failure", ["{", *FAILING], container(1), S.FAILED, f"1 failed of 1 test; {ONE_LINE}"),
    (
        "lost beside a failure",
        [*FAILING[:-1], finish(1, lost=2)],
        container(1),
        S.FAILED,
        "1 failed of 1 test; 2 events could not be written down; was the disk full?",
    ),
    ("without a finish", ["{", *FAILING[:-1]], container(1), S.CRASHED, f"(1 of 1 test ended); {ONE_LINE}"),
]


@pytest.mark.parametrize(
    ("lines", "end", "status", "says"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_what_cannot_be_read_is_never_green_and_always_told(
    lines: list[str], end: ContainerResult, status: StageStatus, says: str
):
    got, message = stage_status(fold_events(lines), mode="run", container=end)

    assert got is status
    assert (message or "").endswith(says)


def test_a_dry_run_with_a_line_that_cannot_be_read_is_not_collected():
    lines = [session(), *collected("test_one"), "{trunc", finish(0)]

    got = stage_status(fold_events(lines), mode="collect", container=container(0))

    assert got == (S.CRASHED, f"{ONE_LINE} (exit code 0)")


def test_a_test_whose_end_cannot_be_read_is_not_held_responsible_for_it():
    lines = [*passing("test_one")[:-2], phase("test_one", "teardown")[:-1], finish(0)]

    [row] = rows_of_stage(fold_events(lines), stage_outcome(status="crashed", mode="run", message=ONE_LINE))

    assert row.result is TestResult.NOT_RUN
