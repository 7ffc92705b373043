"""Reads JUnit files of any origin, in memory that does not grow with them, and believes nothing in them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nightly_pipeline.model.evidence import TestOutcome
from nightly_pipeline.tools.junit_walk import THE_RUN, JUnitWalk, seconds_of

CASES_LIMIT = 500_000
PROPERTIES_LIMIT = 1_000
TEXT_LIMIT = 64 * 1024
TEXT_BUDGET = 64 * 1024 * 1024
NAME_LIMIT = 4096
NAMES_BUDGET = 64 * 1024 * 1024
"""Characters of all names, classes and files of a report together."""
KIND_LIMIT = 200
NAMELESS = "(no name)"
_NAMES = ("name", "classname", "file", "time", "status")
_RESULTS = {"failure": TestOutcome.FAILED, "error": TestOutcome.ERROR, "skipped": TestOutcome.SKIPPED}
_SUITES = frozenset({"testsuites", "testsuite"})
_BAD = frozenset({TestOutcome.FAILED, TestOutcome.ERROR})
_WORST_FIRST = (TestOutcome.FAILED, TestOutcome.ERROR, TestOutcome.SKIPPED)
_REPEATS = frozenset({"flakyFailure", "flakyError", "rerunFailure", "rerunError"})
_STATUSES = {
    **dict.fromkeys(("", "run", "passed", "pass", "ok", "success", "completed"), TestOutcome.PASSED),
    **dict.fromkeys(("fail", "failed", "failure"), TestOutcome.FAILED),
    **dict.fromkeys(("error", "errored", "broken", "crashed"), TestOutcome.ERROR),
    **dict.fromkeys(("skip", "skipped", "ignored", "pending"), TestOutcome.SKIPPED),
}
"""What a test case's `status` says where no element does (CTest). Any other word is no proof that it ran."""
_COUNT = re.compile(r"[0-9]{1,9}")
_MODULE = re.compile(r"test_\w+|\w+_tests?")


@dataclass(frozen=True, slots=True)
class JUnitCase:
    """One test case of a JUnit file. All text is untrusted: show it escaped.

    Attributes:
        suite: name of the suite it is in.
        file: where its code is, when the file says so.
        duration_s: seconds; 0 when not told.
        message: the result's message, one line; None for a test that passed.
        kind: the result's type, such as `pytest.xfail`; None when not told.
        detail: the result's text, its first 64 KiB.
        repeats: failed attempts before the one that counts.
    """

    suite: str
    classname: str
    name: str
    outcome: TestOutcome
    duration_s: float
    file: str | None = None
    message: str | None = None
    detail: str | None = None
    repeats: int = 0
    kind: str | None = None

    @property
    def node_id(self) -> str:
        """Pytest's node id, put together again as well as the file allows. Never empty."""
        if not self.classname and not self.name:
            return "::".join(filter(None, (self.file, self.suite, NAMELESS)))
        if not self.file:
            return "::".join(filter(None, self._address()))
        module = self.file.replace("/", ".").removesuffix(".py")
        classes = self.classname.removeprefix(module).strip(".")
        return "::".join((self.file, *filter(None, classes.split(".")), self.name))

    def _address(self) -> tuple[str, ...]:
        """Without a file, as pytest writes by default: the module is told by its name, what follows it are classes."""
        if not self.classname and _is_module(self.name):  # a file that could not be collected
            return (f"{self.name.replace('.', '/')}.py",)
        parts = self.classname.split(".")
        modules = [place for place, part in enumerate(parts, 1) if _MODULE.fullmatch(part)]
        if not modules:
            return self.classname, self.name
        return f"{'/'.join(parts[: modules[-1]])}.py", *parts[modules[-1] :], self.name


def _is_module(name: str) -> bool:
    *packages, last = name.split(".")
    return bool(packages) and _MODULE.fullmatch(last) is not None and all(map(str.isidentifier, packages))


@dataclass(frozen=True, slots=True)
class JUnitReport:
    """What a JUnit file says: its test cases in order, its suites' properties (the first of each name)."""

    cases: tuple[JUnitCase, ...]
    properties: Mapping[str, str]


def read_junit(path: Path) -> JUnitReport:
    """Read a JUnit file of any origin.

    Raises:
        RecordError: the file is missing, empty, cut off, not XML, not JUnit, has a document type (where entity bombs
            live), or is larger than can be meant.
    """
    reader = _Reader(path)
    reader.walk()
    return JUnitReport(tuple(reader.cases), reader.properties)


@dataclass
class _Suite:
    """A suite while it is read.

    Attributes:
        declared: failures and errors that it says it has.
        bad: test cases that failed.
        problem: what went wrong outside of any test case.
    """

    name: str
    declared: int
    bad: int = 0
    problem: str | None = None

    @property
    def unsaid(self) -> str | None:
        """Why it is bad although no test case says so; None where that is not so."""
        if self.declared and not self.bad and self.problem is None:
            return f"the suite counts {self.declared} failures and errors, and none of its test cases is one"
        return self.problem


@dataclass
class _Draft:
    """A test case while it is read."""

    attributes: Mapping[str, str]
    outcome: TestOutcome = TestOutcome.PASSED
    message: str | None = None
    kind: str | None = None
    text: list[str] = field(default_factory=list)
    repeats: int = 0

    def add(self, outcome: TestOutcome, attributes: Mapping[str, str]) -> bool:
        """Take a result if it is worse than what is known; say whether it was taken."""
        if outcome in _WORST_FIRST[: _rank(self.outcome)]:
            self.outcome, self.text = outcome, []
            self.message, self.kind = _message(attributes), attributes.get("type", "")[:KIND_LIMIT] or None
            return True
        return False

    def conclude(self) -> None:
        """Where no element said how it ended, its status does."""
        status = self.attributes.get("status", "")
        if self.outcome is TestOutcome.PASSED:
            self.outcome = _STATUSES.get(status.strip().lower(), TestOutcome.NOT_RUN)
            self.message = None if self.outcome is TestOutcome.PASSED else f"its status is {status[:100]!r}"


def _message(attributes: Mapping[str, str]) -> str | None:
    return " ".join(attributes.get("message", "")[:NAME_LIMIT].split()) or None


def _rank(outcome: TestOutcome) -> int:
    return _WORST_FIRST.index(outcome) if outcome in _WORST_FIRST else len(_WORST_FIRST)


class _Reader(JUnitWalk):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.cases: list[JUnitCase] = []
        self.properties: dict[str, str] = {}
        self.suites: list[_Suite] = []
        self.draft: _Draft | None = None
        self.collecting = 0  # characters that may still be kept of the text that is being read
        self.budget = TEXT_BUDGET
        self.names_budget = NAMES_BUDGET

    def on_start(self, tag: str, attributes: dict[str, str]) -> None:
        self._stop_collecting()
        if tag in _SUITES:
            self.suites.append(_Suite(attributes.get("name", "")[:NAME_LIMIT], _declared(attributes)))
        elif tag == "testcase":
            self._open_case(attributes)
        elif tag == "property" and self.draft is None:
            self._property(attributes)
        elif self.draft is not None:
            self._result(tag, attributes, self.draft)
        elif tag in ("failure", "error") and self.stack[-2] in _SUITES:
            self.suites[-1].problem = _message(attributes) or f"a {tag} outside of any test case"

    def on_end(self, tag: str) -> None:
        self._stop_collecting()
        if tag in _SUITES:
            self._close_suite(self.suites.pop())
        elif tag == "testcase" and self.draft is not None:
            self.draft.conclude()
            self._add(_case(self.draft, self.suites[-1].name))
            self.suites[-1].bad += self.draft.outcome in _BAD
            self.draft = None

    def _close_suite(self, suite: _Suite) -> None:
        if suite.unsaid is not None:
            self._add(_whole_run(suite.name, suite.unsaid))
            suite.bad += 1
        if self.suites:
            self.suites[-1].bad += suite.bad

    def _add(self, case: JUnitCase) -> None:
        if len(self.cases) >= CASES_LIMIT:
            self.refuse(f"has more than {CASES_LIMIT} test cases")
        self.cases.append(case)

    def _property(self, attributes: dict[str, str]) -> None:
        if len(self.properties) < PROPERTIES_LIMIT:
            name, value = attributes.get("name", ""), attributes.get("value", "")
            self.properties.setdefault(name[:NAME_LIMIT], value[:NAME_LIMIT])

    def _open_case(self, attributes: dict[str, str]) -> None:
        known = {name: attributes[name][:NAME_LIMIT] for name in _NAMES if name in attributes}
        self.names_budget -= sum(map(len, known.values()))
        if self.names_budget < 0:
            self.refuse(f"has test cases with names of more than {NAMES_BUDGET} characters together")
        self.draft = _Draft(known)

    def _result(self, tag: str, attributes: dict[str, str], draft: _Draft) -> None:
        draft.repeats += tag in _REPEATS
        told = tag in _RESULTS and self.stack[-2] == "testcase"
        if told and draft.add(_RESULTS[tag], attributes) and self.budget:
            self.collecting = min(TEXT_LIMIT, self.budget)
            self.parser.CharacterDataHandler = self._text

    def _text(self, text: str) -> None:
        if self.draft is None or not self.collecting:
            return
        kept = text[: self.collecting]
        self.draft.text.append(kept)
        self.collecting -= len(kept)
        self.budget -= len(kept)

    def _stop_collecting(self) -> None:
        """Hear of no text, which is most of a large file."""
        if self.parser.CharacterDataHandler is not None:
            self.parser.CharacterDataHandler = None


def _case(draft: _Draft, suite: str) -> JUnitCase:
    attributes = draft.attributes
    detail = "".join(draft.text).strip() or None
    return JUnitCase(
        suite=suite,
        classname=attributes.get("classname", ""),
        name=attributes.get("name", ""),
        outcome=draft.outcome,
        duration_s=seconds_of(attributes.get("time", "")),
        file=attributes.get("file") or None,
        message=draft.message or (detail.splitlines()[0][:500] if detail else None),
        detail=detail,
        repeats=draft.repeats,
        kind=draft.kind,
    )


def _whole_run(suite: str, problem: str) -> JUnitCase:
    return JUnitCase(
        suite=suite, classname=suite, name=THE_RUN, outcome=TestOutcome.ERROR, duration_s=0, message=problem
    )


def _declared(attributes: Mapping[str, str]) -> int:
    """Failures and errors that a suite says it has; 0 for what is no number."""
    said = (attributes.get(name, "").strip() for name in ("failures", "errors"))
    return sum(int(count) for count in said if _COUNT.fullmatch(count))
