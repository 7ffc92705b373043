"""The report of a night: the newest result of everything planned, and good only what was seen to be good."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightly_pipeline.model.outcomes import EngineFacts, NightStatus
from nightly_pipeline.model.report import Report, RunState, key_of
from nightly_pipeline.model.verdict import is_good
from tests.factories import STARTED, image, stage
from tests.unit.model.reports import (
    EVERYTHING,
    FRAMEWORK,
    PLAN,
    RUNTIME,
    STATES,
    UNIT,
    entry_of,
    good,
    report,
    run,
)


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
