"""JUnit XML: exports evidence, merges files, reads what others wrote (`junit_reader`).

JUnit is an export, for people's tools. It knows no reruns, no hang and no run that broke off, so those are
written in
the dialects that other tools read: Surefire's `flakyFailure` and `rerunFailure`, and a test case of its own
for a run that never came to its end.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from junitparser import Error, Failure, JUnitXml, JUnitXmlError, Skipped, TestSuite
from junitparser.xunit2 import FlakyError, FlakyFailure, RerunError, RerunFailure, TestCase

from nightly_pipeline.errors import RecordError
from nightly_pipeline.model.evidence import Attempt, CollectError, StageEvidence, TestOutcome, TestRecord
from nightly_pipeline.tools.junit_reader import JUnitCase, JUnitReport, read_junit

__all__ = ["JUnitCase", "JUnitReport", "merge_junit", "read_junit", "write_junit"]

THE_RUN = "(the whole run)"
"""Name of the test case that stands for a run without an end."""

# What XML 1.0 cannot hold at all, not even escaped.
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_junit(
    evidence: StageEvidence, path: Path, *, suite: str, properties: Mapping[str, str] | None = None
) -> None:
    """Write a stage's evidence as JUnit XML (xunit1, as pytest's own), whole or not at all.

    There is one test case for each test, also for one that failed and then broke its tear-down, and one for
    each file that could not be collected. A run without a finish gets a test case with an error of its own.

    Args:
        evidence: what the run left behind; an empty one gives a file with that one error.
        path: the file; its folder is made.
        suite: name of the test suite; files of different stages need different ones to be merged.
        properties: put on the suite: run, image, engine.
    """
    exported = TestSuite(_legal(suite))
    for name, value in {**_facts(evidence), **(properties or {})}.items():
        exported.add_property(_legal(name), _legal(value))
    if evidence.session is not None and evidence.session.started_at:
        exported.timestamp = datetime.fromtimestamp(evidence.session.started_at, UTC).isoformat(
            timespec="seconds"
        )
    exported.add_testcases(list(_cases(evidence, suite)))
    document = JUnitXml()
    document.add_testsuite(exported)
    document.update_statistics()  # type: ignore[no-untyped-call]
    _write(document, path)


def merge_junit(paths: Iterable[Path], destination: Path) -> None:
    """Merge JUnit files into one, whole or not at all; suites of one name, time and properties become one.

    Raises:
        RecordError: one of the files is missing, damaged or not JUnit; nothing is written then, since a
        merged file
            that silently lacks a stage would look better than the truth.
    """
    merged = JUnitXml()
    for path in dict.fromkeys(paths):
        read_junit(path)  # refuses what must not reach a parser that believes its input
        try:
            merged += JUnitXml.fromfile(str(path))
        except (JUnitXmlError, SyntaxError, OSError, ValueError) as error:
            raise RecordError(f"{path} cannot be merged: {error}") from error
    merged.update_statistics()  # type: ignore[no-untyped-call]
    _write(merged, destination)


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


def _cases(evidence: StageEvidence, suite: str) -> Iterator[TestCase]:
    yield from (_uncollected(error) for error in evidence.collect_errors)
    yield from (_case(test) for test in evidence.tests)
    missing = _missing(evidence)
    if missing:
        case = TestCase(name=THE_RUN, classname=_legal(suite), time=0.0)
        case.result = Error(_legal(missing), "unfinished")
        yield case


def _case(test: TestRecord) -> TestCase:
    classname, name, file = _address(test.node_id)
    case = TestCase(name=name, classname=classname, time=round(test.duration_s, 6))
    case._elem.set("file", file)  # noqa: SLF001 - xunit1's file and line have no door in junitparser
    if test.line is not None:
        case._elem.set("line", str(test.line))  # noqa: SLF001
    deciding = test.deciding
    _add_result(case, test, deciding)
    for attempt in test.attempts:
        if attempt is not deciding:
            case.add_interim_result(_interim(attempt, passed=test.outcome is TestOutcome.PASSED))
    if deciding is not None and deciding.stdout:
        case.system_out = _legal(deciding.stdout)
    if deciding is not None and deciding.stderr:
        case.system_err = _legal(deciding.stderr)
    return case


def _add_result(case: TestCase, test: TestRecord, deciding: Attempt | None) -> None:
    if test.outcome is TestOutcome.PASSED:
        return
    message = _legal(test.message or test.outcome.value)
    if test.outcome in (TestOutcome.SKIPPED, TestOutcome.NOT_RUN):
        case.result = Skipped(*_skip(test, message))
        return
    kind = Failure if test.outcome is TestOutcome.FAILED else Error
    result = kind(message, _legal((deciding and deciding.exception) or test.outcome.value))
    result.text = _legal((deciding and deciding.detail) or message)
    case.result = result


def _skip(test: TestRecord, message: str) -> tuple[str, str]:
    if test.outcome is TestOutcome.NOT_RUN:
        return "selected, and never started", "not_run"
    return message, "pytest.xfail" if test.expected_failure else "pytest.skip"


def _interim(attempt: Attempt, *, passed: bool) -> FlakyFailure | FlakyError | RerunFailure | RerunError:
    failed = attempt.outcome is TestOutcome.FAILED
    kind = (FlakyFailure if failed else FlakyError) if passed else (RerunFailure if failed else RerunError)
    result = kind(
        _legal(attempt.message or attempt.outcome.value), _legal(attempt.exception or attempt.outcome.value)
    )
    result.stack_trace = _legal(attempt.detail or attempt.message or "")
    if attempt.stdout:
        result.system_out = _legal(attempt.stdout)
    if attempt.stderr:
        result.system_err = _legal(attempt.stderr)
    return result


def _uncollected(error: CollectError) -> TestCase:
    classname, _, _ = _address(error.node_id)
    case = TestCase(name=classname, classname="", time=0.0)
    result = Error(_legal(f"could not be collected: {error.message}"), "collect_error")
    result.text = _legal(error.detail or error.message)
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
    return _legal(".".join(names[:-1])) or _legal(names[0]), _legal(names[-1]), _legal(file)


def _legal(text: str) -> str:
    """Text without what XML cannot hold; it is spelt out instead, so that two names stay two."""
    return _ILLEGAL.sub(lambda found: f"#x{ord(found.group()):02X}", text)


def _write(document: JUnitXml, path: Path) -> None:
    """Write the file whole or not at all: it takes its name only when everything is in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            document.write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
