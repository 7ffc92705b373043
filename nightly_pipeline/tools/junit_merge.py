"""Merges JUnit files into one, in memory that does not grow with them.

junitparser merges too, and is right where a program wants to look into what it merges. It holds every file as a tree
and compares each suite with all others: 162,000 cases of 24 files took it 11 s and 272 MB (`benchmarks/junit.py`).
Here the files pass through a parser once and are written down again as they come. So nothing that only looked like
XML gets through, whatever its encoding was, and a merged file can be of any size.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from nightly_pipeline.errors import RecordError
from nightly_pipeline.model.merging import SuiteFile
from nightly_pipeline.tools.junit_walk import THE_RUN, JUnitWalk, seconds_of

_HEAD_SIZE = 160  # the totals are known last and stand first: this much room is kept for them
_CONTAINERS = frozenset({"testsuites", "testsuite", "testcase", "properties"})
_WORST_FIRST = ("failure", "error", "skipped")
_SPECIAL = re.compile('[&<>"\t\n\r]')
_ESCAPES = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "\t": "&#9;",
    "\n": "&#10;",
    "\r": "&#13;",
}
# What XML 1.0 cannot hold at all, not even escaped.
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def merge_suites(suites: Iterable[SuiteFile], destination: Path) -> None:
    """Merge what is to be had of these suites into one file, whole or not at all, in their order.

    A suite without a file, or with one that cannot be read, is there all the same: as one test case with an error that
    says why. So is one that is not good although none of its test cases says so.
    """
    with written_whole(destination) as file:
        merge = _Merge(file)
        for suite in suites:
            merge.add_suite(suite)
        merge.finish()


def legal(text: str) -> str:
    """Text without what XML cannot hold; it is spelt out instead, so that two names stay two."""
    return _ILLEGAL.sub(lambda found: f"#x{ord(found.group()):02X}", text)


@contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """A file to write that takes its name only when everything is in it; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@dataclass
class _Totals:
    tests: int = 0
    failures: int = 0
    errors: int = 0
    skipped: int = 0
    seconds: float = 0.0

    def add(self, other: _Totals) -> None:
        self.tests += other.tests
        self.failures += other.failures
        self.errors += other.errors
        self.skipped += other.skipped
        self.seconds += other.seconds

    @property
    def attributes(self) -> dict[str, str]:
        return {
            "tests": str(self.tests),
            "failures": str(self.failures),
            "errors": str(self.errors),
            "skipped": str(self.skipped),
            "time": f"{self.seconds:.3f}",
        }


class _Merge:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._totals = _Totals()
        file.write(b'<?xml version="1.0" encoding="utf-8"?>\n')
        self._head = file.tell()
        file.write(b" " * _HEAD_SIZE + b"\n")

    def add_suite(self, suite: SuiteFile) -> None:
        """Add a suite's file, and a test case for what it does not say."""
        if suite.path is None:
            self._add_problem(suite.name, suite.problem or "it left no results")
            return
        try:
            found = self._add_file(suite.path)
        except RecordError as error:
            self._add_problem(suite.name, error.message)
            return
        if suite.problem and not found.failures and not found.errors:
            self._add_problem(suite.name, suite.problem)

    def _add_file(self, path: Path) -> _Totals:
        """Add a file's suites. RecordError when it cannot be read to its end; then nothing of it is added."""
        begin = self._file.tell()
        copy = _Copy(path, self._file)
        try:
            copy.walk()
        except RecordError:
            self._file.seek(begin)
            self._file.truncate()
            raise
        self._totals.add(copy.totals)
        return copy.totals

    def _add_problem(self, name: str, problem: str) -> None:
        totals = _Totals(tests=1, errors=1)
        case = {"name": THE_RUN, "classname": legal(name), "time": "0.000"}
        self._file.write(
            f"{_tag('testsuite', {'name': legal(name), **totals.attributes})}>{_tag('testcase', case)}>"
            f"{_tag('error', {'message': legal(problem), 'type': 'stage'})}/></testcase></testsuite>\n".encode()
        )
        self._totals.add(totals)

    def finish(self) -> None:
        self._file.write(b"</testsuites>\n")
        self._file.seek(self._head)
        totals = self._totals.attributes
        del totals["skipped"]  # Jenkins' schema knows it of suites only
        head = _tag("testsuites", totals)
        self._file.write(f"{head:<{_HEAD_SIZE - 1}}>".encode())


class _Copy(JUnitWalk):
    """Writes the suites of one file down again, and counts what is in them."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        super().__init__(path)
        self.totals = _Totals()
        self._write = file.write
        self._open = False  # the last tag written may still turn out to be empty
        self._inside = 0  # suites we are in; what is outside of any is left out
        self._result: str | None = None  # the worst of the test case we are in

    def on_start(self, tag: str, attributes: dict[str, str]) -> None:
        self._inside += tag == "testsuite"
        if not self._inside:
            return
        if tag == "testcase":
            self.totals.tests += 1
            self.totals.seconds += seconds_of(attributes.get("time", ""))
            self._result = None
        elif tag in _WORST_FIRST and self.stack[-2] == "testcase":
            self._result = min(self._result or tag, tag, key=_WORST_FIRST.index)
        self._write(f"{self._close()}{_tag(tag, attributes)}".encode())
        self._open = True
        self._listen(tag)

    def on_end(self, tag: str) -> None:
        if not self._inside:
            return
        self._write(b"/>" if self._open else f"</{tag}>".encode())
        self._open = False
        if tag == "testcase":
            self._count_result()
        elif tag == "testsuite":
            self._inside -= 1
            self._write(b"" if self._inside else b"\n")
        self._listen(self.stack[-1] if self.stack else "testsuites")

    def _close(self) -> str:
        """What ends the tag that was written last, when something is inside it after all."""
        return ">" if self._open else ""

    def _listen(self, tag: str) -> None:
        """Between elements there is only white space, and nobody needs it."""
        wanted = None if tag in _CONTAINERS else self._text
        if self.parser.CharacterDataHandler is not wanted:
            self.parser.CharacterDataHandler = wanted

    def _text(self, text: str) -> None:
        self._write(f"{self._close()}{_escaped(text)}".encode())
        self._open = False

    def _count_result(self) -> None:
        self.totals.failures += self._result == "failure"
        self.totals.errors += self._result == "error"
        self.totals.skipped += self._result == "skipped"


def _tag(tag: str, attributes: Mapping[str, str]) -> str:
    """The beginning of a tag, without what ends it."""
    return "".join((f"<{tag}", *(f' {name}="{_escaped(value)}"' for name, value in attributes.items())))


def _escaped(text: str) -> str:
    return _SPECIAL.sub(lambda found: _ESCAPES[found[0]], text) if _SPECIAL.search(text) else text
