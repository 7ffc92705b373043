"""Why the report of a night has no result of an entry: it died, never began, was blocked or cancelled."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from nightly_pipeline.model.outcomes import ImageStatus, NightStatus, PublicationStatus, StageStatus
from nightly_pipeline.model.plan import Key, stage_key
from nightly_pipeline.model.report import Outcome, RunState
from tests.factories import DATE, image, publication
from tests.unit.model.reports import (
    EVERYTHING,
    FRAMEWORK,
    INDEX,
    PUBLISHED,
    RUNTIME,
    STATES,
    UNIT,
    entry_of,
    good,
    report,
    run,
)

ENDED = [RunState.SUCCEEDED, RunState.FAILED]


def alone(state: str, key: Key, *, started: bool, before: Sequence[Outcome]) -> Outcome:
    """What the report says of an entry that left no outcome in the only run."""
    facts = run(state, started=(key,) if started else ())
    return entry_of(report(facts, outcomes={"run-1": before}), key)


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
