"""Promotion: the tested digests under `known-good` in every registry, with a record; nothing half believed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from nightly_pipeline.errors import (
    ProcessError,
    RegistryConflict,
    RegistryForbidden,
    RegistryUnavailable,
)
from nightly_pipeline.model.promotion import Candidate, PromotedImage
from nightly_pipeline.steps.promote import (
    Order,
    PromoteTools,
    plan_promotion,
    promote,
    promoted_night,
)
from nightly_pipeline.steps.promotion_records import PromotionRecords
from tests.factories import DATE, REVISION, RUN_ID
from tests.fakes.store import MemoryStore

NEXT_RUN = "77aa00c2-0000-4000-8000-000000000000"
RUN_TAG = "known-good-vllm-run-1f3a9c02"
ARM_TAG, INDEX_TAG = "known-good-vllm-arm64", "known-good-vllm"


@pytest.fixture
def tools(registries):
    return PromoteTools(registries, primary="ecr", records=PromotionRecords(MemoryStore()))


def night(tools, *, date: str = DATE, run_id: str = RUN_ID, attested: bool = True) -> Candidate:
    """Images of a night in every registry."""
    images = []
    for arch in ("amd64", "arm64"):
        layer = f"{date} {arch}".encode()
        for registry in tools.registries.values():
            name = registry.add_image(f"linux/{arch}", layer=layer, attested=attested)
        images.append(PromotedImage(arch=arch, platform=f"linux/{arch}", digest=name))
    return Candidate(
        framework="vllm", date=date, run_id=run_id, images=tuple(images), source_revision=REVISION
    )


def order(candidate: Candidate, reason: str = "every stage passed", **fields) -> Order:
    return Order(candidate=candidate, reason=reason, who="me@here", **fields)


def done(tools, candidate: Candidate, **fields):
    return promote(plan_promotion(order(candidate, **fields), tools), tools, print)


@pytest.mark.parametrize("attested", [True, False])
def test_the_tested_digests_are_known_good_in_every_registry(tools, ecr, acr, attested):
    candidate = night(tools, attested=attested)
    record = done(tools, candidate)

    for registry in (ecr, acr):
        assert registry.tags == {
            "known-good-vllm-amd64": candidate.images[0].digest,
            ARM_TAG: candidate.images[1].digest,
            RUN_TAG: record.index_digest,
            INDEX_TAG: record.index_digest,
        }
    assert ecr.manifests[record.index_digest] == acr.manifests[record.index_digest]


def test_the_index_holds_exactly_the_tested_images_and_says_which_night(tools, acr):
    candidate = night(tools)
    done(tools, candidate)
    index = acr.document(INDEX_TAG)

    assert index["annotations"] == {
        "io.nightly.date": DATE,
        "io.nightly.framework": "vllm",
        "io.nightly.reason": "every stage passed",
        "io.nightly.run-id": RUN_ID,
        "org.opencontainers.image.revision": REVISION,
    }
    assert index["manifests"] == [
        child for image in candidate.images for child in acr.document(image.digest)["manifests"]
    ]
    assert promoted_night(acr, "vllm") == {
        "digest": acr.tags[INDEX_TAG],
        "date": DATE,
        "run_id": RUN_ID,
        "reason": "every stage passed",
        "source_revision": REVISION,
    }


def test_a_registry_without_known_good_says_none(ecr):
    assert promoted_night(ecr, "vllm") is None


def test_the_record_says_who_when_why_and_what(tools):
    candidate = night(tools)
    before = datetime.now(UTC)
    record = done(tools, candidate, overridden=("amd64/unit: failed",), excused=("amd64/unit: t",))

    assert tools.records.of("vllm") == [record]
    assert (record.who, record.reason, record.action, record.automatic) == (
        "me@here",
        "every stage passed",
        "promote",
        False,
    )
    assert before <= record.when <= datetime.now(UTC)
    assert record.images == candidate.images
    assert (record.overridden, record.excused) == (("amd64/unit: failed",), ("amd64/unit: t",))
    assert record.complete
    [key] = tools.records.store.keys("promotions")
    assert key.startswith("promotions/vllm/")
    assert tools.records.store.dates() == [], "no night owns it, so no night's end takes it along"


def test_a_plan_says_what_would_move_and_changes_nothing(tools, ecr, acr):
    first = night(tools)
    done(tools, first)
    before = dict(ecr.tags), dict(acr.tags)
    second = night(tools, date="2026-11-21", run_id=NEXT_RUN)
    plan = plan_promotion(order(second), tools)

    assert (ecr.tags, acr.tags) == before
    assert len(tools.records.of("vllm")) == 1
    assert plan.changes
    moves = {(move.registry, move.tag): (move.before, move.after) for move in plan.moves}
    assert moves["acr", ARM_TAG] == (first.images[1].digest, second.images[1].digest)
    assert moves["ecr", "known-good-vllm-run-77aa00c2"] == (None, plan.index_digest)
    assert moves["ecr", INDEX_TAG] == (before[0][INDEX_TAG], plan.index_digest)
    assert len(moves) == 8


def test_a_second_time_changes_nothing_and_is_no_new_record(tools, ecr):
    candidate = night(tools)
    first = done(tools, candidate)
    ecr.verbs.clear()

    assert done(tools, candidate, reason="again") == first
    assert tools.records.of("vllm") == [first]
    assert ecr.moved() == []


def test_going_back_brings_the_very_digest_back(tools, ecr, acr):
    old = night(tools)
    first = done(tools, old)
    done(tools, night(tools, date="2026-11-21", run_id=NEXT_RUN))
    back = done(tools, old, reason="the new one leaks", action="rollback")

    assert back.index_digest == first.index_digest
    assert ecr.tags[INDEX_TAG] == acr.tags[INDEX_TAG] == first.index_digest
    assert ecr.tags[ARM_TAG] == old.images[1].digest
    assert [record.action for record in tools.records.of("vllm")] == ["promote", "promote", "rollback"]
    assert tools.records.current("vllm") == back
    assert (back.reason, promoted_night(ecr, "vllm")["reason"]) == ("the new one leaks", "every stage passed")


def test_other_images_of_the_same_run_get_an_index_of_their_own(tools, ecr):
    first = done(tools, night(tools))
    changed = night(tools, date="2026-11-21")
    second = done(tools, changed)

    assert second.index_digest != first.index_digest
    assert ecr.tags[RUN_TAG] == second.index_digest


@pytest.mark.parametrize("where", ["ecr", "acr"])
def test_an_image_that_is_gone_from_a_registry_is_promoted_in_none(tools, where):
    candidate = night(tools)
    del tools.registries[where].manifests[candidate.images[1].digest]

    with pytest.raises(RegistryConflict, match=f"{where}: .*arm64.* is not there any more"):
        plan_promotion(order(candidate), tools)


@pytest.mark.parametrize("where", ["ecr", "acr"])
@pytest.mark.parametrize("verb", ["digest_of", "manifest"])
def test_a_registry_that_cannot_be_asked_stops_it_before_anything_moves(tools, where, verb):
    candidate = night(tools)
    tools.registries[where].failures[verb] = RegistryUnavailable("503")

    with pytest.raises(RegistryUnavailable):
        plan_promotion(order(candidate), tools)
    assert all(registry.tags == {} for registry in tools.registries.values())


@pytest.mark.parametrize("down", ["ecr", "acr"])
@pytest.mark.parametrize("verb", ["put_index", "put_tag"])
def test_a_registry_that_fails_meanwhile_is_on_record_and_raised_and_the_other_is_served(tools, down, verb):
    plan = plan_promotion(order(night(tools)), tools)
    tools.registries[down].failures[verb] = RegistryUnavailable("503 there")
    other = tools.registries[{"ecr": "acr", "acr": "ecr"}[down]]

    with pytest.raises(RegistryUnavailable, match="503 there"):
        promote(plan, tools, print)
    assert other.tags[INDEX_TAG] == plan.index_digest
    [record] = tools.records.of("vllm")
    assert (record.complete, record.problems) == (False, {down: "503 there"})
    assert tools.records.current("vllm") is None


def test_what_broke_off_is_completed_by_doing_it_again(tools, acr):
    candidate = night(tools)
    plan = plan_promotion(order(candidate), tools)
    acr.failures["put_tag"] = RegistryUnavailable("503")
    with pytest.raises(RegistryUnavailable):
        promote(plan, tools, print)
    acr.failures.clear()
    record = done(tools, candidate, reason="another reason")

    assert record.complete
    assert record.index_digest == plan.index_digest, "the registry that was served keeps its index"
    assert acr.tags[INDEX_TAG] == record.index_digest


def test_a_record_that_was_lost_is_written_again(tools):
    candidate = night(tools)
    done(tools, candidate)
    tools.records.store.delete("promotions")
    done(tools, candidate)

    assert len(tools.records.of("vllm")) == 1


def test_what_was_refused_outweighs_what_could_not_be_asked(tools, ecr, acr):
    plan = plan_promotion(order(night(tools)), tools)
    ecr.failures["put_tag"], acr.failures["put_tag"] = RegistryUnavailable("503"), RegistryForbidden("403")

    with pytest.raises(RegistryForbidden):
        promote(plan, tools, print)


@pytest.mark.parametrize("tag", [ARM_TAG, INDEX_TAG, RUN_TAG])
@pytest.mark.parametrize("answer", [None, "sha256:" + "0" * 64])
def test_a_tag_that_answers_another_digest_is_a_failure(tools, acr, tag, answer):
    plan = plan_promotion(order(night(tools)), tools)
    acr.answers[tag] = answer

    with pytest.raises(RegistryConflict, match=f"{tag} answers {answer}"):
        promote(plan, tools, print)
    assert not tools.records.of("vllm")[0].complete


class Notary:
    """Signs what is there and has no tag yet."""

    def __init__(self, registries, *, refuses: bool = False) -> None:
        self.registries, self.refuses, self.signed = registries, refuses, []

    def sign(self, reference: str) -> None:
        if self.refuses:
            raise ProcessError("cosign: no key")
        host, _, digest = reference.partition("/nightly@")
        [registry] = [one for one in self.registries.values() if one.host == host]
        assert digest in registry.manifests
        assert digest not in registry.tags.values()
        self.signed.append(host)


def test_the_index_is_signed_in_each_registry_before_it_has_a_tag(tools):
    notary = Notary(tools.registries)
    done(replace(tools, signer=notary), night(tools))

    assert notary.signed == ["localhost:5000", "localhost:5001"]


def test_what_cannot_be_signed_is_not_promoted(tools):
    notary = Notary(tools.registries, refuses=True)

    with pytest.raises(ProcessError, match="no key"):
        done(replace(tools, signer=notary), night(tools))
    assert all(registry.tags == {} for registry in tools.registries.values())


def test_what_happens_is_said_line_by_line(tools, capsys):
    candidate = night(tools)
    record = done(tools, candidate)
    said = capsys.readouterr().out.splitlines()

    assert f"acr: {INDEX_TAG} is {record.index_digest[:19]}, was not there" in said
    assert len(said) == 8
