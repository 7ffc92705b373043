"""One JUnit file for each framework and for the night, in which no stage is missing."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from nightly_pipeline.errors import RegistryUnavailable
from nightly_pipeline.model.evidence import TestOutcome, fold_events
from nightly_pipeline.steps.merged_junit import keep_merged_junit, merged_junit
from nightly_pipeline.tools.junit import THE_RUN, JUnitCase, merge_suites, read_junit, write_junit
from tests.factories import DATE, RUN_ID, night, stage
from tests.fakes.store import MemoryStore
from tests.unit.model.evidence_streams import collected, finish, passing, ran, session
from tests.unit.tools.junit_schema import validate

FAILING = [session(), *collected("bad"), *ran("bad", "failed", message="assert 1 == 2"), finish(1)]
SKIPPED = [session(), *collected("one"), *ran("one", "skipped", message="no GPU"), finish(0)]


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def with_junit(
    store: MemoryStore, folder: Path, lines: list[str], framework: str, arch: str = "amd64", **fields
):
    """A stage whose JUnit file is kept."""
    path = folder / "one.xml"
    write_junit(fold_events(lines), path, suite=f"{framework}.{arch}.unit")
    key = f"{DATE}/{RUN_ID}/{framework}/{arch}/unit/junit.xml"
    store.write_file(key, path)
    return stage(framework, arch, artifacts={"junit": key}, mode="run", **fields)


def cases(store: MemoryStore, name: str, folder: Path) -> list[JUnitCase]:
    path = folder / "read.xml"
    path.write_bytes(store.kept[f"{DATE}/{RUN_ID}/{name}.xml"])
    validate(path)
    return list(read_junit(path).cases)


def test_there_is_a_file_for_each_framework_and_one_for_the_night(store: MemoryStore, tmp_path: Path):
    report = night(
        stages=[
            with_junit(store, tmp_path, passing("a"), "vllm"),
            with_junit(store, tmp_path, FAILING, "vllm", "arm64", status="failed"),
            with_junit(store, tmp_path, passing("c"), "sglang"),
        ]
    )

    kept = keep_merged_junit(report, store, merge_suites)

    assert kept == {name: f"{DATE}/{RUN_ID}/{name}.xml" for name in ("junit", "junit-vllm", "junit-sglang")}
    assert [(case.suite, case.name) for case in cases(store, "junit-vllm", tmp_path)] == [
        ("vllm.amd64.unit", "a"),
        ("vllm.arm64.unit", "bad"),
    ]
    assert [case.name for case in cases(store, "junit", tmp_path)] == ["a", "bad", "c"]
    assert merged_junit(DATE, RUN_ID, store) == kept


def test_no_stage_is_missing_and_none_looks_better_than_it_is(store: MemoryStore, tmp_path: Path):
    report = night(
        stages=[
            with_junit(store, tmp_path, SKIPPED, "vllm", status="no_tests", message="all of 1 test skipped"),
            stage("vllm", stage="integration", status="blocked", message="there is no image", artifacts={}),
            stage("vllm", stage="e2e_single_gpu", artifacts={"junit": f"{DATE}/pruned/junit.xml"}),
        ]
    )

    keep_merged_junit(report, store, merge_suites)

    told = [(case.suite, case.name, case.message) for case in cases(store, "junit", tmp_path)]
    assert told == [
        ("vllm.amd64.unit", "one", "no GPU"),
        ("vllm.amd64.unit", THE_RUN, "no_tests: all of 1 test skipped"),
        ("vllm.amd64.integration", THE_RUN, "blocked: there is no image"),
        ("vllm.amd64.e2e_single_gpu", THE_RUN, "its results are not kept"),
    ]


@dataclass
class Unreachable(MemoryStore):
    """A store that cannot be asked for one artifact."""

    lost: list[str] = field(default_factory=list)

    def read_file(self, key: str, path: Path) -> bool:
        if key in self.lost:
            raise RegistryUnavailable("the store does not answer")
        return super().read_file(key, path)


def test_a_file_that_cannot_be_fetched_or_read_is_an_error_of_its_stage(tmp_path: Path):
    store = Unreachable()
    lost, cut = (with_junit(store, tmp_path, passing("a"), framework) for framework in ("vllm", "sglang"))
    store.lost = list(lost.artifacts.values())
    store.kept[cut.artifacts["junit"]] = store.kept[cut.artifacts["junit"]][:-40]

    keep_merged_junit(night(stages=[lost, cut]), store, merge_suites)

    first, second = cases(store, "junit", tmp_path)
    assert (first.outcome, second.outcome) == (TestOutcome.ERROR, TestOutcome.ERROR)
    assert first.message == "its results could not be fetched: the store does not answer"
    assert "cut off or not XML" in (second.message or "")


def test_a_night_without_stages_has_no_files(store: MemoryStore):
    assert keep_merged_junit(night(stages=[]), store, merge_suites) == {}
    assert store.kept == {}


def test_files_of_stages_are_not_taken_for_merged_ones(store: MemoryStore):
    store.write(f"{DATE}/{RUN_ID}/vllm/amd64/unit/junit.xml", b"")
    store.write(f"{DATE}/{RUN_ID}/report.json", b"")

    assert merged_junit(DATE, RUN_ID, store) == {}
