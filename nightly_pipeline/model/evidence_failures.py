"""What went wrong in a stage, as people read it: a message for each test, and the end of what it wrote."""

from __future__ import annotations

from nightly_pipeline.model.evidence_records import Attempt, StageEvidence, TestOutcome, TestRecord
from nightly_pipeline.model.outcomes import TestFailure

OUTPUTS_KEPT, OUTPUT_CHARACTERS = 100, 3_000
"""Of how many failures of a stage the output is kept beside the message, and how much of each of its parts."""


def failures_of(evidence: StageEvidence) -> tuple[TestFailure, ...]:
    """One readable failure for each file that could not be collected and each test that went wrong."""
    uncollected = [
        TestFailure(
            test=error.node_id,
            message=f"could not be collected: {error.message}",
            output=_tail(error.detail) if number < OUTPUTS_KEPT else None,
        )
        for number, error in enumerate(evidence.collect_errors)
    ]
    tests = [
        TestFailure(
            test=test.node_id,
            message=_why(test),
            output=_output(test.deciding) if number < OUTPUTS_KEPT else None,
        )
        for number, test in enumerate(evidence.bad_tests)
    ]
    return (*uncollected, *tests)


def _output(attempt: Attempt | None) -> str | None:
    """The traceback, then what was captured, each with the end kept: that is where the error is."""
    if attempt is None:
        return None
    named = (("", attempt.detail), ("captured stdout", attempt.stdout), ("captured stderr", attempt.stderr))
    parts = [f"--- {name}\n{tail}" if name else tail for name, text in named if (tail := _tail(text))]
    return "\n".join(parts) or None


def _tail(text: str | None) -> str | None:
    whole = (text or "").strip("\n")
    return f"…{whole[-OUTPUT_CHARACTERS:]}" if len(whole) > OUTPUT_CHARACTERS else whole or None


def _why(test: TestRecord) -> str:
    message = test.message or f"{test.outcome.value}, without a message"
    deciding = test.deciding
    if test.outcome is TestOutcome.ERROR and deciding is not None and deciding.phase:
        return f"error in {deciding.phase}: {message}"
    return message
