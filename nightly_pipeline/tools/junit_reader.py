"""Reads JUnit files of any origin, in memory that does not grow with them, and believes nothing in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nightly_pipeline.model.evidence import TestOutcome
from nightly_pipeline.tools.junit_walk import JUnitWalk, seconds_of

CASES_LIMIT = 500_000
PROPERTIES_LIMIT = 1_000
TEXT_LIMIT = 64 * 1024
TEXT_BUDGET = 64 * 1024 * 1024
NAME_LIMIT = 4096
NAMES_BUDGET = 64 * 1024 * 1024
"""Characters of all names, classes and files of a report together."""
_NAMES = ("name", "classname", "file", "time", "status")
_RESULTS = {"failure": TestOutcome.FAILED, "error": TestOutcome.ERROR, "skipped": TestOutcome.SKIPPED}
_WORST_FIRST = (TestOutcome.FAILED, TestOutcome.ERROR, TestOutcome.SKIPPED)
_REPEATS = frozenset({"flakyFailure", "flakyError", "rerunFailure", "rerunError"})


@dataclass(frozen=True, slots=True)
class JUnitCase:
    """One test case of a JUnit file. All text is untrusted: show it escaped.

    Attributes:
        suite: name of the suite it is in.
        file: where its code is, when the file says so.
        duration_s: seconds; 0 when not told.
        message: the result's message, one line; None for a test that passed.
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

    @property
    def node_id(self) -> str:
        """Pytest's node id, put together again as well as the file allows."""
        if not self.file:
            return "::".join(filter(None, (self.classname, self.name)))
        module = self.file.replace("/", ".").removesuffix(".py")
        classes = self.classname.removeprefix(module).strip(".")
        return "::".join((self.file, *filter(None, classes.split(".")), self.name))


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
class _Draft:
    """A test case while it is read."""

    attributes: Mapping[str, str]
    outcome: TestOutcome = TestOutcome.PASSED
    message: str | None = None
    text: list[str] = field(default_factory=list)
    repeats: int = 0

    def add(self, outcome: TestOutcome, message: str | None) -> bool:
        """Take a result if it is worse than what is known; say whether it was taken."""
        if outcome in _WORST_FIRST[: _rank(self.outcome)]:
            self.outcome, self.message, self.text = outcome, message, []
            return True
        return False


def _rank(outcome: TestOutcome) -> int:
    return _WORST_FIRST.index(outcome) if outcome in _WORST_FIRST else len(_WORST_FIRST)


class _Reader(JUnitWalk):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.cases: list[JUnitCase] = []
        self.properties: dict[str, str] = {}
        self.suites: list[str] = []
        self.draft: _Draft | None = None
        self.collecting = 0  # characters that may still be kept of the text that is being read
        self.budget = TEXT_BUDGET
        self.names_budget = NAMES_BUDGET

    def on_start(self, tag: str, attributes: dict[str, str]) -> None:
        self._stop_collecting()
        if tag == "testsuite":
            self.suites.append(attributes.get("name", "")[:NAME_LIMIT])
        elif tag == "testcase":
            self._open_case(attributes)
        elif tag == "property" and self.draft is None:
            self._property(attributes)
        elif self.draft is not None:
            self._result(tag, attributes, self.draft)

    def on_end(self, tag: str) -> None:
        self._stop_collecting()
        if tag == "testsuite":
            self.suites.pop()
        elif tag == "testcase" and self.draft is not None:
            self.cases.append(_case(self.draft, self.suites[-1] if self.suites else ""))
            self.draft = None

    def _property(self, attributes: dict[str, str]) -> None:
        if len(self.properties) < PROPERTIES_LIMIT:
            name, value = attributes.get("name", ""), attributes.get("value", "")
            self.properties.setdefault(name[:NAME_LIMIT], value[:NAME_LIMIT])

    def _open_case(self, attributes: dict[str, str]) -> None:
        if len(self.cases) >= CASES_LIMIT:
            self.refuse(f"has more than {CASES_LIMIT} test cases")
        known = {name: attributes[name][:NAME_LIMIT] for name in _NAMES if name in attributes}
        self.names_budget -= sum(map(len, known.values()))
        if self.names_budget < 0:
            self.refuse(f"has test cases with names of more than {NAMES_BUDGET} characters together")
        self.draft = _Draft(known)
        if known.get("status") == "notrun":  # as GoogleTest says it
            self.draft.outcome = TestOutcome.NOT_RUN

    def _result(self, tag: str, attributes: dict[str, str], draft: _Draft) -> None:
        draft.repeats += tag in _REPEATS
        if tag in _RESULTS and self.stack[-2] == "testcase":
            message = " ".join(attributes.get("message", "")[:NAME_LIMIT].split()) or None
            if draft.add(_RESULTS[tag], message) and self.budget:
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
    )
