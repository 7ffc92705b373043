"""Evidence that is read again from the artifacts."""

from __future__ import annotations

import tracemalloc

from nightly_pipeline.model.evidence import StageEvidence
from nightly_pipeline.model.history import TestResult
from nightly_pipeline.steps.evidence import kept_evidence, remembered_tests
from nightly_pipeline.tools.artifacts import LocalArtifactStore
from tests.factories import stage
from tests.fakes.store import MemoryStore
from tests.unit.model.evidence_streams import passing, phase, session, start

KEY = "2026-11-20/run/vllm/amd64/unit/evidence.jsonl"
OUTCOME = stage(artifacts={"evidence": KEY})


def test_rows_come_from_the_kept_evidence():
    store = MemoryStore({KEY: "\n".join(passing("test_one", "test_two")).encode()})

    rows = remembered_tests(OUTCOME, store, "9c1d5e0f")

    assert [(row.result, row.source_revision) for row in rows or ()] == [(TestResult.PASSED, "9c1d5e0f")] * 2


def test_a_stage_without_evidence_is_told_from_one_that_wrote_nothing_down():
    assert kept_evidence(stage(artifacts={}), MemoryStore()) is None
    assert kept_evidence(OUTCOME, MemoryStore({KEY: b""})) == StageEvidence()


def test_evidence_that_was_pruned_gives_no_rows_rather_than_an_empty_night():
    assert remembered_tests(OUTCOME, MemoryStore(), None) is None


def test_a_line_that_was_cut_short_by_a_kill_costs_itself_alone():
    whole = "\n".join([session(), start("test_one"), phase("test_one", "setup")]).encode()

    evidence = kept_evidence(OUTCOME, MemoryStore({KEY: whole[:-20]}))

    assert evidence is not None
    assert (evidence.damaged, evidence.running) == (1, ("tests/test_it.py::test_one",))


def test_memory_does_not_grow_with_what_the_tests_printed(tmp_path):
    path = tmp_path / "evidence.jsonl"
    with path.open("w") as file:
        file.write(session() + "\n")
        for number in range(1_000):
            name = f"test_{number % 10}"
            file.write(phase(name, "call", "failed", number, stdout="x" * 100_000) + "\n")
    store = LocalArtifactStore(tmp_path / "store")
    store.write_file(KEY, path)

    tracemalloc.start()
    evidence = kept_evidence(OUTCOME, store)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert evidence is not None
    assert evidence.events == 1_001
    assert peak < 90_000_000 < path.stat().st_size
