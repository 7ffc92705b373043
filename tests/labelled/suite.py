"""The test suite of a made-up team: three frameworks, four stages, 13,500 cases, the same node ids in each."""

from __future__ import annotations

from dataclasses import dataclass
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
    """The tests; `renamed` maps a file to (night from which it has another name, that name)."""

    renamed: dict[str, tuple[int, str]]

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
        since, other = self.renamed.get(file, (0, file))
        parameters = "" if number % 3 else "[a]"
        return f"{other if night >= since else file}::test_case_{number}{parameters}"


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
