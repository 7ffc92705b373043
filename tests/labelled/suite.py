"""The test suite of a made-up team: three frameworks, four stages, 13,500 cases, the same node ids in each."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

from nightly_pipeline.model.history import TestIdentity

FRAMEWORKS = ("vllm", "sglang", "trtllm")
STAGES = {"unit": 2_250, "integration": 900, "e2e_single_gpu": 450, "e2e_multi_gpu": 150}
"""Stage -> tests of one framework on amd64; on arm64 a part of them is collected."""
COLLECTED = 750
TESTS_A_FILE = 30

Key = tuple[str, int]
"""(framework, number of the test)."""


@dataclass(frozen=True)
class Suite:
    """The tests, and what is called otherwise from a night on.

    Attributes:
        renamed: a file -> (night, its other name).
        moved: number of a test -> (night, the file it is in from then on).
        reworded: number of a test -> the night from which its function has another name.
    """

    renamed: dict[str, tuple[int, str]]
    moved: dict[int, tuple[int, str]] = field(default_factory=dict)
    reworded: dict[int, int] = field(default_factory=dict)

    @property
    def keys(self) -> list[Key]:
        """Every test that runs."""
        return [(framework, number) for framework in FRAMEWORKS for number in range(sum(STAGES.values()))]

    def identity(self, key: Key, night: int) -> TestIdentity:
        """What a test is called on a night."""
        framework, number = key
        return TestIdentity(
            framework=framework, arch="amd64", stage=stage_of(number), node_id=self.node_id(number, night)
        )

    def node_id(self, number: int, night: int) -> str:
        """`unit/test_module_7.py::test_case_212[a]`."""
        file = file_of(number)
        since, other = self.moved.get(number) or self.renamed.get(file, (0, file))
        name = "check" if night >= self.reworded.get(number, night + 1) else "test_case"
        parameters = "" if number % 3 else "[a]"
        return f"{other if night >= since else file}::{name}_{number}{parameters}"

    def names(self, number: int) -> set[str]:
        """Every node id that it ever has."""
        changes = [self.renamed.get(file_of(number)), self.moved.get(number)]
        nights = [0, self.reworded.get(number, 0), *(change[0] for change in changes if change)]
        return {self.node_id(number, night) for night in nights}


@cache
def stage_of(number: int) -> str:
    """The stage that the test of this number belongs to."""
    for stage, size in STAGES.items():
        if number < size:
            return stage
        number -= size
    raise ValueError(number)


@cache
def file_of(number: int) -> str:
    """The file it is in, by the name it had at first."""
    return f"{stage_of(number)}/test_module_{number // TESTS_A_FILE}.py"
