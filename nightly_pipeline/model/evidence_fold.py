"""Folds a stream of evidence into one value, in memory that does not grow with what tests print.

Events of several worker processes come interleaved; everything is kept by test and attempt, so their order
does not change the result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from io import BufferedIOBase

from pydantic import ValidationError

from nightly_pipeline.model.evidence_drafts import Budget, TestDraft
from nightly_pipeline.model.evidence_lines import Event, bounded_lines, parse_line
from nightly_pipeline.model.evidence_records import (
    CollectError,
    Gpu,
    Interruption,
    SessionFacts,
    StageEvidence,
    TestOutcome,
    TestRecord,
)
from nightly_pipeline.model.outcomes import EngineFacts, StageCounts

SCHEMA = 1
TESTS_LIMIT = 200_000
BYTES_LIMIT = 1024 * 1024 * 1024
"""What is read at most of one stage's evidence; the plugin keeps far below it."""
ERRORS_LIMIT = 1_000


def fold_events(lines: Iterable[str | bytes]) -> StageEvidence:
    """Fold lines of evidence. Never raises for what is in them; no lines give an empty `StageEvidence`.

    Args:
        lines: as they were written. A file opened in binary mode is read in bounded memory.
    """
    fold = _Fold()
    if isinstance(lines, BufferedIOBase):
        lines = bounded_lines(lines)
    size = 0
    for line in lines:
        size += len(line)
        if size > BYTES_LIMIT:
            fold.overflow = True
            break
        # The writer ends a line that it could not write whole with a newline, so empty lines are no damage.
        if line not in ("\n", b"\n"):
            fold.take(parse_line(line))
    return fold.result()


@dataclass
class _Fold:
    tests: dict[str, TestDraft] = field(default_factory=dict)
    started: dict[str, None] = field(default_factory=dict)  # in order of the latest start
    session: SessionFacts | None = None
    schema: int | None = None
    collected: int = 0
    announced: int | None = None
    deselected: int | None = None
    collect_errors: list[CollectError] = field(default_factory=list)
    collect_skips: list[CollectError] = field(default_factory=list)
    workers_down: dict[str, str] = field(default_factory=dict)
    internal_error: str | None = None
    interruption: Interruption | None = None
    finish: Event | None = None
    events: int = 0
    lost: int = 0
    damaged: int = 0
    overflow: bool = False
    budget: Budget = field(default_factory=Budget)

    def take(self, event: Event | None) -> None:
        """Add one event. What is damaged is counted; a kind of a later version is left alone."""
        if event is None:
            self.damaged += 1
            return
        handler = _HANDLERS.get(event.kind)
        if handler is not None:
            self.events += 1
            handler(self, event)

    def test(self, event: Event) -> TestDraft | None:
        node_id = event.node_id()
        known = self.tests.get(node_id)
        if known is not None:
            return known
        if not node_id:
            self.damaged += 1
            return None
        if len(self.tests) >= TESTS_LIMIT:
            self.overflow = True
            return None
        self.tests[node_id] = TestDraft(node_id)
        return self.tests[node_id]

    def on_session(self, event: Event) -> None:
        # A second session in one file means that two runs were mixed up: keep the first, count the rest as
        # damage.
        if self.schema is not None:
            self.damaged += 1
            return
        self.schema = event.count("schema") or 0
        self.session = _session_facts(event)

    def on_collected(self, event: Event) -> None:
        for item in event.items("tests"):
            self.collected += 1
            test = self.test(item)
            if test is not None:
                test.select(item)

    def on_collection(self, event: Event) -> None:
        self.announced, self.deselected = event.count("collected"), event.count("deselected")

    def on_collect_error(self, event: Event) -> None:
        self._note(self.collect_errors, event, self.budget.keep(event.text("longrepr")))

    def on_collect_skip(self, event: Event) -> None:
        self._note(self.collect_skips, event, None)

    def _note(self, notes: list[CollectError], event: Event, detail: str | None) -> None:
        note = CollectError(
            event.node_id() or "(the whole collection)", event.line("message") or "without a message", detail
        )
        if len(notes) < ERRORS_LIMIT and note not in notes[-20:]:  # several workers collect, and fail, alike
            notes.append(note)

    def on_start(self, event: Event) -> None:
        test = self.test(event)
        if test is not None:
            self.overflow |= not test.start(event, self.budget)
            self.started.pop(test.node_id, None)
            self.started[test.node_id] = None

    def on_phase(self, event: Event) -> None:
        test = self.test(event)
        if test is not None:
            self.overflow |= not test.phase(event, self.budget)

    def on_crash(self, event: Event) -> None:
        test = self.test(event)
        if test is not None:
            self.workers_down.pop(event.text("worker") or "", None)
            self.overflow |= not test.crash(event, self.budget)

    def on_worker_down(self, event: Event) -> None:
        if len(self.workers_down) < ERRORS_LIMIT:
            self.workers_down[event.text("worker", 100) or "?"] = event.line("message") or "without a message"

    def on_internal_error(self, event: Event) -> None:
        self.internal_error = self.internal_error or event.line("message") or "without a message"

    def on_interrupted(self, event: Event) -> None:
        if self.interruption is None:  # the first is the cause; what follows is its consequence
            self.interruption = Interruption(
                reason=event.line("reason") or "unknown",
                running=event.node_ids("running"),
                stacks=self.budget.keep(event.text("stacks")),
            )

    def on_finish(self, event: Event) -> None:
        self.finish = event
        self.lost += event.count("lost") or 0

    def result(self) -> StageEvidence:
        """The value of all events so far."""
        tests = tuple(draft.record() for draft in self.tests.values())
        unfinished = {test.node_id for test in tests if test.outcome is TestOutcome.UNFINISHED}
        return StageEvidence(
            session=self.session,
            schema=self.schema,
            tests=tests,
            collected=self.collected,
            announced=self.announced,
            deselected=self.deselected,
            collect_errors=tuple(self.collect_errors),
            collect_skips=tuple(self.collect_skips),
            running=tuple(node_id for node_id in self.started if node_id in unfinished),
            workers_lost=tuple(f"{worker}: {why}" for worker, why in self.workers_down.items()),
            internal_error=self.internal_error,
            interruption=self.interruption,
            finished=self.finish is not None,
            exit_code=self.finish.count("exit_code") if self.finish else None,
            events=self.events,
            lost=self.lost,
            damaged=self.damaged,
            overflow=self.overflow,
            counts=_counts(tests),
        )


_HANDLERS: dict[str, Callable[[_Fold, Event], None]] = {
    "session": _Fold.on_session,
    "collected": _Fold.on_collected,
    "collection": _Fold.on_collection,
    "collect_error": _Fold.on_collect_error,
    "collect_skip": _Fold.on_collect_skip,
    "start": _Fold.on_start,
    "phase": _Fold.on_phase,
    "crash": _Fold.on_crash,
    "worker_down": _Fold.on_worker_down,
    "internal_error": _Fold.on_internal_error,
    "interrupted": _Fold.on_interrupted,
    "finish": _Fold.on_finish,
}


def _session_facts(event: Event) -> SessionFacts:
    image = event.mapping("image")
    return SessionFacts(
        started_at=event.seconds("time"),
        python=event.text("python", 100) or "unknown",
        pytest=event.text("pytest", 100) or "unknown",
        machine=event.text("machine", 100) or "unknown",
        platform=event.text("platform", 500) or "unknown",
        pid=event.count("pid") or 0,
        arguments=event.names("args"),
        gpus=tuple(_gpu(item) for item in event.items("gpus")),
        plugins={str(name): str(version) for name, version in event.mapping("plugins").items()},
        image=image,
        engine=_engine(image),
    )


def _gpu(item: Event) -> Gpu:
    return Gpu(item.text("device", 200) or "unknown", item.text("name", 200), item.text("uuid", 200))


def _engine(image: dict[str, object]) -> EngineFacts | None:
    try:
        return EngineFacts.model_validate(image.get("engine"))
    except ValidationError:
        return None


def _counts(tests: Iterable[TestRecord]) -> StageCounts:
    totals = dict.fromkeys(TestOutcome, 0)
    selected = 0
    for test in tests:
        totals[test.outcome] += 1
        selected += test.selected
    return StageCounts(
        passed=totals[TestOutcome.PASSED],
        failed=totals[TestOutcome.FAILED],
        skipped=totals[TestOutcome.SKIPPED],
        errors=totals[TestOutcome.ERROR] + totals[TestOutcome.CRASHED] + totals[TestOutcome.UNFINISHED],
        collected=selected,
    )
