"""Reads JUnit files of any origin, in memory that does not grow with them, and believes nothing in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NoReturn
from xml.parsers import expat  # a document type, and with it every entity, is refused

from nightly_pipeline.errors import RecordError
from nightly_pipeline.model.evidence import TestOutcome

BYTES_LIMIT = 1024 * 1024 * 1024
CASES_LIMIT = 500_000
DEPTH_LIMIT = 100
TEXT_LIMIT = 64 * 1024
TEXT_BUDGET = 64 * 1024 * 1024
NAME_LIMIT = 4096
SECONDS_LIMIT = 1e9
_CHUNK = 256 * 1024
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
        RecordError: the file is missing, empty, cut off, not XML, not JUnit, has a document type (where
        entity bombs
            live), or is larger than can be meant.
    """
    try:
        with path.open("rb") as file:
            return _Reader(path).read(file)
    except OSError as error:
        raise RecordError(f"the JUnit file {path} cannot be read: {error.strerror}") from error


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


class _Reader:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.cases: list[JUnitCase] = []
        self.properties: dict[str, str] = {}
        self.stack: list[str] = []
        self.suites: list[str] = []
        self.draft: _Draft | None = None
        self.collecting = 0  # characters that may still be kept of the text that is being read
        self.budget = TEXT_BUDGET

    def read(self, file: IO[bytes]) -> JUnitReport:
        parser = expat.ParserCreate()
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = self._document_type
        try:
            self._feed(parser, file)
        except (expat.ExpatError, ValueError, LookupError) as error:
            self._refuse(f"is cut off or not XML: {error}")
        return JUnitReport(tuple(self.cases), self.properties)

    def _feed(self, parser: expat.XMLParserType, file: IO[bytes]) -> None:
        size = 0
        while chunk := file.read(_CHUNK):
            size += len(chunk)
            if size > BYTES_LIMIT:
                self._refuse(f"is larger than {BYTES_LIMIT} bytes")
            parser.Parse(chunk, False)
        if not size:
            self._refuse("is empty")
        parser.Parse(b"", True)

    def _refuse(self, why: str) -> NoReturn:
        raise RecordError(
            f"the JUnit file {self.path} {why}",
            next_step="Look at the run that wrote it; one that was killed leaves such a file behind.",
        )

    def _document_type(self, *_: object) -> None:
        self._refuse("has a document type, which only entity bombs need")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if not self.stack and tag not in ("testsuites", "testsuite"):
            self._refuse(f"is not JUnit: it begins with <{tag[:50]}>")
        if len(self.stack) >= DEPTH_LIMIT:
            self._refuse("is nested too deeply")
        self.stack.append(tag)
        self.collecting = 0
        if tag == "testsuite":
            self.suites.append(attributes.get("name", "")[:NAME_LIMIT])
        elif tag == "testcase":
            self._open_case(attributes)
        elif tag == "property" and self.draft is None:
            name, value = attributes.get("name", ""), attributes.get("value", "")
            self.properties.setdefault(name[:NAME_LIMIT], value[:NAME_LIMIT])
        elif self.draft is not None:
            self._result(tag, attributes, self.draft)

    def _open_case(self, attributes: dict[str, str]) -> None:
        if self.draft is not None:
            self._refuse("has a test case within a test case")
        if len(self.cases) >= CASES_LIMIT:
            self._refuse(f"has more than {CASES_LIMIT} test cases")
        self.draft = _Draft({name: value[:NAME_LIMIT] for name, value in attributes.items()})
        if attributes.get("status") == "notrun":  # as GoogleTest says it
            self.draft.outcome = TestOutcome.NOT_RUN

    def _result(self, tag: str, attributes: dict[str, str], draft: _Draft) -> None:
        draft.repeats += tag in _REPEATS
        if tag in _RESULTS and self.stack[-2] == "testcase":
            message = " ".join(attributes.get("message", "")[:NAME_LIMIT].split()) or None
            if draft.add(_RESULTS[tag], message):
                self.collecting = min(TEXT_LIMIT, self.budget)

    def _text(self, text: str) -> None:
        if self.collecting and self.draft is not None:
            kept = text[: self.collecting]
            self.draft.text.append(kept)
            self.collecting -= len(kept)
            self.budget -= len(kept)

    def _end(self, tag: str) -> None:
        self.stack.pop()
        self.collecting = 0
        if tag == "testsuite":
            self.suites.pop()
        elif tag == "testcase" and self.draft is not None:
            self.cases.append(_case(self.draft, self.suites[-1] if self.suites else ""))
            self.draft = None


def _case(draft: _Draft, suite: str) -> JUnitCase:
    attributes = draft.attributes
    detail = "".join(draft.text).strip() or None
    return JUnitCase(
        suite=suite,
        classname=attributes.get("classname", ""),
        name=attributes.get("name", ""),
        outcome=draft.outcome,
        duration_s=_seconds(attributes.get("time", "")),
        file=attributes.get("file") or None,
        message=draft.message or (detail.splitlines()[0][:500] if detail else None),
        detail=detail,
        repeats=draft.repeats,
    )


def _seconds(text: str) -> float:
    """Seconds as people's tools write them, also `1,234.5`; 0 for what is no sensible number."""
    try:
        value = float(text.replace(",", ""))
    except ValueError:
        return 0.0
    return value if 0 <= value < SECONDS_LIMIT else 0.0
