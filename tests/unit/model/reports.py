"""What tests of a night's report share: a small plan, runs of it, and the report of what they left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nightly_pipeline.model.plan import Key, Plan, image_key, index_key, publication_key, stage_key
from nightly_pipeline.model.report import Known, Outcome, Report, RunFacts, RunState, build_report, key_of
from tests.factories import DATE, image, plan, publication, run_facts, stage

PLAN = plan(frameworks=["vllm"], architectures=["amd64", "arm64"], stages=["unit"])
EVERYTHING = tuple(entry.key for entry in PLAN.entries)
FRAMEWORK, RUNTIME = image_key("vllm", "amd64", "framework"), image_key("vllm", "amd64", "runtime")
PUBLISHED, INDEX, UNIT = (
    publication_key("vllm", "amd64"),
    index_key("vllm"),
    stage_key("vllm", "amd64", "unit"),
)
STATES = list(RunState)


def good(key: Key, run_id: str = "run-1") -> Outcome:
    """A good outcome of an entry of the plan."""
    entry = next(entry for entry in PLAN.entries if entry.key == key)
    if key[-1].endswith("_tests"):
        return stage(entry.framework, key[1], key[2].removesuffix("_tests"), run_id=run_id)
    if key[-1] in {"framework_image", "runtime_image"}:
        return image(entry.framework, key[1], key[2].removesuffix("_image"), run_id=run_id)
    return publication(entry.framework, key[1] if len(key) > 2 else None, run_id=run_id)


def run(
    state: str = "failed", run_id: str = "run-1", planned: Sequence[Key] = EVERYTHING, **fields: object
) -> RunFacts:
    return run_facts(state, run_id=run_id, planned=tuple(planned), **fields)


def report(
    *runs: RunFacts, outcomes: Mapping[str, Sequence[Outcome]] | None = None, plan: Plan = PLAN
) -> Report:
    by_run = {
        run_id: {key_of(outcome): outcome for outcome in found} for run_id, found in (outcomes or {}).items()
    }
    return build_report(DATE, plan, Known(runs=runs, outcomes=by_run, source_revision="9c1d5e0f"))


def entry_of(found: Report, key: Key) -> Outcome:
    every = (*found.images, *found.publications, *found.stages)
    return next(outcome for outcome in every if key_of(outcome) == key)
