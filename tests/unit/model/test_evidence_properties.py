"""What must hold for every stream of evidence, whole, cut, damaged or shuffled among worker processes."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from nightly_pipeline.model.evidence import TestOutcome, fold_events, stage_status
from nightly_pipeline.model.evidence_records import BAD_OUTCOMES
from nightly_pipeline.model.evidence_rows import rows_of_stage
from nightly_pipeline.model.history import BAD_RESULTS, GOOD_RESULTS
from nightly_pipeline.model.outcomes import GOOD_STAGE, StageStatus
from tests.factories import stage as stage_outcome
from tests.unit.model.evidence_streams import collected, container, finish, line, phase, session, start

OUTCOMES = st.sampled_from(["passed", "passed", "passed", "passed", "skipped", "failed"])
EXIT_CODES = st.one_of(st.none(), st.integers(0, 255))


@dataclass(frozen=True)
class Run:
    """A whole run: what each test wrote, in its own order, and what the process said at its end."""

    tests: dict[str, list[str]]
    failed: bool

    @property
    def head(self) -> list[str]:
        return [session(), *collected(*self.tests)]

    @property
    def exit_code(self) -> int:
        return int(self.failed)

    @property
    def lines(self) -> list[str]:
        return [*self.head, *(text for own in self.tests.values() for text in own), finish(self.exit_code)]


@st.composite
def attempts(draw: st.DrawFn, name: str) -> tuple[list[str], bool]:
    """The lines of one test, with reruns before its last attempt, and whether that one failed."""
    lines: list[str] = []
    reruns = draw(st.integers(0, 2))
    for number in range(1, reruns + 1):
        lines += [start(name, number), phase(name, "setup", attempt=number)]
        lines += [phase(name, "call", "rerun", number, message="again")]
        lines += [phase(name, "teardown", attempt=number)] if draw(st.booleans()) else []
    last, failed = _last_attempt(draw, name, reruns + 1)
    return lines + last, failed


def _last_attempt(draw: st.DrawFn, name: str, number: int) -> tuple[list[str], bool]:
    setup = draw(OUTCOMES)
    call = draw(OUTCOMES) if setup == "passed" else None
    teardown = draw(st.sampled_from(["passed", "passed", "passed", "passed", "failed"]))
    lines = [start(name, number), phase(name, "setup", setup, number)]
    lines += [phase(name, "call", call, number)] if call else []
    lines += [phase(name, "teardown", teardown, number)]
    return lines, "failed" in (setup, call, teardown)


@st.composite
def runs(draw: st.DrawFn) -> Run:
    names = [f"test_{number}" for number in range(draw(st.integers(0, 5)))]
    drawn = {name: draw(attempts(name)) for name in names}
    return Run(
        {name: lines for name, (lines, _) in drawn.items()}, any(failed for _, failed in drawn.values())
    )


@st.composite
def interleavings(draw: st.DrawFn, run: Run) -> list[str]:
    """The same run by several workers: each test's lines in order, all tests mixed."""
    queues = [deque(lines) for lines in run.tests.values()]
    mixed: list[str] = []
    while queues := [queue for queue in queues if queue]:
        mixed.append(draw(st.sampled_from(queues)).popleft())
    return [*run.head, *mixed, finish(run.exit_code)]


def status_of(lines: list[str] | list[bytes], exit_code: int | None = 0, mode: str = "run") -> StageStatus:
    return stage_status(fold_events(lines), mode=mode, container=container(exit_code))[0]  # type: ignore[arg-type]


@given(runs())
def test_a_whole_run_is_passed_exactly_when_something_passed_and_nothing_failed(run: Run):
    evidence = fold_events(run.lines)
    passed = any(test.outcome is TestOutcome.PASSED for test in evidence.tests)

    assert (status_of(run.lines, run.exit_code) is StageStatus.PASSED) == (passed and not run.failed)
    assert sum(
        [evidence.counts.passed, evidence.counts.failed, evidence.counts.skipped, evidence.counts.errors]
    ) == len(run.tests)


@given(runs(), EXIT_CODES, st.data())
def test_a_run_whose_end_is_missing_is_never_green(run: Run, exit_code: int | None, data: st.DataObject):
    kept = data.draw(st.integers(0, len(run.lines) - 1))

    for mode in ("run", "collect"):
        assert status_of(run.lines[:kept], exit_code, mode) not in GOOD_STAGE


@given(runs(), EXIT_CODES, st.data())
def test_a_file_cut_off_anywhere_before_its_last_brace_is_never_green(
    run: Run, exit_code: int | None, data: st.DataObject
):
    whole = "\n".join(run.lines).encode()
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]

    for mode in ("run", "collect"):
        assert status_of(cut.splitlines(), exit_code, mode) not in GOOD_STAGE


@given(runs(), st.data())
def test_a_run_that_failed_stays_bad_whichever_lines_are_missing(run: Run, data: st.DataObject):
    """Even where the process and pytest's finish claim success."""
    lies = [*run.lines[:-1], finish(0)]
    missing = data.draw(st.sets(st.integers(3, max(3, len(lies) - 2))))
    lines = [text for number, text in enumerate(lies) if number not in missing]

    if run.failed:
        assert status_of(lines, 0) not in GOOD_STAGE


@given(runs(), st.data())
def test_losing_any_one_line_of_a_passed_run_but_a_start_is_noticed(run: Run, data: st.DataObject):
    if status_of(run.lines, run.exit_code) is not StageStatus.PASSED:
        return
    needed = [number for number, text in enumerate(run.lines) if _is_needed(text, run)]
    lost = data.draw(st.sampled_from(needed))

    assert status_of(run.lines[:lost] + run.lines[lost + 1 :], 0) is not StageStatus.PASSED


def _is_needed(text: str, run: Run) -> bool:
    """A start is implied by its phases; of a superseded attempt only the phase that says so counts."""
    event = json.loads(text)
    if event["event"] != "phase":
        return event["event"] != "start"
    own = run.tests[event["node_id"].split("::")[1]]
    return event["outcome"] == "rerun" or event["attempt"] == json.loads(own[-1])["attempt"]


@given(runs(), st.data())
def test_the_order_in_which_workers_report_does_not_change_the_result(run: Run, data: st.DataObject):
    mixed = data.draw(interleavings(run))
    one, other = fold_events(run.lines), fold_events(mixed)

    assert one.counts == other.counts
    assert one.tests == other.tests
    assert status_of(run.lines, run.exit_code) == status_of(mixed, run.exit_code)


@given(runs(), st.lists(st.one_of(st.binary(max_size=40), st.just(line("unheard_of").encode()))), st.data())
def test_garbage_between_the_lines_changes_no_test_and_is_never_green(
    run: Run, garbage: list[bytes], data: st.DataObject
):
    lines = [text.encode() for text in run.lines]
    for text in garbage:
        lines.insert(data.draw(st.integers(0, len(lines))), text)

    evidence, status = fold_events(lines), status_of(lines, run.exit_code)
    assert evidence.tests == fold_events(run.lines).tests
    if evidence.damaged:
        assert status not in GOOD_STAGE
    else:
        assert status == status_of(run.lines, run.exit_code)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
KINDS = ["session", "collected", "collection", "collect_error", "collect_skip", "start", "phase", "crash"]
KINDS += ["worker_down", "internal_error", "interrupted", "finish"]
FIELDS = [
    "node_id",
    "attempt",
    "when",
    "outcome",
    "duration_s",
    "tests",
    "markers",
    "message",
    "collected",
    "worker",
]
FIELDS += [
    "schema",
    "image",
    "gpus",
    "plugins",
    "args",
    "exit_code",
    "lost",
    "running",
    "subtest",
    "wasxfail",
    "time",
]


@given(
    st.lists(st.tuples(st.sampled_from(KINDS), st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=6)))
)
def test_no_event_however_odd_raises(events: list[tuple[str, dict[str, object]]]):
    lines = [json.dumps({**fields, "event": kind}) for kind, fields in events]

    for mode in ("run", "collect"):
        stage_status(fold_events(lines), mode=mode, container=container(0))  # type: ignore[arg-type]


@given(runs(), st.sampled_from(StageStatus), st.data())
def test_what_is_remembered_says_what_the_evidence_says(run: Run, status: StageStatus, data: st.DataObject):
    evidence = fold_events(run.lines[: data.draw(st.integers(0, len(run.lines)))])

    rows = rows_of_stage(evidence, stage_outcome(status=status.value, mode="run", message="why"))

    assert [row.node_id for row in rows] == [test.node_id for test in evidence.tests]
    for row, test in zip(rows, evidence.tests, strict=True):
        assert (row.result in GOOD_RESULTS) == (test.outcome is TestOutcome.PASSED)
        assert (row.result in BAD_RESULTS) <= (test.outcome in BAD_OUTCOMES)
        assert row.failed_attempts <= row.attempts == len(test.attempts)
        assert (row.signature is None) == (row.failed_attempts == 0)
        if row.result in BAD_RESULTS:
            assert row.failed_attempts
