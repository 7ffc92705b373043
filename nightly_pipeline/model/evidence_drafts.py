"""Tests and attempts while their events still come in."""

from __future__ import annotations

from dataclasses import dataclass, field

from nightly_pipeline.model.evidence_lines import Event
from nightly_pipeline.model.evidence_records import Attempt, TestOutcome, TestRecord

PHASES = ("setup", "call", "teardown")
RERUN_OUTCOMES = frozenset({"rerun", "retried"})  # pytest-rerunfailures and pytest-retry
ATTEMPTS_BUDGET = 500_000
DETAIL_BUDGET = 64 * 1024 * 1024

_SEVERITY = {"skipped": 0, "passed": 1, "unknown": 2, "failed": 3}


@dataclass
class Budget:
    """What is kept for a whole stage: attempts, and characters of tracebacks and output. Messages always are."""

    attempts: int = ATTEMPTS_BUDGET
    left: int = DETAIL_BUDGET

    def keep(self, text: str | None) -> str | None:
        """The text while there is room for it, else None."""
        if text is None or len(text) > self.left:
            return None
        self.left -= len(text)
        return text


@dataclass(slots=True)
class AttemptDraft:
    """One run of a test, as far as it is known."""

    number: int
    worker: str | None = None
    superseded: bool = False
    crashed: bool = False
    failed_subtests: bool = False
    outcomes: dict[str, str] = field(default_factory=dict)
    durations: dict[str, float] = field(default_factory=dict)
    told: str | None = None  # the phase the texts below are of
    failure_told: bool = False
    message: str | None = None
    exception: str | None = None
    texts: dict[str, str] = field(default_factory=dict)

    def add(self, when: str, outcome: str, event: Event, budget: Budget) -> None:
        """Add what became of one phase. Of two reports on one phase the worse counts."""
        if event.fields.get("subtest"):
            self.failed_subtests |= outcome == "failed"
        else:
            self.durations[when] = self.durations.get(when, 0.0) + event.seconds("duration_s")
            self.outcomes[when] = max(self.outcomes.get(when, outcome), outcome, key=_SEVERITY.__getitem__)
        if outcome != "passed":
            self._tell(when, outcome, event)
            self._keep(when, event, budget)

    def _tell(self, when: str, outcome: str, event: Event) -> None:
        """The first failure has the word; a skip has it only until something fails."""
        if self.failure_told or (self.told is not None and outcome == "skipped"):
            return
        self.failure_told = outcome != "skipped"
        self.told = when
        self.message = event.line("message")
        self.exception = event.text("exception", 300)

    def _keep(self, when: str, event: Event, budget: Budget) -> None:
        for name in ("longrepr", "stdout", "stderr"):
            text = budget.keep(event.text(name))
            if text is not None:
                before = self.texts.get(name)
                self.texts[name] = text if before is None else f"{before}\n\n[{when}]\n{text}"

    @property
    def outcome(self) -> TestOutcome:
        """How this run ended. Passing takes proof: set-up, call and tear-down were all seen to pass."""
        setup, call, teardown = (self.outcomes.get(phase) for phase in PHASES)
        if self.crashed:
            return TestOutcome.CRASHED
        if teardown is None and not self.superseded:
            return TestOutcome.UNFINISHED
        if call in ("failed", "unknown") or self.failed_subtests:
            return TestOutcome.FAILED
        if {setup, teardown} & {"failed", "unknown"}:
            return TestOutcome.ERROR
        return _quiet_outcome(setup, call)

    def freeze(self) -> Attempt:
        """The attempt as a value."""
        return Attempt(
            number=self.number,
            outcome=self.outcome,
            superseded=self.superseded,
            phase=self.told or next(reversed(self.outcomes), None),
            setup_s=self.durations.get("setup"),
            call_s=self.durations.get("call"),
            teardown_s=self.durations.get("teardown"),
            message=self.message,
            exception=self.exception,
            detail=self.texts.get("longrepr"),
            stdout=self.texts.get("stdout"),
            stderr=self.texts.get("stderr"),
            worker=self.worker,
        )


def _quiet_outcome(setup: str | None, call: str | None) -> TestOutcome:
    if setup == "skipped" or (setup == "passed" and call == "skipped"):
        return TestOutcome.SKIPPED
    return TestOutcome.PASSED if (setup, call) == ("passed", "passed") else TestOutcome.UNFINISHED


@dataclass(slots=True)
class TestDraft:
    """One test, as far as it is known."""

    __test__ = False

    node_id: str
    selected: bool = False
    markers: tuple[str, ...] = ()
    file: str | None = None
    line: int | None = None
    expected_failure: str | None = None
    attempts: dict[int, AttemptDraft] = field(default_factory=dict)

    def select(self, item: Event) -> None:
        """Pytest selected it."""
        self.selected = True
        self._place(item)

    def start(self, event: Event, budget: Budget) -> bool:
        """A run of it began. False when there are more runs than are kept."""
        self._place(event)
        return self._attempt(event, budget) is not None

    def phase(self, event: Event, budget: Budget) -> bool:
        """A phase of a run ended. False when there are more runs than are kept."""
        self._place(event)
        when, outcome = event.word("when"), event.word("outcome")
        attempt = self._attempt(event, budget)
        if attempt is None or when not in PHASES:
            return attempt is not None
        if outcome in RERUN_OUTCOMES:
            attempt.superseded, outcome = True, "failed"
        attempt.add(when, outcome if outcome in _SEVERITY else "unknown", event, budget)
        if "wasxfail" in event.fields and event.fields["wasxfail"] is not None:
            self.expected_failure = "xpassed" if outcome == "passed" else "xfailed"
        return True

    def crash(self, event: Event, budget: Budget) -> bool:
        """A run of it took its worker process with it. False when there are more runs than are kept."""
        attempt = self._attempt(event, budget)
        if attempt is not None:
            attempt.crashed = True
            attempt.superseded |= event.fields.get("rerun") is True
            attempt.message = event.line("message") or "its worker process died"
        return attempt is not None

    def _attempt(self, event: Event, budget: Budget) -> AttemptDraft | None:
        number = event.count("attempt") or 1
        if number not in self.attempts:
            if budget.attempts <= 0:
                return None
            budget.attempts -= 1
            self.attempts[number] = AttemptDraft(number)
        attempt = self.attempts[number]
        attempt.worker = event.text("worker", 100) or attempt.worker
        return attempt

    def _place(self, event: Event) -> None:
        if not self.markers:
            self.markers = event.names("markers")
        if self.file is None:
            self.file = event.text("file", 2200)
        if self.line is None:
            self.line = event.count("line")

    def record(self) -> TestRecord:
        """The test as a value."""
        attempts = tuple(self.attempts[number].freeze() for number in sorted(self.attempts))
        return TestRecord(
            node_id=self.node_id,
            outcome=_outcome_of(attempts),
            selected=self.selected,
            markers=self.markers,
            file=self.file,
            line=self.line,
            attempts=attempts,
            expected_failure=self.expected_failure,
        )


_WORST_FIRST = (
    TestOutcome.CRASHED,
    TestOutcome.FAILED,
    TestOutcome.ERROR,
    TestOutcome.UNFINISHED,
    TestOutcome.PASSED,
    TestOutcome.SKIPPED,
)


def _outcome_of(attempts: tuple[Attempt, ...]) -> TestOutcome:
    """A rerun takes the place of the attempt it repeats. Of attempts nobody superseded, the worst counts."""
    if not attempts:
        return TestOutcome.NOT_RUN
    deciding = {attempt.outcome for attempt in attempts if not attempt.superseded}
    return next((outcome for outcome in _WORST_FIRST if outcome in deciding), TestOutcome.UNFINISHED)
