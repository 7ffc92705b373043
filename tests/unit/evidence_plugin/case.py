"""One test suite and what must be concluded from its end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from textwrap import dedent

from nightly_pipeline.model.history import BAD_RESULTS, TestResult, TestRow
from nightly_pipeline.model.outcomes import StageCounts, StageStatus

S = StageStatus
TIMEOUT = ("-p", "pytest_timeout")
RERUNS = ("-p", "pytest_rerunfailures")
WORKERS = ("-p", "xdist", "-n", "2")


@dataclass(frozen=True)
class Case:
    """One suite and what it means.

    Attributes:
        files: path -> source.
        failures: node ids of the failures that must be told, in any order.
        flaky: node ids that passed only when run again.
        rows: what the history remembers, in order, as `told` says it.
        says: a piece of the status's message.
        exit_code: of the process, as a container engine writes it.
        environment: added to that of the process.
        lost, damaged: events that could not be written down, and lines that cannot be read.
    """

    name: str
    files: Mapping[str, str]
    status: StageStatus
    counts: StageCounts
    exit_code: int
    arguments: tuple[str, ...] = ()
    mode: str = "run"
    blame: str | None = None
    failures: tuple[str, ...] = ()
    flaky: tuple[str, ...] = ()
    says: str = ""
    rows: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    lost: int = 0
    damaged: int = 0


def told(rows: Iterable[TestRow]) -> str:
    """Rows in a line: `2*passed failed`; where attempts are not what one expects, `passed:2/1` of 2 one failed."""
    words = [
        row.result.value
        if (row.attempts, row.failed_attempts) == _usual(row)
        else f"{row.result.value}:{row.attempts}/{row.failed_attempts}"
        for row in rows
    ]
    runs = [(word, len(list(group))) for word, group in groupby(words)]
    return " ".join(f"{count}*{word}" if count > 1 else word for word, count in runs)


def _usual(row: TestRow) -> tuple[int, int]:
    if row.result in (TestResult.NOT_RUN, TestResult.COLLECTED):
        return 0, 0
    return 1, int(row.result in BAD_RESULTS)


def case(name: str, source: str, status: StageStatus, exit_code: int, counts: str, **rest: object) -> Case:
    """A case of one file, `test_it.py`; counts as `passed failed skipped errors collected`."""
    passed, failed, skipped, errors, collected = (int(count) for count in counts.split())
    files = {"test_it.py": dedent(source), **rest.pop("files", {})}  # type: ignore[dict-item]
    return Case(
        name=name,
        files=files,
        status=status,
        exit_code=exit_code,
        counts=StageCounts(passed=passed, failed=failed, skipped=skipped, errors=errors, collected=collected),
        **rest,  # type: ignore[arg-type]
    )


IMPORTS = "import ctypes, os, signal, sys, time\nimport pytest\n"
