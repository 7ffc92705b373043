"""The report of a night: the newest result of everything planned, or why there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightly_pipeline.model.outcomes import (
    EngineFacts,
    ImageStatus,
    NightStatus,
    PublicationStatus,
    StageStatus,
)
from nightly_pipeline.model.plan import Key, Plan, image_key, index_key, publication_key, stage_key
from nightly_pipeline.model.report import Known, Outcome, Report, RunFacts, RunState, build_report, key_of
from nightly_pipeline.model.verdict import is_good
from tests.factories import DATE, STARTED, image, plan, publication, run_facts, stage

PLAN = plan(frameworks=["vllm"], architectures=["amd64", "arm64"], stages=["unit"])
EVERYTHING = tuple(entry.key for entry in PLAN.entries)
FRAMEWORK, RUNTIME = image_key("vllm", "amd64", "framework"), image_key("vllm", "amd64", "runtime")
PUBLISHED, INDEX, UNIT = (
    publication_key("vllm", "amd64"),
    index_key("vllm"),
    stage_key("vllm", "amd64", "unit"),
)
STATES = list(RunState)
ENDED = [RunState.SUCCEEDED, RunState.FAILED]


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


def alone(state: str, key: Key, *, started: bool, before: Sequence[Outcome]) -> Outcome:
    """What the report says of an entry that left no outcome in the only run."""
    facts = run(state, started=(key,) if started else ())
    return entry_of(report(facts, outcomes={"run-1": before}), key)


# --- the rule as a whole


@given(
    state=st.sampled_from(STATES),
    started=st.sets(st.sampled_from(EVERYTHING)),
    present=st.sets(st.sampled_from(EVERYTHING)),
)
def test_nothing_is_good_that_was_not_seen_to_be_good(state, started, present):
    found = report(
        run(state, started=tuple(started)), outcomes={"run-1": [good(key) for key in sorted(present)]}
    )

    every = {key_of(outcome): outcome for outcome in (*found.images, *found.publications, *found.stages)}
    assert set(every) == set(EVERYTHING)
    assert {key for key, outcome in every.items() if is_good(outcome.status)} == present
    assert all(outcome.message for key, outcome in every.items() if key not in present)
    assert (found.status is NightStatus.GREEN) == (present == set(EVERYTHING))


@given(
    states=st.lists(st.sampled_from(STATES), min_size=1, max_size=3),
    data=st.data(),
)
def test_over_several_runs_a_good_result_was_seen_in_the_newest_that_tried(states, data):
    keys = st.sets(st.sampled_from(EVERYTHING))
    runs, outcomes = [], {}
    for number, state in enumerate(states):
        planned = data.draw(keys)
        started = planned & data.draw(keys)
        present = started & data.draw(keys)
        runs.append(run(state, f"run-{number}", sorted(planned), started=tuple(started)))
        outcomes[f"run-{number}"] = [good(key, f"run-{number}") for key in sorted(present)]

    found = report(*runs, outcomes=outcomes)

    for outcome in (*found.images, *found.publications, *found.stages):
        key = key_of(outcome)
        tried = [
            facts.run_id
            for facts in runs
            if key in facts.planned
            and (
                key in {key_of(one) for one in outcomes[facts.run_id]}
                or (key in facts.started and facts.state is not RunState.RUNNING)
            )
        ]
        assert tried or not is_good(outcome.status)
        if tried:
            assert outcome.run_id == tried[-1]


# --- why there is no result


@pytest.mark.parametrize("state", ENDED)
def test_a_step_that_began_and_left_nothing_died(state):
    before = [good(FRAMEWORK), good(RUNTIME)]

    assert alone(state, UNIT, started=True, before=before).status is StageStatus.INFRA_ERROR
    assert alone(state, PUBLISHED, started=True, before=before).status is PublicationStatus.INFRA_ERROR
    died = alone(state, RUNTIME, started=True, before=before[:1])
    assert died.status is ImageStatus.FAILED
    assert died.message == "its process ended without writing a result"


@pytest.mark.parametrize("state", ENDED)
def test_a_step_that_never_began_in_a_run_that_ended_did_not_run(state):
    before = [good(FRAMEWORK), good(RUNTIME)]

    for key in (UNIT, PUBLISHED):
        outcome = alone(state, key, started=False, before=before)
        assert outcome.status.value == "not_run"
        assert "never started" in outcome.message


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("status", ["failed", "timed_out"])
def test_what_waits_for_a_bad_image_is_blocked_by_it(state, status):
    before = [good(FRAMEWORK), image("vllm", "amd64", "runtime", status, run_id="run-1")]

    for key in (UNIT, PUBLISHED):
        outcome = alone(state, key, started=False, before=before)
        assert outcome.status.value == "blocked"
        assert outcome.message == "vllm/amd64/runtime_image is not there"


@pytest.mark.parametrize("state", ENDED)
def test_blocking_goes_on_down_the_chain(state):
    found = report(run(state, started=(FRAMEWORK,)))

    assert entry_of(found, FRAMEWORK).status is ImageStatus.FAILED
    assert entry_of(found, RUNTIME).status is ImageStatus.NOT_RUN
    assert entry_of(found, RUNTIME).message == "vllm/amd64/framework_image is not there"
    assert entry_of(found, UNIT).status is StageStatus.BLOCKED
    assert entry_of(found, PUBLISHED).status is PublicationStatus.BLOCKED
    assert entry_of(found, INDEX).status is PublicationStatus.BLOCKED


def test_an_index_is_blocked_by_one_of_its_images():
    before = [good(key) for key in EVERYTHING if key not in {INDEX, PUBLISHED}]
    refused = publication("vllm", "amd64", "failed", run_id="run-1")

    outcome = alone("failed", INDEX, started=False, before=[*before, refused])

    assert (outcome.status, outcome.message) == (
        PublicationStatus.BLOCKED,
        "vllm/amd64/published_image is not there",
    )


@pytest.mark.parametrize("started", [False, True])
def test_a_cancelled_run_cancels_what_had_no_result(started):
    before = [good(FRAMEWORK), good(RUNTIME)]

    for key in (UNIT, PUBLISHED):
        assert alone("cancelled", key, started=started, before=before).status.value == "cancelled"
    assert alone("cancelled", FRAMEWORK, started=started, before=[]).status is ImageStatus.CANCELLED


def test_what_waited_for_a_cancelled_image_was_cancelled_with_it():
    before = [good(FRAMEWORK), image("vllm", "amd64", "runtime", "cancelled", run_id="run-1")]

    assert alone("cancelled", UNIT, started=False, before=before).status is StageStatus.CANCELLED


def test_what_waits_for_an_image_whose_step_was_interrupted_alone_is_blocked():
    before = [good(FRAMEWORK), image("vllm", "amd64", "runtime", "cancelled", run_id="run-1")]

    assert alone("failed", UNIT, started=False, before=before).status is StageStatus.BLOCKED


@pytest.mark.parametrize(("started", "said"), [(True, "running now"), (False, "not started yet")])
def test_a_run_that_goes_on_has_not_run_it_yet(started, said):
    found = report(run("running", started=(UNIT,) if started else ()))

    assert entry_of(found, UNIT).status is StageStatus.NOT_RUN
    assert entry_of(found, UNIT).message == said
    assert (found.running, found.status) == (True, NightStatus.INCOMPLETE)


def test_an_outcome_that_could_not_be_read_is_not_blamed_on_the_image_it_used():
    """Both records of a cell are damaged; the stage began, so its image was there."""
    found = report(run("failed", started=(FRAMEWORK, RUNTIME, UNIT)), outcomes={"run-1": [good(FRAMEWORK)]})

    assert entry_of(found, UNIT).status is StageStatus.INFRA_ERROR


def test_a_source_that_cannot_be_had_leaves_everything_undone():
    found = report(run("failed"))

    assert {outcome.status for outcome in found.images} == {ImageStatus.NOT_RUN}
    assert found.status is NightStatus.INCOMPLETE


def test_what_is_absent_carries_what_was_planned():
    found = entry_of(report(run("failed")), stage_key("vllm", "arm64", "unit"))

    assert (found.date, found.run_id, found.mode, found.runner) == (
        DATE,
        "run-1",
        "collect",
        "cpu-arm-r8g-4xlarge",
    )


# --- several runs


def test_the_newest_result_counts():
    older, newer = stage(status="failed", run_id="run-1"), stage(status="passed", run_id="run-2")

    found = report(
        run("failed", "run-1"),
        run("succeeded", "run-2", [UNIT]),
        outcomes={"run-1": [older], "run-2": [newer]},
    )

    assert entry_of(found, UNIT) == newer
    assert found.run_id == "run-2"


def test_a_newer_run_that_never_began_a_step_leaves_its_older_result():
    older = stage(run_id="run-1")

    for state in STATES:
        found = report(run("failed", "run-1"), run(state, "run-2", [UNIT]), outcomes={"run-1": [older]})
        assert entry_of(found, UNIT) == older


@pytest.mark.parametrize(
    ("state", "status"),
    [("failed", "infra_error"), ("succeeded", "infra_error"), ("cancelled", "cancelled")],
)
def test_an_older_good_result_does_not_hide_that_a_newer_run_died(state, status):
    rerun = run(state, "run-2", [UNIT], started=(UNIT,))

    found = report(run("succeeded", "run-1"), rerun, outcomes={"run-1": [good(key) for key in EVERYTHING]})

    assert entry_of(found, UNIT).status.value == status
    assert entry_of(found, UNIT).run_id == "run-2"
    assert found.status is NightStatus.INCOMPLETE


def test_a_rerun_under_way_leaves_the_older_result_and_says_that_it_runs():
    rerun = run("running", "run-2", [UNIT], started=(UNIT,))

    found = report(run("succeeded", "run-1"), rerun, outcomes={"run-1": [good(key) for key in EVERYTHING]})

    assert (entry_of(found, UNIT).run_id, found.running) == ("run-1", True)


def test_a_night_is_partial_only_when_all_of_its_runs_are():
    assert report(run(partial=True)).partial
    assert not report(run(partial=False), run("failed", "run-2", [UNIT], partial=True)).partial


def test_what_no_run_planned_is_left_out():
    found = report(run(planned=[FRAMEWORK, RUNTIME, UNIT], partial=True))

    assert [key_of(outcome) for outcome in (*found.images, *found.stages)] == [FRAMEWORK, RUNTIME, UNIT]
    assert found.publications == ()


def test_the_order_is_that_of_the_plan_whatever_the_runs_say():
    found = report(run("running", planned=EVERYTHING[::-1]))

    assert tuple(key_of(one) for one in (*found.images, *found.publications, *found.stages)) == EVERYTHING


def test_a_night_lasts_from_its_first_start_to_its_last_end():
    later = timedelta(hours=5)
    found = report(run(), run("failed", "run-2", started_at=STARTED + later, ended_at=STARTED + later * 2))

    assert (found.started_at, found.ended_at) == (STARTED, STARTED + later * 2)


def test_a_night_that_has_not_ended_has_no_end():
    found = report(run("running", started_at=None), plan=PLAN)

    assert (found.started_at, found.ended_at) == (None, None)


# --- the engine


def test_the_engine_is_what_was_in_the_images_not_what_the_readers_profile_says():
    real = EngineFacts(kind="real", name="vllm")
    outcomes = {"run-1": [image(kind="runtime", engine=real, run_id="run-1")]}

    assert report(run(), outcomes=outcomes).engine == "real"
    assert report(run(), outcomes={}, plan=PLAN.model_copy(update={"engine": "real"})).engine == "real"


def test_one_mock_makes_it_a_mock_night():
    real, mock = (EngineFacts(kind=kind, name="vllm") for kind in ("real", "mock"))
    mixed = [image(kind="framework", engine=real), image(kind="runtime", engine=real), stage(engine=mock)]

    found = report(run(), outcomes={"run-1": mixed}, plan=PLAN.model_copy(update={"engine": "real"}))

    assert found.engine == "mock"


# --- as JSON


def test_the_contract_of_the_json():
    before = [good(key) for key in EVERYTHING]
    document = report(run("succeeded"), outcomes={"run-1": before}).model_dump(mode="json")

    assert {"date", "run_id", "source_revision", "status", "engine", "images", "stages", "incidents"} <= set(
        document
    )
    assert {"framework", "arch", "kind", "status", "digest", "tags", "duration_s"} <= set(
        document["images"][0]
    )
    assert {
        "framework", "arch", "stage", "status", "runner", "duration_s", "counts", "failures",
    } <= set(document["stages"][0])  # fmt: skip
    assert set(document["stages"][0]["counts"]) == {"passed", "failed", "skipped", "errors", "collected"}
    assert (document["status"], document["incidents"]) == ("green", [])


def test_a_report_is_read_back_unchanged():
    found = report(run("failed"), outcomes={"run-1": [good(UNIT)]})

    assert Report.model_validate_json(found.model_dump_json()) == found
