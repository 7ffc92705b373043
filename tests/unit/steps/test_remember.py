from __future__ import annotations

import pytest

from nightly_pipeline.errors import DiskFull
from nightly_pipeline.model.metrics import BuildMetrics, BuildStep
from nightly_pipeline.model.plan import image_key, stage_key
from nightly_pipeline.model.report import RunFacts, RunState, key_of
from nightly_pipeline.steps.judge import Rules, judge
from nightly_pipeline.steps.records import NightRecords
from nightly_pipeline.steps.remember import remember
from nightly_pipeline.steps.report import gather_report
from nightly_pipeline.tools.history import ParquetHistory
from tests.factories import DATE, RUN_ID, STARTED, image, plan, run_facts, stage
from tests.fakes.history import MemoryHistory
from tests.fakes.store import MemoryStore
from tests.unit.model.evidence_streams import node, passing
from tests.unit.model.pasts import day

PLAN = plan()
KEYS = tuple(entry.key for entry in PLAN.entries)
EVIDENCE = f"{DATE}/{RUN_ID}/vllm/amd64/unit/evidence.jsonl"
METRICS = f"{DATE}/{RUN_ID}/vllm/amd64/runtime_image/metrics.json"

STEPS = (
    BuildStep(name="[internal] load build context", digest="a", status="done", duration_s=3.0, internal=True),
    BuildStep(name="[install 1/2] WORKDIR /opt", digest="b", status="cached"),
    BuildStep(name="[install 2/2] RUN make", digest="c", status="done", duration_s=6.5),
)


@pytest.fixture
def records() -> NightRecords:
    records = NightRecords(MemoryStore())
    metrics = BuildMetrics(
        wall_s=9.5, steps=4, cached_steps=3, hit_rate=0.75, pushed_bytes=17, build_steps=STEPS
    )
    records.store.write(METRICS, metrics.model_dump_json().encode())
    records.store.write(EVIDENCE, "\n".join([*passing("test_one"), ""]).encode())
    records.write_outcome(image("vllm", "amd64", artifacts={"metrics": METRICS}))
    records.write_outcome(stage("vllm", "amd64", "unit", artifacts={"evidence": EVIDENCE}))
    return records


def run(**fields) -> RunFacts:
    planned = (image_key("vllm", "amd64", "runtime"), stage_key("vllm", "amd64", "unit"))
    return run_facts(**({"planned": planned, "started": planned} | fields))


@pytest.fixture(params=["memory", "parquet"])
def history(request, tmp_path):
    return MemoryHistory() if request.param == "memory" else ParquetHistory(tmp_path)


def test_a_run_is_remembered_with_its_tests_entries_and_night(records, history):
    said = remember(DATE, [run()], PLAN, records, history)
    assert str(said) == "1 tests of 1 runs are remembered"
    [test] = history.tests(DATE)
    assert (test.node_id, test.result.value, test.run_id) == (node("test_one"), "passed", RUN_ID)
    [night] = history.nights()
    assert (night.date, night.run_id, night.status, night.started_at) == (DATE, RUN_ID, "green", STARTED)
    built, tested = sorted(history.entries(), key=lambda one: one.name)
    assert (built.pushed_bytes, built.build_wall_s, built.cache_hit_rate) == (17, 9.5, 0.75)
    assert built.step_seconds == {"[install] RUN make": 6.5}
    assert tested.step_seconds == {}
    assert (built.engine, built.engine_kind) == ("mock-engine 0.1.0", "mock")
    assert (tested.name, tested.status, tested.good, tested.passed) == ("unit", "passed", True, 36)


def test_a_summary_that_is_repeated_writes_the_same(records, history):
    for _ in range(2):
        remember(DATE, [run()], PLAN, records, history)
        rows = (history.nights(), history.entries(), history.tests(DATE))
        assert [len(kind) for kind in rows] == [1, 2, 1]


def test_a_run_that_is_still_running_is_left_for_later(records, history):
    assert remember(DATE, [run(state="running")], PLAN, records, history).runs == ()
    assert history.nights() == []


def test_what_never_began_is_not_seen_and_not_good(records, history):
    planned = (*run().planned, stage_key("vllm", "amd64", "integration"))
    remember(DATE, [run(planned=planned, state=RunState.FAILED)], PLAN, records, history)
    entries = {entry.name: entry for entry in history.entries()}
    assert (entries["integration"].seen, entries["integration"].good) == (False, False)
    assert entries["unit"].seen


def test_a_step_that_died_is_seen_without_a_result(records, history):
    died = stage_key("vllm", "amd64", "integration")
    facts = run(planned=(*run().planned, died), started=(*run().started, died), state=RunState.FAILED)
    remember(DATE, [facts], PLAN, records, history)
    entries = {entry.name: entry for entry in history.entries()}
    assert (entries["integration"].seen, entries["integration"].status) == (True, "infra_error")


def test_evidence_that_was_pruned_does_not_wipe_what_was_remembered(records, history):
    remember(DATE, [run()], PLAN, records, history)
    records.store.delete(EVIDENCE)
    said = remember(DATE, [run()], PLAN, records, history)
    assert said.gone == ("vllm/amd64/unit",)
    assert len(history.tests(DATE)) == 1


def test_a_stage_that_ran_and_whose_evidence_could_not_be_kept_is_told(records, history):
    records.write_outcome(stage("vllm", "amd64", "unit", artifacts={}))
    blocked = stage("vllm", "amd64", "integration", status="blocked", counts={}, artifacts={})
    records.write_outcome(blocked)
    planned = (*run().planned, key_of(blocked))
    said = remember(DATE, [run(planned=planned, started=planned)], PLAN, records, history)
    assert said.problems == (
        "the tests of vllm/amd64/unit are not remembered: its evidence could not be kept",
    )
    assert history.tests(DATE) == []


def test_a_night_whose_artifacts_are_all_gone_stays_as_it_was_remembered(records, history):
    remember(DATE, [run()], PLAN, records, history)
    before = history.entries()
    records.store.delete(DATE)
    said = remember(DATE, [run()], PLAN, records, history)
    assert said.runs == ()
    assert RUN_ID in str(said)
    assert history.entries() == before
    assert len(history.tests(DATE)) == 1


@pytest.mark.parametrize("content", [b"", b"{", b'{"wall_s": "long"}'])
def test_metrics_that_cannot_be_read_leave_the_outcome_as_it_is(records, history, content):
    records.store.write(METRICS, content)
    remember(DATE, [run()], PLAN, records, history)
    [built] = [entry for entry in history.entries() if entry.name == "runtime_image"]
    assert (built.good, built.build_wall_s) == (True, None)


def test_a_history_that_cannot_be_written_is_told_and_no_error(records):
    refusing = MemoryHistory(refusal=DiskFull("no space is left to write history"))
    said = remember(DATE, [run()], PLAN, records, refusing)
    assert said.runs == ()
    assert said.problems == (f"run {RUN_ID} could not be remembered: no space is left to write history",)


def test_every_entry_of_a_plan_finds_its_outcome(history):
    records = NightRecords(MemoryStore())
    remember(DATE, [run(planned=KEYS, started=(), state=RunState.FAILED)], PLAN, records, history)
    assert len(history.entries()) == len(KEYS)
    assert not any(entry.good or entry.seen for entry in history.entries())
    assert key_of(image("vllm", "amd64")) in KEYS


def test_a_build_step_that_became_slower_is_told_long_after_the_metrics_of_its_usual_were_pruned(history):
    """From a build's metrics to what is told of it, on nights whose artifacts are kept for two days alone."""
    for number in range(12):
        date, run_id = day(number), f"run-{number}"
        metrics, key = f"{date}/metrics.json", image_key("vllm", "amd64", "runtime")
        kept = NightRecords(MemoryStore())
        step = BuildStep(
            name=f"[install {1 + number % 3}/9] RUN make", digest="d", status="done", duration_s=60.0
        )
        if number >= 10:
            step = step.model_copy(update={"duration_s": 200.0})
        built = BuildMetrics(wall_s=600.0, steps=1, cached_steps=0, hit_rate=0.0, build_steps=(step,))
        kept.store.write(metrics, built.model_dump_json().encode())
        kept.write_outcome(image(date=date, run_id=run_id, artifacts={"metrics": metrics}))
        ran = run_facts(date=date, run_id=run_id, planned=(key,), started=(key,))
        assert remember(date, [ran], PLAN, kept, history).problems == ()
        report = gather_report(date, PLAN, [ran], kept)
    (told,) = [one for one in judge(report, history, Rules()).drifts if one.what == "build_step"]
    assert (told.name, told.value, told.usual) == ("[install] RUN make", 200.0, 60.0)
