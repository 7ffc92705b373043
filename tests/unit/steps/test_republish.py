"""Publishing again: what is missing and nothing else, under the run that could not, from the records alone."""

from __future__ import annotations

import pytest

from nightly_pipeline.errors import RegistryForbidden, RegistryUnavailable
from nightly_pipeline.model.outcomes import PublicationStatus
from nightly_pipeline.steps.publish import PublishTools, publish_image
from nightly_pipeline.steps.records import NightRecords
from nightly_pipeline.steps.republish import publish_again
from tests.factories import DATE, RUN_ID, image, plan, publication
from tests.fakes.store import MemoryStore

NIGHT = plan(frameworks=["vllm"])
[INDEX] = NIGHT.indexes
RUN_TAGS = {"nightly-vllm-amd64-run-1f3a9c02", "nightly-vllm-arm64-run-1f3a9c02", "nightly-vllm-run-1f3a9c02"}
MOVING_TAGS = {"nightly-vllm-amd64", "nightly-vllm-arm64", "nightly-vllm"}


@pytest.fixture
def tools(registries):
    return PublishTools(registries, primary="ecr", records=NightRecords(MemoryStore()))


@pytest.fixture
def after_an_outage(tools, ecr, acr):
    """A night whose second registry was down: images are built, ECR is served, the index was never begun."""
    acr.failures["*"] = RegistryUnavailable("acr is down")
    outcomes = []
    for planned in NIGHT.publications:
        built = image(arch=planned.arch, digest=ecr.add_image(planned.platform))
        tools.records.write_outcome(built)
        outcomes.append(publish_image(planned, built, tools, print, date=DATE, run_id=RUN_ID))
    acr.failures.clear()
    never_begun = publication(arch=None, status="blocked", digest=None, copies=())
    return [*outcomes, never_begun]


def test_a_night_is_healed_from_its_records(tools, ecr, acr, after_an_outage):
    assert {outcome.status.value for outcome in after_an_outage} == {"infra_error", "blocked"}
    done = publish_again(NIGHT, after_an_outage, tools, print)

    assert all(one.is_good and one.why is None for one in done)
    assert [one.after.run_id for one in done] == [RUN_ID] * 3
    assert acr.tags.keys() == ecr.tags.keys() == RUN_TAGS | MOVING_TAGS
    assert acr.tags == ecr.tags
    for one, planned in zip(done, (*NIGHT.publications, INDEX), strict=True):
        assert tools.records.outcome(DATE, RUN_ID, planned.key) == one.after


def test_a_second_time_does_nothing(tools, ecr, acr, after_an_outage):
    done = publish_again(NIGHT, after_an_outage, tools, print)
    ecr.verbs.clear()
    acr.verbs.clear()
    again = publish_again(NIGHT, [one.after for one in done], tools, print)

    assert [one.why for one in again] == ["published already"] * 3
    assert all(one.is_good for one in again)
    assert ecr.verbs == acr.verbs == []


def test_a_registry_that_is_still_down_is_told_again(tools, acr, after_an_outage):
    acr.failures["copy_from"] = RegistryForbidden("403")
    done = publish_again(NIGHT, after_an_outage, tools, print)

    assert [one.after.status.value for one in done] == ["failed", "failed", "blocked"]
    assert not any(one.is_good for one in done)
    assert done[2].why == "no published image for amd64, arm64"
    assert tools.records.outcome(DATE, RUN_ID, INDEX.key) is None


def test_what_was_never_built_is_left_as_it_is(tools, ecr):
    blocked = publication(arch="amd64", status="blocked", digest=None, copies=())
    [done] = publish_again(NIGHT, [blocked], tools, print)

    assert (done.after, done.why) == (blocked, "there is no good image of this night")
    assert ecr.verbs == []


def test_a_part_that_is_good_stays_and_the_rest_follows(tools, ecr, acr, after_an_outage):
    amd64, arm64, index = after_an_outage
    good = publish_again(NIGHT, [amd64], tools, print)[0].after
    done = publish_again(NIGHT, [good, arm64, index], tools, print)

    assert [one.why for one in done] == ["published already", None, None]
    assert done[2].after.status is PublicationStatus.PUBLISHED
    assert acr.tags["nightly-vllm"] == ecr.tags["nightly-vllm"] == done[2].after.digest


def test_a_newer_night_keeps_the_moving_tag(tools, acr, after_an_outage):
    tools.records.write_outcome(publication(arch="amd64", date="2026-11-21"))
    publish_again(NIGHT, after_an_outage, tools, print)

    assert "nightly-vllm-amd64" not in acr.tags
    assert acr.tags.keys() >= RUN_TAGS


def test_an_older_index_of_the_night_gives_way_to_that_of_the_run_that_is_healed(
    tools, ecr, acr, after_an_outage
):
    amd64, arm64, _ = after_an_outage
    older = publication(arch=None, run_id="0" * 8, digest=ecr.add_image("linux/s390x"))
    tools.records.write_outcome(older)
    done = publish_again(NIGHT, [amd64, arm64, older], tools, print)

    assert [one.after.run_id for one in done] == [RUN_ID] * 3
    assert acr.tags["nightly-vllm"] == ecr.tags["nightly-vllm"] == done[2].after.digest != older.digest
    again = publish_again(NIGHT, [done[0].after, done[1].after, older], tools, print)
    assert [one.why for one in again] == ["published already"] * 3


def test_an_index_of_images_of_several_runs_is_left_alone(tools, ecr, after_an_outage):
    amd64, _, _ = after_an_outage
    older = [publication(arch=arch, run_id="0" * 8, platforms=(f"linux/{arch}",)) for arch in ("arm64", None)]
    for outcome in older:
        tools.records.write_outcome(outcome)
    done = publish_again(NIGHT, [amd64, *older], tools, print)

    assert [one.why for one in done] == [None, "published already", "published already"]
