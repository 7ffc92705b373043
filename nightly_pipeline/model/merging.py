"""What a merged report of test results is made of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SuiteFile:
    """One suite to be merged.

    Attributes:
        name: of the suite; stands for it when it has no file.
        path: its JUnit file; None when there is none.
        problem: why it is not good, when it is not. It is said unless a test case of the file is bad itself.
    """

    name: str
    path: Path | None
    problem: str | None = None


def suite_name(framework: str, arch: str, stage: str) -> str:
    """What the suite of a stage is called in JUnit files.

    >>> suite_name("vllm", "amd64", "unit")
    'vllm.amd64.unit'
    """
    return f"{framework}.{arch}.{stage}"
