"""JUnit XML: exports evidence, merges files, reads what others wrote."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from nightly_pipeline.model.evidence import StageEvidence, TestOutcome


@dataclass(frozen=True, slots=True)
class JUnitCase:
    """One test case of a JUnit file. All text is untrusted."""

    suite: str
    classname: str
    name: str
    outcome: TestOutcome
    duration_s: float
    message: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class JUnitReport:
    """What a JUnit file says."""

    cases: tuple[JUnitCase, ...]
    properties: Mapping[str, str]


def write_junit(
    evidence: StageEvidence, path: Path, *, suite: str, properties: Mapping[str, str] | None = None
) -> None:
    """Write a stage's evidence as JUnit XML (xunit1), whole or not at all."""
    raise NotImplementedError


def merge_junit(paths: Iterable[Path], destination: Path) -> None:
    """Merge JUnit files into one, whole or not at all. Raises RecordError for one that cannot be read."""
    raise NotImplementedError


def read_junit(path: Path) -> JUnitReport:
    """Read a JUnit file of any origin. Raises RecordError."""
    raise NotImplementedError
