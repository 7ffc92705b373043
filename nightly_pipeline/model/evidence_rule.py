"""The rule: which word a test stage gets, given its evidence and the end of its container.

Unknown is never green. `passed` takes positive proof of everything: a first line of a schema we know, every
selected test seen to end well, no line that cannot be read, pytest's own finish with exit code 0, and a process that
then ended with 0. Whatever is missing or contradicts itself has a worse name, and the message says which piece it was.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Literal

from nightly_pipeline.model.evidence_fold import SCHEMA
from nightly_pipeline.model.evidence_records import CONCLUDED, StageEvidence, TestOutcome
from nightly_pipeline.model.outcomes import StageStatus
from nightly_pipeline.model.requests import ContainerResult

Mode = Literal["run", "collect"]
Judgement = tuple[StageStatus, str | None]
_Rule = Callable[[StageEvidence, ContainerResult], Judgement | None]

# pytest's exit codes
INTERRUPTED, INTERNAL_ERROR, USAGE_ERROR, NOTHING_SELECTED = 2, 3, 4, 5
# the engine's and the shell's: could not start, not executable, not found
COULD_NOT_START = {
    125: "the engine could not start the command",
    126: "the command cannot be executed in this image",
    127: "the command is not in this image",
}
_FIRST_SIGNAL, _LAST_SIGNAL = 129, 192


def stage_status(evidence: StageEvidence, *, mode: Mode, container: ContainerResult) -> Judgement:
    """Judge one stage: its status, and one line that says why (None when there is nothing to add).

    `cancelled`, `blocked` and `not_run` are decided by whoever knows that nobody waited for the end.

    Args:
        evidence: what the run wrote down; an empty `StageEvidence` when there was no file.
        mode: "run", or "collect" for a dry run that only collects.
        container: how the container ended.
    """
    rules = _RUN if mode == "run" else _COLLECT
    for rule in rules:
        judgement = rule(evidence, container)
        if judgement is not None:
            return _with_gap(judgement, evidence)
    if mode == "collect":
        return StageStatus.COLLECTED, f"{_tests(evidence.counts.collected)} collected; none ran"
    return StageStatus.PASSED, _flaky(evidence)


def _deadline(evidence: StageEvidence, container: ContainerResult) -> Judgement | None:
    if not container.timed_out:
        return None
    if evidence.finished and not evidence.interruption:
        return (
            StageStatus.TIMED_OUT,
            "the deadline passed after pytest's finish: the process did not end by itself",
        )
    return StageStatus.TIMED_OUT, f"the deadline passed {_where(evidence)}{_failed_so_far(evidence)}"


def _memory(evidence: StageEvidence, container: ContainerResult) -> Judgement | None:
    if not container.out_of_memory:
        return None
    if evidence.finished and not evidence.blame:
        when = "and pytest finished nevertheless"
    else:
        when = f"while {evidence.blame} was running" if evidence.finished else _where(evidence)
    return StageStatus.CRASHED, f"the kernel killed a process of the container for memory {when}"


def _unseen_end(evidence: StageEvidence, container: ContainerResult) -> Judgement | None:
    if container.exit_code is not None or (evidence.finished and any(evidence.bad_tests)):
        return None
    where = _where(evidence) if evidence.events else "and it left no evidence"
    return StageStatus.INFRA_ERROR, f"the container's end was not seen {where}"


def _nothing_written(evidence: StageEvidence, container: ContainerResult) -> Judgement | None:
    if evidence.events:
        return None
    code = container.exit_code
    if code == 0:
        return StageStatus.CRASHED, "the command ended with exit code 0 and left no evidence"
    if code is not None and _signal_name(code):
        return StageStatus.CRASHED, f"the process died of {_signal_name(code)} before pytest started"
    why = COULD_NOT_START.get(code or 0, "pytest or its evidence plugin did not start; the log says why")
    return StageStatus.INFRA_ERROR, f"no evidence, exit code {code}: {why}"


def _foreign_schema(evidence: StageEvidence, _container: ContainerResult) -> Judgement | None:
    if evidence.schema in (None, SCHEMA):
        return None
    return StageStatus.INFRA_ERROR, f"the evidence is of schema {evidence.schema}; only {SCHEMA} can be read"


def _collect_errors(evidence: StageEvidence, _container: ContainerResult) -> Judgement | None:
    errors = evidence.collect_errors
    if not errors:
        return None
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return StageStatus.COLLECT_ERROR, f"{errors[0].node_id}: {errors[0].message}{more}"


def _no_finish(evidence: StageEvidence, container: ContainerResult) -> Judgement | None:
    if evidence.finished:
        return None
    if evidence.overflow:
        return StageStatus.CRASHED, "there is more evidence than can be judged"
    code = container.exit_code
    if code == USAGE_ERROR and evidence.announced is None:
        return StageStatus.COLLECT_ERROR, "pytest refused its arguments or its configuration (exit code 4)"
    if evidence.internal_error:
        return StageStatus.CRASHED, f"pytest failed inside: {evidence.internal_error}"
    if evidence.interruption and not _signal_name(code or 0):
        return StageStatus.CRASHED, f"stopped by {evidence.interruption.reason} {_where(evidence)}"
    how = f"died of {_signal_name(code or 0)}" if _signal_name(code or 0) else f"ended with exit code {code}"
    return StageStatus.CRASHED, f"the process {how}, without pytest's finish, {_where(evidence)}"


def _broken_off(evidence: StageEvidence, _container: ContainerResult) -> Judgement | None:
    if evidence.internal_error or evidence.exit_code == INTERNAL_ERROR:
        return StageStatus.CRASHED, f"pytest failed inside: {evidence.internal_error or 'exit code 3'}"
    if evidence.exit_code == USAGE_ERROR:
        return StageStatus.COLLECT_ERROR, "pytest refused its arguments, or a path is not there (exit code 4)"
    if evidence.interruption and evidence.exit_code != 0:
        return StageStatus.CRASHED, f"stopped by {evidence.interruption.reason} {_where(evidence)}"
    if evidence.exit_code == INTERRUPTED and not any(evidence.bad_tests):
        return StageStatus.CRASHED, f"pytest was interrupted {_where(evidence)}"
    return None


def _nothing_selected(evidence: StageEvidence, _container: ContainerResult) -> Judgement | None:
    if evidence.exit_code != NOTHING_SELECTED:
        return None
    if _concluded(evidence):
        return StageStatus.CRASHED, "pytest says that nothing ran (exit code 5), but tests did"
    return StageStatus.NO_TESTS, _why_nothing(evidence)


def _lost_worker(evidence: StageEvidence, _container: ContainerResult) -> Judgement | None:
    crashed = [test for test in evidence.tests if test.outcome is TestOutcome.CRASHED]
    if crashed:
        return StageStatus.CRASHED, f"{crashed[0].node_id}: {crashed[0].message}"
    if evidence.workers_lost:
        return StageStatus.CRASHED, f"a worker process died outside of a test: {evidence.workers_lost[0]}"
    return None


def _failures(evidence: StageEvidence, container: ContainerResult) -> Judgement | None:
    counts = evidence.counts
    errors = sum(test.outcome is TestOutcome.ERROR for test in evidence.tests)  # what never ended is no error
    if not counts.failed and not errors:
        return None
    parts = [f"{counts.failed} failed"] if counts.failed else []
    parts += [f"{errors} with an error in set-up or tear-down"] if errors else []
    odd = "; yet the exit code is 0" if 0 in (evidence.exit_code, container.exit_code) else ""
    return StageStatus.FAILED, f"{', '.join(parts)} of {_tests(counts.collected)}{odd}"


def _incomplete(evidence: StageEvidence, container: ContainerResult) -> Judgement | None:
    missing = _missing(evidence)
    if missing is None:
        return None
    return StageStatus.CRASHED, f"{missing} (exit code {container.exit_code})"


def _missing(evidence: StageEvidence) -> str | None:
    """What is not proved, in a run that finished."""
    if gap := _gap(evidence):  # before anything else: what is missing may be what was lost
        return gap
    if evidence.running:
        return f"pytest finished while {evidence.running[-1]} was still running"
    not_run = [test for test in evidence.tests if test.selected and test.outcome not in CONCLUDED]
    if not_run:
        selected = _tests(evidence.counts.collected)
        return f"{len(not_run)} of {selected} never ran, the first is {not_run[0].node_id}"
    return _missing_lines(evidence)


def _gap(evidence: StageEvidence) -> str | None:
    """What was to be read and cannot be: a rerun, perhaps, or a worker process that died, which nothing else tells."""
    if evidence.lost:
        return f"{evidence.lost} events could not be written down; was the disk full?"
    lines = f"{evidence.damaged} line{'' if evidence.damaged == 1 else 's'}"
    return f"{lines} of the evidence cannot be read" if evidence.damaged else None


def _with_gap(judgement: Judgement, evidence: StageEvidence) -> Judgement:
    (status, message), gap = judgement, _gap(evidence)
    return judgement if gap is None or gap in (message or "") else (status, f"{message}; {gap}")


def _missing_lines(evidence: StageEvidence) -> str | None:
    if evidence.session is None:
        return "the beginning of the evidence is missing"
    if evidence.announced is None or evidence.announced != evidence.collected:
        return f"pytest announced {evidence.announced} tests, and the evidence has {evidence.collected}"
    return _gap(evidence) or ("there is more evidence than can be judged" if evidence.overflow else None)


def _incomplete_collection(evidence: StageEvidence, container: ContainerResult) -> Judgement | None:
    missing = _missing_lines(evidence)
    return (StageStatus.CRASHED, f"{missing} (exit code {container.exit_code})") if missing else None


def _exit_codes(evidence: StageEvidence, container: ContainerResult) -> Judgement | None:
    if evidence.exit_code != 0:
        return StageStatus.FAILED, f"pytest ended with exit code {evidence.exit_code}, though no test failed"
    code = container.exit_code
    if code != 0:
        how = (
            f"died of {_signal_name(code or 0)}"
            if _signal_name(code or 0)
            else f"ended with exit code {code}"
        )
        return StageStatus.CRASHED, f"pytest finished with exit code 0, then the process {how}"
    return None


def _nothing_passed(evidence: StageEvidence, _container: ContainerResult) -> Judgement | None:
    if evidence.counts.passed:
        return None
    if not evidence.counts.skipped:
        return StageStatus.NO_TESTS, _why_nothing(evidence)
    reason = next((test.message for test in evidence.tests if test.message), None)
    skipped = _tests(evidence.counts.skipped)
    return StageStatus.NO_TESTS, f"all of {skipped} skipped{f', the first: {reason}' if reason else ''}"


def _nothing_collected(evidence: StageEvidence, _container: ContainerResult) -> Judgement | None:
    return None if evidence.counts.collected else (StageStatus.NO_TESTS, _why_nothing(evidence))


_COMMON: tuple[_Rule, ...] = (
    _deadline,
    _memory,
    _unseen_end,
    _nothing_written,
    _foreign_schema,
    _collect_errors,
    _no_finish,
    _broken_off,
    _nothing_selected,
    _lost_worker,
    _failures,
)
_RUN: tuple[_Rule, ...] = (*_COMMON, _incomplete, _exit_codes, _nothing_passed)
_COLLECT: tuple[_Rule, ...] = (*_COMMON, _incomplete_collection, _exit_codes, _nothing_collected)


def _concluded(evidence: StageEvidence) -> int:
    return sum(test.outcome in CONCLUDED for test in evidence.tests)


def _where(evidence: StageEvidence) -> str:
    if evidence.running:
        others = len(evidence.running) - 1
        return f"while {evidence.blame} was running{f' (and {others} others)' if others else ''}"
    if evidence.announced is None:
        return "before the collection of tests had ended"
    return f"between tests ({_concluded(evidence)} of {_tests(evidence.counts.collected)} ended)"


def _failed_so_far(evidence: StageEvidence) -> str:
    failed = evidence.counts.failed
    return f"; {_tests(failed)} had failed before" if failed else ""


def _why_nothing(evidence: StageEvidence) -> str:
    if evidence.deselected:
        return f"nothing selected: the selection fits none of {_tests(evidence.deselected)}"
    if evidence.collect_skips:
        first = evidence.collect_skips[0]
        return f"nothing selected: {first.node_id} skipped itself: {first.message}"
    return "nothing selected: no test was found"


def _flaky(evidence: StageEvidence) -> str | None:
    flaky = len(evidence.flaky)
    return f"{_tests(flaky)} passed only when run again" if flaky else None


def _tests(count: int) -> str:
    return f"{count} test{'' if count == 1 else 's'}"


def _signal_name(exit_code: int) -> str | None:
    """The signal an exit code stands for, as shells and container engines write it (128 + number)."""
    if not _FIRST_SIGNAL <= exit_code <= _LAST_SIGNAL:
        return None
    try:
        return signal.Signals(exit_code - 128).name
    except ValueError:
        return f"signal {exit_code - 128}"
