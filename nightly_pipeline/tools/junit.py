"""JUnit XML: exports evidence; merges files (`junit_merge`), reads what others wrote (`junit_reader`).

JUnit is an export, for people's tools. It knows no reruns, no hang and no run that broke off, so those are written in
the dialects that other tools read: Surefire's `flakyFailure` and `rerunFailure`, and a test case of its own for a run
that never came to its end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from junitparser import Error, Failure, JUnitXml, Skipped, TestSuite
from junitparser.xunit2 import FlakyError, FlakyFailure, RerunError, RerunFailure, TestCase

from nightly_pipeline.model.evidence import Attempt, CollectError, StageEvidence, TestOutcome, TestRecord
from nightly_pipeline.tools.junit_merge import legal, merge_suites, written_whole
from nightly_pipeline.tools.junit_reader import JUnitCase, JUnitReport, read_junit
from nightly_pipeline.tools.junit_walk import THE_RUN

__all__ = ["THE_RUN", "JUnitCase", "JUnitReport", "merge_suites", "read_junit", "write_junit"]


def write_junit(
    evidence: StageEvidence,
    path: Path,
    *,
    suite: str,
    properties: Mapping[str, str] | None = None,
    problem: str | None = None,
) -> None:
    """Write a stage's evidence as JUnit XML (xunit1, as pytest's own), whole or not at all.

    There is one test case for each test, also for one that failed and then broke its tear-down, and one for each file
    that could not be collected. A run without a finish gets a test case with an error of its own; so does a stage that
    is not good although no test case says so, or whoever reads the file would take it for a good one.

    Args:
        evidence: what the run left behind; an empty one gives a file with that one error.
        path: the file; its folder is made.
        suite: name of the test suite; files of different stages need different ones to be merged.
        properties: put on the suite: run, image, engine.
        problem: why the stage is not good; None for a good one.
    """
    exported = TestSuite(legal(suite))
    for name, value in {**_facts(evidence), **(properties or {})}.items():
        exported.add_property(legal(name), legal(value))
    if evidence.session is not None and evidence.session.started_at:
        began = datetime.fromtimestamp(evidence.session.started_at, UTC)
        exported.timestamp = began.isoformat(timespec="seconds")
    exported.add_testcases([*_cases(evidence), *_the_run(evidence, suite, problem)])
    document = JUnitXml()
    document.add_testsuite(exported)
    document.update_statistics()  # type: ignore[no-untyped-call]
    _round_times(document, exported)
    with written_whole(path) as file:
        document.write(file)


def _round_times(document: JUnitXml, suite: TestSuite) -> None:
    """Jenkins' schema knows times of three decimals, and no count of skipped tests for all suites together."""
    seconds = f"{sum(float(case.time or 0) for case in suite):.3f}"
    for element in (document, suite):
        element._elem.set("time", seconds)  # noqa: SLF001 - junitparser writes all decimals of a sum
    document._elem.attrib.pop("skipped", None)  # noqa: SLF001


def _facts(evidence: StageEvidence) -> dict[str, str]:
    session = evidence.session
    if session is None:
        return {}
    facts = {"python": session.python, "pytest": session.pytest, "machine": session.machine}
    if session.engine is not None:
        facts["engine"] = (
            f"{session.engine.kind} {session.engine.name} {session.engine.version or ''}".strip()
        )
    return facts | {f"gpu.{number}": gpu.name or gpu.device for number, gpu in enumerate(session.gpus)}


def _cases(evidence: StageEvidence) -> Iterator[TestCase]:
    yield from (_uncollected(error) for error in evidence.collect_errors)
    yield from (_case(test) for test in evidence.tests)


def _the_run(evidence: StageEvidence, suite: str, problem: str | None) -> Iterator[TestCase]:
    """A test case for what no other one says."""
    missing = _missing(evidence)
    said = bool(evidence.collect_errors) or any(evidence.bad_tests)
    if missing is None and (said or problem is None):
        return
    case = TestCase(name=THE_RUN, classname=legal(suite), time=0.0)
    case.result = Error(
        legal(" - ".join(filter(None, (missing, problem)))), "unfinished" if missing else "stage"
    )
    yield case


def _case(test: TestRecord) -> TestCase:
    classname, name, file = _address(test.node_id)
    case = TestCase(name=name, classname=classname, time=round(test.duration_s, 3))
    case._elem.set("file", file)  # noqa: SLF001 - xunit1's file and line have no door in junitparser
    if test.line is not None:
        case._elem.set("line", str(test.line))  # noqa: SLF001
    deciding = test.deciding
    _add_result(case, test, deciding)
    for attempt in test.attempts:
        if attempt is not deciding:
            case.add_interim_result(_interim(attempt, passed=test.outcome is TestOutcome.PASSED))
    if deciding is not None and deciding.stdout:
        case.system_out = legal(deciding.stdout)
    if deciding is not None and deciding.stderr:
        case.system_err = legal(deciding.stderr)
    return case


def _add_result(case: TestCase, test: TestRecord, deciding: Attempt | None) -> None:
    if test.outcome is TestOutcome.PASSED:
        return
    message = legal(test.message or test.outcome.value)
    if test.outcome in (TestOutcome.SKIPPED, TestOutcome.NOT_RUN):
        case.result = Skipped(*_skip(test, message))
        return
    kind = Failure if test.outcome is TestOutcome.FAILED else Error
    result = kind(message, legal((deciding and deciding.exception) or test.outcome.value))
    result.text = legal((deciding and deciding.detail) or message)
    case.result = result


def _skip(test: TestRecord, message: str) -> tuple[str, str]:
    if test.outcome is TestOutcome.NOT_RUN:
        return "selected, and never started", "not_run"
    return message, "pytest.xfail" if test.expected_failure else "pytest.skip"


def _interim(attempt: Attempt, *, passed: bool) -> FlakyFailure | FlakyError | RerunFailure | RerunError:
    failed = attempt.outcome is TestOutcome.FAILED
    kind = (FlakyFailure if failed else FlakyError) if passed else (RerunFailure if failed else RerunError)
    result = kind(
        legal(attempt.message or attempt.outcome.value), legal(attempt.exception or attempt.outcome.value)
    )
    result.stack_trace = legal(attempt.detail or attempt.message or "")
    if attempt.stdout:
        result.system_out = legal(attempt.stdout)
    if attempt.stderr:
        result.system_err = legal(attempt.stderr)
    return result


def _uncollected(error: CollectError) -> TestCase:
    classname, _, _ = _address(error.node_id)
    case = TestCase(name=classname, classname="", time=0.0)
    result = Error(legal(f"could not be collected: {error.message}"), "collect_error")
    result.text = legal(error.detail or error.message)
    case.result = result
    return case


def _missing(evidence: StageEvidence) -> str | None:
    """What keeps the run from being whole; None for a whole run, and for a dry one."""
    if not evidence.events:
        return "the run left no evidence"
    if not evidence.finished:
        blame = f"; {evidence.blame} was running" if evidence.blame else ""
        return f"the run broke off before its end{blame}"
    left = sum(test.outcome is TestOutcome.NOT_RUN for test in evidence.tests)
    return f"{left} selected tests never ran" if 0 < left < len(evidence.tests) else None


def _address(node_id: str) -> tuple[str, str, str]:
    """A node id as pytest's own export spells it: class name, name, and the file."""
    path, bracket, parameters = node_id.partition("[")
    file, *names = path.split("::")
    module = file.replace("/", ".").removesuffix(".py")
    names = [module, *names]
    names[-1] += bracket + parameters
    return legal(".".join(names[:-1])) or legal(names[0]), legal(names[-1]), legal(file)
