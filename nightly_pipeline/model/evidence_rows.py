"""What the history remembers of a stage's tests: one row each, derived from its evidence.

A row tells results apart that the stage's counts lump together: an expected failure from a skip, a test that took its
process with it from one that never came to its turn.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from nightly_pipeline.model.evidence_records import (
    BAD_OUTCOMES,
    Attempt,
    CollectError,
    StageEvidence,
    TestOutcome,
    TestRecord,
)
from nightly_pipeline.model.history import BAD_RESULTS, TestResult, TestRow
from nightly_pipeline.model.outcomes import GOOD_STAGE, StageOutcome, StageStatus
from nightly_pipeline.model.signature import signature_of
from nightly_pipeline.model.untrusted import clip

MESSAGE_LINES = 8
MESSAGE_LIMIT = 1000

_BLAMES_NOBODY = frozenset({StageStatus.CANCELLED, StageStatus.INFRA_ERROR}) | GOOD_STAGE
"""A stage that was stopped from outside, or was good, says nothing against a test whose end is not in the evidence."""

_END_OF_PROCESS = frozenset({StageStatus.TIMED_OUT, StageStatus.CRASHED})

_RESULTS = {
    TestOutcome.PASSED: TestResult.PASSED,
    TestOutcome.FAILED: TestResult.FAILED,
    TestOutcome.ERROR: TestResult.ERROR,
    TestOutcome.SKIPPED: TestResult.SKIPPED,
    TestOutcome.CRASHED: TestResult.CRASHED,
    TestOutcome.UNFINISHED: TestResult.CRASHED,
    TestOutcome.NOT_RUN: TestResult.NOT_RUN,
}
_EXPECTED = {
    (TestResult.SKIPPED, "xfailed"): TestResult.XFAILED,
    (TestResult.PASSED, "xpassed"): TestResult.XPASSED,
}
_ERROR_LINE = re.compile(r"E(?:\s+(.*))?")  # as pytest marks what went wrong in a traceback


def rows_of_stage(
    evidence: StageEvidence, outcome: StageOutcome, revision: str | None = None
) -> list[TestRow]:
    """One row for each test that was selected or run, and one for each file that could not be collected.

    A file that could not be collected is an `error` under its own path. A test that was running when the process ended
    is `crashed`, unless the stage was stopped from outside or its end was lost: then nobody knows, and it is `not_run`.
    A test that passed only when it was run again keeps the message and the signature of its last failure.

    Args:
        evidence: what the stage left behind, folded; an empty one gives no rows.
        outcome: what became of the stage: its cell, run, runner, image and engine.
        revision: the commit the image was built from.
    """
    unseen = outcome.status in _BLAMES_NOBODY or (evidence.finished and evidence.lost + evidence.damaged > 0)
    stage = _Stage(outcome, _facts(outcome, revision), evidence.blame, unseen=unseen)
    rows = {error.node_id: stage.uncollected(error) for error in evidence.collect_errors}
    for test in evidence.tests:
        rows.setdefault(test.node_id, stage.row(test))
    return list(rows.values())


def _facts(outcome: StageOutcome, revision: str | None) -> dict[str, Any]:
    """What all rows of a stage have in common."""
    engine = outcome.engine
    started = outcome.started_at
    return {
        "date": outcome.date,
        "run_id": outcome.run_id,
        "framework": outcome.framework,
        "arch": outcome.arch,
        "stage": outcome.stage,
        "image_digest": outcome.image_digest,
        "source_revision": revision,
        "runner": outcome.runner,
        "engine": f"{engine.name} {engine.version or ''}".strip() if engine else None,
        "engine_kind": engine.kind if engine else None,
        "finished_at": started and started + timedelta(seconds=outcome.duration_s),
    }


@dataclass(frozen=True)
class _Stage:
    """Makes the rows of one stage.

    Attributes:
        shared: what they have in common.
        blame: the test the stage's message names.
        unseen: what has no end has none because nobody saw it, not because it never came.
    """

    outcome: StageOutcome
    shared: dict[str, Any]
    blame: str | None
    unseen: bool

    def uncollected(self, error: CollectError) -> TestRow:
        return TestRow(
            **self.shared,
            node_id=error.node_id,
            result=TestResult.ERROR,
            failed_attempts=1,
            message=_first_lines(error.message, error.detail),
            signature=signature_of(error.message),
        )

    def row(self, test: TestRecord) -> TestRow:
        result = self._result(test)
        failed = _failed_attempts(test, result)
        crashed = result is TestResult.CRASHED
        message, signature = self._end_of_process(test) if crashed else _said(test, result, failed)
        last = test.deciding
        return TestRow(
            **self.shared,
            node_id=test.node_id,
            result=result,
            attempts=len(test.attempts),
            failed_attempts=len(failed),
            duration_s=last.duration_s if last else 0.0,
            message=message,
            signature=signature,
        )

    def _result(self, test: TestRecord) -> TestResult:
        if test.outcome is TestOutcome.NOT_RUN and self.outcome.mode == "collect":
            return TestResult.COLLECTED
        if test.outcome is TestOutcome.UNFINISHED and self.unseen:
            return TestResult.NOT_RUN
        result = _RESULTS[test.outcome]
        return _EXPECTED.get((result, test.expected_failure or ""), result)

    def _end_of_process(self, test: TestRecord) -> tuple[str, str]:
        """How the process ended. Its signature leaves names out: one cause ends the processes of many tests."""
        message = test.message or TestResult.CRASHED.value
        # The stage knows how it ended, the test only that it did not.
        if test.outcome is TestOutcome.UNFINISHED and self.outcome.status in _END_OF_PROCESS:
            message = self.outcome.message or message
        nameless = message.replace(test.node_id, "the test").replace(self.blame or test.node_id, "the test")
        return clip(message, MESSAGE_LIMIT), signature_of(nameless)


def _failed_attempts(test: TestRecord, result: TestResult) -> tuple[Attempt, ...]:
    """Attempts that went wrong. One that was stopped from outside did not."""
    bad = BAD_OUTCOMES - {TestOutcome.UNFINISHED} if result is TestResult.NOT_RUN else BAD_OUTCOMES
    return tuple(attempt for attempt in test.attempts if attempt.superseded or attempt.outcome in bad)


def _said(test: TestRecord, result: TestResult, failed: Sequence[Attempt]) -> tuple[str | None, str | None]:
    """The message, and the signature of the error when there was one; a skip has its reason as its message."""
    # Of a bad result the attempt that decided it has the word, of a flake the last failure.
    attempt = failed[-1] if failed and result not in BAD_RESULTS else test.deciding
    if attempt is None:
        return None, None
    message = _first_lines(attempt.message, attempt.detail)
    return message, signature_of(_named(attempt, message, test.node_id)) if failed else None


def _named(attempt: Attempt, message: str | None, node_id: str) -> str:
    """The error with its kind in front, so that an `assert` and a lookup of the same value stay two errors."""
    kind = (attempt.exception or "").rpartition(".")[2]
    text = (message or attempt.outcome.value).replace(node_id, "the test")
    return text if not kind or text.startswith(kind) else f"{kind}: {text}"


def _first_lines(message: str | None, detail: str | None) -> str | None:
    """The message, and the lines that follow it in the traceback: what an assertion compared, for example."""
    if not message:
        return None
    lines = [message, *_following(message, detail or "")]
    return clip("\n".join(lines[:MESSAGE_LINES]), MESSAGE_LIMIT)


def _following(message: str, detail: str) -> Iterator[str]:
    """Error lines of the traceback after the one that says the message. The last place counts: causes come first."""
    lines = [_ERROR_LINE.fullmatch(line) for line in detail.splitlines()]
    said = [number for number, found in enumerate(lines) if found and _same(found[1], message)]
    for found in lines[said[-1] + 1 :] if said else ():
        if found is None:
            return
        yield found[1] or ""


def _same(line: str | None, message: str) -> bool:
    return " ".join((line or "").split())[: len(message)] == message
