"""A test's past, drawn: one sign a night, so that a case can be read at a glance."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

from nightly_pipeline.model.history import TestIdentity, TestResult, TestRow
from nightly_pipeline.model.judgement import TestVerdict
from nightly_pipeline.model.past import TestNight, pasts
from nightly_pipeline.model.signature import signature_of
from nightly_pipeline.model.surroundings import environment_errors
from nightly_pipeline.model.verdicts import Background, judge_test

FIRST = date(2026, 11, 1)
TEST = TestIdentity(framework="vllm", arch="amd64", stage="unit", node_id="unit/test_a.py::test_x")
ERROR = "KeyError: 'usage'"
RESULTS = {
    ".": TestResult.PASSED,
    "x": TestResult.PASSED,
    "F": TestResult.FAILED,
    "E": TestResult.ERROR,
    "C": TestResult.CRASHED,
    "s": TestResult.SKIPPED,
    "n": TestResult.NOT_RUN,
    "c": TestResult.COLLECTED,
}
"""`x` passed at the second attempt; `-` is a night without a row."""


def day(number: int) -> str:
    """The date of the night of this number."""
    return (FIRST + timedelta(days=number)).isoformat()


def row(sign: str, night: int, *, error: str = ERROR, test: TestIdentity = TEST, **fields: Any) -> TestRow:
    """One result; a bad one, and one after a failed attempt, has an error."""
    result = RESULTS[sign]
    wrong = sign in "FECx"
    given = {
        "date": day(night),
        "run_id": f"run-{night}",
        **test.model_dump(),
        "result": result,
        "attempts": 2 if sign == "x" else 1,
        "failed_attempts": int(wrong),
        "message": error if wrong else None,
        "signature": signature_of(error) if wrong else None,
        "image_digest": f"sha256:{night}",
        "source_revision": f"commit-{night}",
        "engine_kind": "mock",
        "finished_at": datetime.combine(FIRST, datetime.min.time(), UTC) + timedelta(days=night, hours=9),
    }
    return TestRow(**{**given, **fields})


def drawn(signs: str, **fields: Any) -> Iterator[TestRow]:
    """`..F-F` is good twice, bad, without a result, and bad."""
    return (row(sign, night, **fields) for night, sign in enumerate(signs) if sign != "-")


def nights(
    rows: list[TestRow], *, until: str | None = None, test: TestIdentity = TEST
) -> tuple[TestNight, ...]:
    """The nights of a test, of the mock engine."""
    last = until or max(one.date for one in rows)
    return pasts(rows, until=last, engine="mock")[test]


def verdict(rows: list[TestRow], *, tonight: str | None = None) -> TestVerdict | None:
    """The verdict on the test of these rows, on their last night or another."""
    until = tonight or max(one.date for one in rows)
    past = nights(rows, until=until)
    known = environment_errors({past[-1].row.identity: past})
    return judge_test(past, Background(until, tuple(sorted({one.date for one in rows})), known))
