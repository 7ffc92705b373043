"""The values evidence is folded into: the session, every test with its attempts, and how it all ended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from nightly_pipeline.model.outcomes import EngineFacts, StageCounts

NEVER_ENDED = "never ended: the process ended while it was running"


class TestOutcome(StrEnum):
    """How one test ended, all its phases and attempts taken together."""

    __test__ = False  # not a test class, whatever pytest thinks of the name

    PASSED = "passed"
    FAILED = "failed"  # its own code failed, in the call phase or in a subtest
    ERROR = "error"  # its set-up or tear-down failed
    SKIPPED = "skipped"  # skipped, or failed as expected
    CRASHED = "crashed"  # it took a worker process with it
    UNFINISHED = "unfinished"  # started, and its end was never seen
    NOT_RUN = "not_run"  # selected, and never started


BAD_OUTCOMES = frozenset({TestOutcome.FAILED, TestOutcome.ERROR, TestOutcome.CRASHED, TestOutcome.UNFINISHED})
"""Outcomes that make a failure of their own. A test that never started is told by its stage."""

CONCLUDED = frozenset(
    {
        TestOutcome.PASSED,
        TestOutcome.FAILED,
        TestOutcome.ERROR,
        TestOutcome.SKIPPED,
        TestOutcome.CRASHED,
    }
)


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU the test process could see: its device node and, where the driver tells, its model and UUID."""

    device: str
    name: str | None = None
    uuid: str | None = None


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """What the test process said about itself when it started.

    Attributes:
        started_at: seconds since the epoch, by the container's clock.
        arguments: pytest's own.
        plugins: distribution -> version of pytest's installed plugins.
        image: what the image says of itself (`/etc/nightly/image.json`), empty when it says nothing.
        engine: the inference engine, as the image says; None when it does not.
    """

    started_at: float
    python: str
    pytest: str
    machine: str
    platform: str
    pid: int
    arguments: tuple[str, ...] = ()
    gpus: tuple[Gpu, ...] = ()
    plugins: dict[str, str] = field(default_factory=dict)
    image: dict[str, Any] = field(default_factory=dict)
    engine: EngineFacts | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run of a test. A test has several when a plugin runs it again after a failure.

    Attributes:
        number: from 1.
        outcome: of this run alone; UNFINISHED while its tear-down has not been seen.
        superseded: it failed and the test was run again, so it does not decide how the test ended.
        phase: the phase that failed or was skipped (setup, call, teardown), else the last one seen.
        setup_s, call_s, teardown_s: seconds each phase took; None for a phase that was not seen.
        message: one line; None when there is nothing to say.
        exception: qualified name of the exception's class, when there was one.
        detail: the traceback as pytest shows it, head and tail; kept only for runs that went wrong.
        stdout, stderr: what was captured, head and tail, with the count of bytes cut in between.
        worker: the worker process that ran it, when there are several.
    """

    number: int
    outcome: TestOutcome
    superseded: bool = False
    phase: str | None = None
    setup_s: float | None = None
    call_s: float | None = None
    teardown_s: float | None = None
    message: str | None = None
    exception: str | None = None
    detail: str | None = None
    stdout: str | None = None
    stderr: str | None = None
    worker: str | None = None

    @property
    def duration_s(self) -> float:
        """Seconds of all phases."""
        return (self.setup_s or 0.0) + (self.call_s or 0.0) + (self.teardown_s or 0.0)


@dataclass(frozen=True, slots=True)
class TestRecord:
    """One test: selected, run, or both.

    Attributes:
        node_id: pytest's node id; one longer than 2,000 characters is shortened and ends in a hash of the
        whole.
        selected: pytest collected it and did not deselect it.
        file, line: where its code is; line counts from 1, None when not known.
        expected_failure: "xfailed" or "xpassed" for a test marked xfail, else None.
    """

    __test__ = False

    node_id: str
    outcome: TestOutcome
    selected: bool
    markers: tuple[str, ...] = ()
    file: str | None = None
    line: int | None = None
    attempts: tuple[Attempt, ...] = ()
    expected_failure: str | None = None

    @property
    def duration_s(self) -> float:
        """Seconds of all attempts together."""
        return sum(attempt.duration_s for attempt in self.attempts)

    @property
    def deciding(self) -> Attempt | None:
        """The attempt that decided the outcome: the last that was not superseded; None without any."""
        return next((a for a in reversed(self.attempts) if not a.superseded), None) or (
            self.attempts[-1] if self.attempts else None
        )

    @property
    def message(self) -> str | None:
        """One line about a test that did not pass; None when there is nothing to say."""
        said = self.deciding.message if self.deciding else None
        if self.outcome is TestOutcome.UNFINISHED:
            return f"{said}; then it {NEVER_ENDED}" if said else NEVER_ENDED
        return said

    @property
    def rerun(self) -> bool:
        """Whether it was run again: passing then is evidence of flakiness."""
        return any(attempt.superseded for attempt in self.attempts)


@dataclass(frozen=True, slots=True)
class CollectError:
    """A file or folder pytest could not collect from."""

    node_id: str
    message: str
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Interruption:
    """Somebody stopped the run from outside, or it stopped itself before its end.

    Attributes:
        reason: SIGTERM, SIGINT, or what `pytest.exit` was given.
        running: node ids of the tests that were running.
        stacks: what every thread was doing, when it could be told.
    """

    reason: str
    running: tuple[str, ...] = ()
    stacks: str | None = None


@dataclass(frozen=True, slots=True)
class StageEvidence:
    """Everything one test run left behind, in order of first appearance.

    Attributes:
        session: None when the run never got as far as writing its first line.
        schema: the schema the writer named; None when it named none.
        tests: every test that was selected or run.
        collected: how many selected node ids came in; `announced` is how many the run said there are.
        deselected: None when not known (several worker processes).
        running: started and not ended, in order of their start.
        exit_code: what pytest said at its end; None without a `finish`.
        events: how many events were understood; 0 means that there is no evidence at all.
        lost: events the writer could not write down.
        damaged: lines that could not be read; what they said is not known.
        overflow: there was more than is kept in memory, so the picture is not whole.
    """

    session: SessionFacts | None = None
    schema: int | None = None
    tests: tuple[TestRecord, ...] = ()
    collected: int = 0
    announced: int | None = None
    deselected: int | None = None
    collect_errors: tuple[CollectError, ...] = ()
    collect_skips: tuple[CollectError, ...] = ()
    running: tuple[str, ...] = ()
    workers_lost: tuple[str, ...] = ()
    internal_error: str | None = None
    interruption: Interruption | None = None
    finished: bool = False
    exit_code: int | None = None
    events: int = 0
    lost: int = 0
    damaged: int = 0
    overflow: bool = False
    counts: StageCounts = field(default_factory=StageCounts)

    @property
    def blame(self) -> str | None:
        """The test to blame for a crash or a hang: it took its process with it, or was the last to start."""
        crashed = [test.node_id for test in self.tests if test.outcome is TestOutcome.CRASHED]
        return crashed[0] if crashed else self.running[-1] if self.running else None

    @property
    def node_ids(self) -> tuple[str, ...]:
        """The selected tests, in the order of their collection."""
        return tuple(test.node_id for test in self.tests if test.selected)

    @property
    def flaky(self) -> tuple[TestRecord, ...]:
        """Tests that failed and passed when they were run again, within this one run."""
        return tuple(test for test in self.tests if test.rerun and test.outcome is TestOutcome.PASSED)

    @property
    def bad_tests(self) -> Iterator[TestRecord]:
        """Tests that failed, errored, crashed or never ended."""
        return (test for test in self.tests if test.outcome in BAD_OUTCOMES)
