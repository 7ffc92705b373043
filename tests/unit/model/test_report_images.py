"""An image that was built again and not tested, though it was to be: what is known of the one before is not of it."""

from __future__ import annotations

import pytest

from nightly_pipeline.model.outcomes import NightStatus, PublicationStatus, StageStatus
from tests.factories import digest, image, publication, stage
from tests.unit.model.reports import EVERYTHING, PUBLISHED, RUNTIME, UNIT, entry_of, good, report, run

WHOLE = [good(key) for key in EVERYTHING]
AGAIN = digest("built", "again")


def rebuilt(**fields):
    return image("vllm", "amd64", "runtime", run_id="run-2", digest=AGAIN, **fields)


@pytest.mark.parametrize("state", ["cancelled", "failed", "succeeded", "running"])
@pytest.mark.parametrize("planned", [EVERYTHING, [RUNTIME, PUBLISHED, UNIT]], ids=["whole", "a part"])
def test_a_night_whose_image_was_built_again_and_not_tested_is_not_green(state, planned):
    second = run(state, "run-2", planned, started=[RUNTIME])

    found = report(run("succeeded"), second, outcomes={"run-1": WHOLE, "run-2": [rebuilt()]})

    assert found.status is NightStatus.INCOMPLETE
    assert entry_of(found, UNIT).status is StageStatus.NOT_RUN
    assert entry_of(found, UNIT).message == (
        "the image of run run-2 is not tested; run run-1 tested an earlier image of this night: passed"
    )
    assert entry_of(found, PUBLISHED).status is PublicationStatus.NOT_RUN
    assert "the image of run run-2 is not published" in entry_of(found, PUBLISHED).message


def test_a_night_whose_image_was_built_and_tested_again_is_green():
    newer = [
        rebuilt(),
        publication("vllm", "amd64", run_id="run-2", digest=AGAIN),
        stage("vllm", "amd64", "unit", run_id="run-2", image_digest=AGAIN),
    ]
    second = run("succeeded", "run-2", [RUNTIME, PUBLISHED, UNIT])

    found = report(run("succeeded"), second, outcomes={"run-1": WHOLE, "run-2": newer})

    assert found.status is NightStatus.GREEN
    assert entry_of(found, UNIT) == newer[-1]


def test_a_failure_on_an_image_that_was_built_again_since_is_still_told():
    failed = stage("vllm", "amd64", "unit", "failed", run_id="run-1")
    first = [failed if key == UNIT else good(key) for key in EVERYTHING]

    found = report(
        run("failed"),
        run("cancelled", "run-2", started=[RUNTIME]),
        outcomes={"run-1": first, "run-2": [rebuilt()]},
    )

    assert entry_of(found, UNIT) == failed


def test_who_builds_an_image_alone_leaves_the_newest_results_of_all_else():
    found = report(
        run("succeeded"),
        run("succeeded", "run-2", [RUNTIME]),
        outcomes={"run-1": WHOLE, "run-2": [rebuilt()]},
    )

    assert entry_of(found, UNIT) == good(UNIT)
    assert found.status is NightStatus.GREEN


def test_an_image_that_was_taken_over_is_the_one_that_was_tested():
    taken = image("vllm", "amd64", "runtime", "reused", run_id="run-2")
    found = report(
        run("succeeded"),
        run("cancelled", "run-2", started=[RUNTIME]),
        outcomes={"run-1": WHOLE, "run-2": [taken]},
    )

    assert found.status is NightStatus.GREEN
