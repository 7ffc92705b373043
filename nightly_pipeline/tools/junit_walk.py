"""Walks through JUnit files of any origin, piece by piece, and refuses what cannot be meant well.

Expat is told to refuse a document type, and with it every entity. Two things it does not bound itself are bounded
here: what it holds of one tag, attribute or comment before it says anything of it (it looks at all of that again with
every piece, so that 200 MB of it would take hours), and how deeply elements are nested.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO, NoReturn
from xml.parsers import expat

from nightly_pipeline.errors import RecordError

BYTES_LIMIT = 1024 * 1024 * 1024
TOKEN_LIMIT = 4 * 1024 * 1024
DEPTH_LIMIT = 100
SECONDS_LIMIT = 1e9
THE_RUN = "(the whole run)"
"""Name of the test case that stands for a run without an end, or without any evidence."""

_CHUNK = 1024 * 1024
_TEXT_BUFFER = 64 * 1024
_GZIP = b"\x1f\x8b"


class JUnitWalk:
    """A walk through one file. Whoever walks says what to do at each element by `on_start` and `on_end`.

    Elements are told by their names alone: a file may have its own word for JUnit's namespace, as in `<j:failure>`.

    Attributes:
        stack: the elements around the present place, the outermost first.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stack: list[str] = []
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.buffer_size = _TEXT_BUFFER
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.StartDoctypeDeclHandler = self._document_type

    def walk(self) -> None:
        """Walk to the end of the file.

        Raises:
            RecordError: the file is missing, empty, cut off, not XML, not JUnit, has a document type (where entity
                bombs live), or is larger than can be meant.
        """
        try:
            with self.path.open("rb") as file:
                self._feed(file)
        except OSError as error:
            raise RecordError(f"the JUnit file {self.path} cannot be read: {error.strerror}") from error
        except (expat.ExpatError, ValueError, LookupError) as error:
            self.refuse(f"is cut off or not XML: {error}")
        finally:
            del self.parser  # it and we hold each other, and it holds a megabyte or more

    def on_start(self, tag: str, attributes: dict[str, str]) -> None:
        """An element begins; it is the last of the stack."""
        raise NotImplementedError

    def on_end(self, tag: str) -> None:
        """An element ended; it is no longer on the stack."""
        raise NotImplementedError

    def refuse(self, why: str) -> NoReturn:
        """Give the file up."""
        raise RecordError(
            f"the JUnit file {self.path} {why}",
            next_step="Look at the run that wrote it; one that was killed leaves such a file behind.",
        )

    def _feed(self, file: IO[bytes]) -> None:
        size = 0
        while chunk := file.read(_CHUNK):
            if not size and chunk.startswith(_GZIP):
                self.refuse("is compressed: unpack it first")
            size += len(chunk)
            if size > BYTES_LIMIT:
                self.refuse(f"is larger than {BYTES_LIMIT} bytes")
            self.parser.Parse(chunk, False)
            if size - self.parser.CurrentByteIndex > TOKEN_LIMIT + _CHUNK:
                self.refuse(f"has a tag or a comment of more than {TOKEN_LIMIT} bytes")
        if not size:
            self.refuse("is empty")
        self.parser.Parse(b"", True)

    def _document_type(self, name: str, *_: object) -> None:
        if name.lower() == "html":
            self.refuse("is not JUnit but a page of HTML: was it fetched without a login?")
        self.refuse("has a document type, which only entity bombs need")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        stack, tag = self.stack, name.rpartition(":")[2]
        if not stack and tag not in ("testsuites", "testsuite"):
            self.refuse(f"is not JUnit: it begins with <{tag[:50]}>")
        if tag == "testcase" and tag in stack:
            self.refuse("has a test case within a test case")
        if len(stack) >= DEPTH_LIMIT:
            self.refuse("is nested too deeply")
        stack.append(tag)
        self.on_start(tag, attributes)

    def _end(self, _name: str) -> None:
        self.on_end(self.stack.pop())


def seconds_of(text: str) -> float:
    """Seconds as people's tools write them; 0 for what is no sensible number.

    >>> [seconds_of(text) for text in ("1.5", "1,234.5", "1.234,5", "0,123", "1,234,567")]
    [1.5, 1234.5, 1234.5, 0.123, 1234567.0]
    """
    try:
        value = float(_with_a_point(text))
    except ValueError:
        return 0.0
    return value if 0 <= value < SECONDS_LIMIT else 0.0


def _with_a_point(number: str) -> str:
    """A number as Python reads it. The last sign, when it is there once, is the decimal one; others part thousands."""
    if "," not in number:
        return number
    if number.rfind(",") > number.rfind(".") and number.count(",") == 1:
        return number.replace(".", "").replace(",", ".")
    return number.replace(",", "")
