"""Publishing: every registry for itself, the same bytes everywhere, nothing believed that was not asked."""

from __future__ import annotations

import pytest

from nightly_pipeline.errors import (
    EnvironmentNotReady,
    RegistryConflict,
    RegistryError,
    RegistryForbidden,
    RegistryFull,
    RegistryThrottled,
    RegistryUnavailable,
)
from nightly_pipeline.model.oci import INDEX_TYPE
from nightly_pipeline.model.outcomes import PublicationOutcome, PublicationStatus
from nightly_pipeline.steps.publish import PublishTools, publish_image, publish_index
from nightly_pipeline.steps.records import NightRecords
from tests.factories import DATE, RUN_ID, image, plan, publication
from tests.fakes.store import MemoryStore

NIGHT = plan(frameworks=["vllm"])
AMD64, ARM64 = NIGHT.publications
[INDEX] = NIGHT.indexes
RUN_TAG, MOVING_TAG = "nightly-vllm-amd64-run-1f3a9c02", "nightly-vllm-amd64"
OUTAGES = [
    (RegistryUnavailable("503"), "infra_error"),
    (RegistryThrottled("429"), "infra_error"),
    (RegistryFull("507"), "infra_error"),
    (EnvironmentNotReady("no route"), "infra_error"),
    (RegistryForbidden("403"), "failed"),
    (RegistryConflict("immutable"), "failed"),
    (RegistryError("400"), "failed"),
]
any_outage = pytest.mark.parametrize(("error", "status"), OUTAGES, ids=lambda value: type(value).__name__)


@pytest.fixture
def tools(registries):
    return PublishTools(registries, primary="ecr", records=NightRecords(MemoryStore()))


def publish(tools: PublishTools, planned=AMD64, **fields) -> PublicationOutcome:
    """Push an image to the primary registry, and publish it."""
    name = tools.registries["ecr"].add_image(planned.platform, **fields)
    built = image(arch=planned.arch, digest=name)
    outcome = publish_image(planned, built, tools, print, date=DATE, run_id=RUN_ID)
    assert tools.records.outcome(DATE, RUN_ID, planned.key) == outcome
    return outcome


def join(tools: PublishTools, images: list[PublicationOutcome]) -> PublicationOutcome:
    outcome = publish_index(INDEX, images, tools, print, date=DATE, run_id=RUN_ID)
    assert tools.records.outcome(DATE, RUN_ID, INDEX.key) == outcome
    return outcome


# --- one image


@pytest.mark.parametrize("attested", [True, False])
def test_an_image_is_the_same_digest_in_every_registry_under_both_tags(tools, ecr, acr, attested):
    outcome = publish(tools, attested=attested)

    assert outcome.status is PublicationStatus.PUBLISHED
    assert (outcome.message, outcome.platforms) == (None, ("linux/amd64",))
    assert outcome.started_at.tzinfo is not None
    for registry in (ecr, acr):
        assert registry.tags == {RUN_TAG: outcome.digest, MOVING_TAG: outcome.digest}
        assert registry.manifests[outcome.digest] == ecr.manifests[outcome.digest]
    assert acr.blobs == ecr.blobs


def test_the_outcome_says_what_every_registry_got(tools, ecr, acr):
    outcome = publish(tools)
    everything = sum(map(len, ecr.blobs.values())) + sum(
        len(content) for content, _ in ecr.manifests.values()
    )

    assert [copy.registry for copy in outcome.copies] == ["ecr", "acr"]
    assert [copy.reference for copy in outcome.copies] == [
        f"{host}/nightly@{outcome.digest}" for host in (ecr.host, acr.host)
    ]
    assert {copy.tags for copy in outcome.copies} == {(RUN_TAG, MOVING_TAG)}
    assert {copy.digest for copy in outcome.copies} == {outcome.digest}
    assert [copy.uploaded_bytes for copy in outcome.copies] == [0, everything]


def test_a_second_time_uploads_nothing_and_changes_nothing(tools, acr):
    first, second = publish(tools), publish(tools)

    assert second.digest == first.digest
    assert [copy.uploaded_bytes for copy in second.copies] == [0, 0]
    assert second.status is PublicationStatus.PUBLISHED


def test_the_primary_registry_is_not_copied_to_itself(tools, ecr):
    publish(tools)

    assert "copy_from" not in {verb for verb, _ in ecr.verbs}


@any_outage
@pytest.mark.parametrize("down", ["ecr", "acr"])
@pytest.mark.parametrize("verb", ["put_tag", "digest_of"])
def test_a_registry_that_fails_does_not_keep_the_other_from_being_served(tools, down, verb, error, status):
    tools.registries[down].failures[verb] = error
    outcome = publish(tools)
    copies = {copy.registry: copy for copy in outcome.copies}
    other = {"ecr": "acr", "acr": "ecr"}[down]

    assert outcome.status == status
    assert outcome.message == str(error)
    assert (copies[down].digest, copies[down].message) == (None, str(error))
    assert (copies[other].digest, copies[other].message) == (outcome.digest, None)
    assert tools.registries[other].tags == {RUN_TAG: outcome.digest, MOVING_TAG: outcome.digest}
    assert MOVING_TAG not in tools.registries[down].tags


@any_outage
def test_a_copy_that_fails_moves_no_tag(tools, acr, error, status):
    acr.failures["copy_from"] = error

    assert publish(tools).status == status
    assert acr.tags == {}


def test_what_was_refused_outweighs_what_could_not_be_asked(tools, ecr, acr):
    ecr.failures["put_tag"], acr.failures["copy_from"] = RegistryUnavailable("503"), RegistryForbidden("403")
    outcome = publish(tools)

    assert outcome.status is PublicationStatus.FAILED
    assert "503" in outcome.message
    assert "403" in outcome.message


@pytest.mark.parametrize("answer", [None, "sha256:" + "0" * 64])
@pytest.mark.parametrize("tag", [RUN_TAG, MOVING_TAG])
def test_a_tag_that_answers_another_digest_is_a_failure(tools, acr, tag, answer):
    acr.answers[tag] = answer
    outcome = publish(tools)

    assert outcome.status is PublicationStatus.FAILED
    assert f"{acr.host}/nightly:{tag} answers {answer}, but {outcome.digest} was published" in outcome.message
    assert outcome.copies[1].digest is None


def test_the_moving_tag_is_put_only_when_the_runs_own_answers(tools, acr):
    acr.answers[RUN_TAG] = None
    publish(tools)

    assert acr.moved() == [RUN_TAG]


@pytest.mark.parametrize("built", [None, image(status="failed"), image(digest=None)])
def test_without_an_image_it_is_blocked(tools, ecr, acr, built):
    outcome = publish_image(AMD64, built, tools, print, date=DATE, run_id=RUN_ID)

    assert (outcome.status, outcome.digest, outcome.copies) == (PublicationStatus.BLOCKED, None, ())
    assert outcome.message == "there is no good runtime image of this night to publish"
    assert tools.records.outcome(DATE, RUN_ID, AMD64.key) == outcome
    assert ecr.verbs == acr.verbs == []


def test_published_nowhere_is_not_published(tools):
    nowhere = AMD64.model_copy(update={"registries": ()})

    assert publish(tools, nowhere).status is PublicationStatus.FAILED


def test_what_happens_is_said_line_by_line(tools, acr, capsys):
    acr.failures["copy_from"] = RegistryUnavailable("503")
    outcome = publish(tools)

    said = capsys.readouterr().out.splitlines()
    assert (
        said[0]
        == f"ecr: localhost:5000/nightly@{outcome.digest} as {RUN_TAG}, {MOVING_TAG}; 0 bytes uploaded"
    )
    assert said[1] == "acr: 503"


@pytest.mark.parametrize("planned", [AMD64, INDEX], ids=["image", "index"])
def test_a_past_night_does_not_take_the_moving_tag_from_a_newer_one(tools, ecr, acr, planned):
    tools.records.write_outcome(publication(arch=getattr(planned, "arch", None), date="2026-11-21"))
    images = [publish(tools, AMD64), publish(tools, ARM64)]
    outcome = images[0] if planned is AMD64 else join(tools, images)

    assert outcome.status is PublicationStatus.PUBLISHED
    for registry in (ecr, acr):
        assert planned.moving_tag not in registry.tags
        assert registry.tags[f"{planned.moving_tag}-run-1f3a9c02"] == outcome.digest


def test_a_newer_night_that_comes_while_an_image_is_copied_keeps_the_moving_tag(tools, acr, monkeypatch):
    newer, copy = f"sha256:{'e' * 64}", acr.copy_from

    def copy_slowly(source, digest):
        acr.tags[MOVING_TAG] = newer
        tools.records.write_outcome(publication(arch="amd64", date="2026-11-21"))
        return copy(source, digest)

    monkeypatch.setattr(acr, "copy_from", copy_slowly)
    outcome = publish(tools)

    assert outcome.status is PublicationStatus.PUBLISHED
    assert acr.tags == {RUN_TAG: outcome.digest, MOVING_TAG: newer}
    assert [one.tags for one in outcome.copies] == [(RUN_TAG, MOVING_TAG), (RUN_TAG,)]


# --- an index of all architectures


def test_an_index_joins_the_images_with_their_attestations_in_every_registry(tools, ecr, acr):
    images = [publish(tools, AMD64), publish(tools, ARM64)]
    outcome = join(tools, images)

    assert outcome.status is PublicationStatus.PUBLISHED
    assert (outcome.arch, outcome.platforms) == (None, ("linux/amd64", "linux/arm64"))
    assert outcome.digest == ecr.tags["nightly-vllm"] == acr.tags["nightly-vllm-run-1f3a9c02"]
    children = [child for one in images for child in ecr.document(one.digest)["manifests"]]
    assert acr.document("nightly-vllm")["manifests"] == children
    assert len(children) == 4
    assert acr.document("nightly-vllm")["annotations"] == {
        "io.nightly.date": DATE,
        "io.nightly.framework": "vllm",
    }


def test_an_image_without_an_index_of_its_own_is_joined_all_the_same(tools, ecr):
    images = [publish(tools, AMD64, attested=False), publish(tools, ARM64)]
    outcome = join(tools, images)

    assert outcome.status is PublicationStatus.PUBLISHED
    [entry, *_] = ecr.document(outcome.digest)["manifests"]
    assert entry["digest"] == images[0].digest
    assert entry["size"] == len(ecr.manifests[images[0].digest][0])
    assert entry["platform"] == {"os": "linux", "architecture": "amd64"}


def test_a_variant_is_part_of_the_platform(tools, ecr):
    arm = AMD64.model_copy(update={"platform": "linux/arm/v7"})
    index = INDEX.model_copy(update={"platforms": ("linux/arm/v7",)})
    outcome = publish_index(
        index, [publish(tools, arm, attested=False)], tools, print, date=DATE, run_id=RUN_ID
    )

    assert outcome.status is PublicationStatus.PUBLISHED
    [entry] = ecr.document(outcome.digest)["manifests"]
    assert entry["platform"] == {"os": "linux", "architecture": "arm", "variant": "v7"}


@pytest.mark.parametrize("present", [[], [AMD64], [ARM64], [AMD64, AMD64]])
def test_an_index_that_would_lack_a_platform_is_refused_everywhere(tools, ecr, acr, present):
    outcome = join(tools, [publish(tools, planned) for planned in present])

    assert (outcome.status, outcome.digest, outcome.copies) == (PublicationStatus.FAILED, None, ())
    assert "refused to publish an index for linux/amd64, linux/arm64" in outcome.message
    assert not {"nightly-vllm", "nightly-vllm-run-1f3a9c02"}.intersection(ecr.tags | acr.tags)


def test_an_image_that_is_gone_again_is_refused(tools, ecr):
    images = [publish(tools, AMD64), publish(tools, ARM64)]
    del ecr.manifests[images[1].digest]
    outcome = join(tools, images)

    assert outcome.status is PublicationStatus.FAILED
    assert "is not there any more" in outcome.message


def test_an_image_whose_manifest_is_none_is_refused(tools, ecr):
    images = [publish(tools, AMD64), publish(tools, ARM64)]
    ecr.manifests[images[1].digest] = (b"<html>", INDEX_TYPE)
    outcome = join(tools, images)

    assert outcome.status is PublicationStatus.FAILED
    assert "is not a manifest" in outcome.message


@any_outage
def test_a_primary_registry_that_fails_leaves_no_index(tools, ecr, acr, error, status):
    images = [publish(tools, AMD64), publish(tools, ARM64)]
    ecr.failures["manifest"] = error
    outcome = join(tools, images)

    assert (outcome.status, outcome.digest) == (status, None)
    assert "nightly-vllm" not in acr.tags


@any_outage
def test_a_second_registry_that_fails_does_not_keep_the_first_from_its_index(tools, ecr, acr, error, status):
    images = [publish(tools, AMD64), publish(tools, ARM64)]
    acr.failures["put_index"] = error
    outcome = join(tools, images)

    assert outcome.status == status
    assert ecr.tags["nightly-vllm"] == outcome.digest
    assert "nightly-vllm" not in acr.tags


def test_a_registry_that_lacks_a_child_refuses_the_index(tools, acr):
    images = [publish(tools, AMD64), publish(tools, ARM64)]
    acr.manifests.clear()

    assert join(tools, images).status is PublicationStatus.FAILED


def test_a_second_index_of_the_same_images_is_the_same(tools):
    images = [publish(tools, AMD64), publish(tools, ARM64)]

    assert join(tools, images).digest == join(tools, images).digest
