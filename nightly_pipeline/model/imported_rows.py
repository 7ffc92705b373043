"""What other systems' JUnit files say, as rows of the history."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from nightly_pipeline.model.evidence_records import TestOutcome
from nightly_pipeline.model.history import BAD_RESULTS, EntryRow, NightRow, TestResult, TestRow
from nightly_pipeline.model.outcomes import Record
from nightly_pipeline.model.signature import signature_of
from nightly_pipeline.model.untrusted import clip

MESSAGE_LIMIT = 1000
PROFILE = "import"
"""What imported nights have in place of a profile."""

_RESULTS = {
    TestOutcome.PASSED: TestResult.PASSED,
    TestOutcome.FAILED: TestResult.FAILED,
    TestOutcome.ERROR: TestResult.ERROR,
    TestOutcome.SKIPPED: TestResult.SKIPPED,
    TestOutcome.NOT_RUN: TestResult.NOT_RUN,
}
_SKIPS = {"pytest.xfail": TestResult.XFAILED, "not_run": TestResult.NOT_RUN}
"""Types of what counts as skipped: pytest's for a test that failed as it should, ours for one that never started."""

_WORST_FIRST = (
    TestResult.ERROR,
    TestResult.FAILED,
    TestResult.PASSED,
    TestResult.XFAILED,
    TestResult.SKIPPED,
    TestResult.NOT_RUN,
)


class Case(Protocol):
    """One test case of a file."""

    @property
    def node_id(self) -> str:
        """The test's name."""
        ...

    @property
    def outcome(self) -> TestOutcome:
        """How it ended."""
        ...

    @property
    def duration_s(self) -> float:
        """Seconds."""
        ...

    @property
    def message(self) -> str | None:
        """Why it is not good, in a line."""
        ...

    @property
    def kind(self) -> str | None:
        """The type of the failure, error or skip."""
        ...

    @property
    def repeats(self) -> int:
        """How many attempts failed before the one that counts."""
        ...


class ImportedRun(Record):
    """What files belong to, as a person says it; a file says none of it."""

    date: str
    run_id: str
    framework: str
    arch: str
    stage: str
    engine_kind: str
    source_revision: str | None = None
    image_digest: str | None = None


def imported_tests(cases: Iterable[Case], run: ImportedRun) -> list[TestRow]:
    """One row a test. Of several cases with one name the worst counts, and the good ones are attempts of it."""
    return _one_each(_row(case, run) for case in cases)


def imported_night(tests: list[TestRow], run: ImportedRun) -> tuple[NightRow, list[EntryRow]]:
    """The night and the stage these tests make: partial; good only when something passed and nothing failed.

    Args:
        tests: of all files of the run. What several files say of one test counts once, the worst of it.
        run: what they belong to.
    """
    tests = _one_each(tests)
    counts = {result: sum(row.result is result for row in tests) for result in TestResult}
    bad = sum(counts[result] for result in BAD_RESULTS)
    status = "failed" if bad else "passed" if counts[TestResult.PASSED] else "no_tests"
    shared: dict[str, Any] = {
        name: getattr(run, name) for name in ("date", "run_id", "engine_kind", "source_revision")
    }
    entry = EntryRow(
        **shared,
        framework=run.framework,
        arch=run.arch,
        name=run.stage,
        status=status,
        good=status == "passed",
        duration_s=sum(row.duration_s for row in tests),
        digest=run.image_digest,
        passed=counts[TestResult.PASSED],
        failed=counts[TestResult.FAILED],
        skipped=counts[TestResult.SKIPPED] + counts[TestResult.XFAILED],
        errors=counts[TestResult.ERROR],
        collected=len(tests),
    )
    night = NightRow(**shared, status="green" if entry.good else "red", profile=PROFILE, partial=True)
    return night, [entry]


def _row(case: Case, run: ImportedRun) -> TestRow:
    result = _RESULTS.get(case.outcome, TestResult.ERROR)
    if result is TestResult.SKIPPED:
        result = _SKIPS.get(case.kind or "", result)
    ran = result not in {TestResult.SKIPPED, TestResult.NOT_RUN}
    bad = result in BAD_RESULTS
    said = clip(case.message, MESSAGE_LIMIT) if case.message else None
    return TestRow(
        **run.model_dump(),
        node_id=case.node_id,
        result=result,
        source="import",
        attempts=case.repeats + 1 if ran else 0,
        failed_attempts=case.repeats + bad,
        duration_s=case.duration_s,
        message=said,
        signature=signature_of(case.message or result.value) if bad else None,
    )


def _one_each(rows: Iterable[TestRow]) -> list[TestRow]:
    found: dict[str, TestRow] = {}
    for row in rows:
        known = found.get(row.node_id)
        found[row.node_id] = row if known is None else _worse(known, row)
    return list(found.values())


def _worse(one: TestRow, other: TestRow) -> TestRow:
    worst = min(one, other, key=lambda row: _WORST_FIRST.index(row.result))
    attempts = {name: getattr(one, name) + getattr(other, name) for name in ("attempts", "failed_attempts")}
    return worst.model_copy(update=attempts)
