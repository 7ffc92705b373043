"""Retention over registries: what could not be asked stays, what was promoted stays, indexes go first."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from nightly_pipeline.errors import RegistryError, RegistryUnavailable
from nightly_pipeline.model.bisect_record import bisect_id
from nightly_pipeline.model.oci import INDEX_TYPE, MANIFEST_TYPE
from nightly_pipeline.model.promotion import PromotedImage, PromotionRecord
from nightly_pipeline.model.retention import Lifetime
from nightly_pipeline.model.tags import search_tag
from nightly_pipeline.steps.promotion_records import PromotionRecords
from nightly_pipeline.steps.retention import RetentionRule, RetentionTools, apply_retention, as_json
from tests.fakes.registry_memory import MemoryRegistry
from tests.fakes.store import MemoryStore
from tests.unit.model.pasts import TEST

NOW = datetime(2026, 11, 22, 5, 0, tzinfo=UTC)
RULE = RetentionRule(Lifetime(days=30), promotions=2, cache_days=30)


@pytest.fixture
def caches():
    return MemoryRegistry("ecr", "localhost:5000", "nightly-cache")


@pytest.fixture
def tools(ecr, acr, caches):
    return RetentionTools([ecr, acr], [caches], PromotionRecords(MemoryStore()), ["vllm"], ["amd64", "arm64"])


def night(registry: MemoryRegistry, run: str, age: int, **labels: str) -> tuple[str, str, str]:
    """Two images and the index of both, of a night `age` days ago; their digests, the index last."""
    date = (NOW.date() - timedelta(days=age)).isoformat()
    created = (NOW - timedelta(days=age)).isoformat()
    said = {"io.nightly.date": date, "org.opencontainers.image.created": created, **labels}
    images = [
        registry.add_image(f"linux/{arch}", labels=said, layer=f"{run}{arch}".encode())
        for arch in ("amd64", "arm64")
    ]
    for arch, image in zip(("amd64", "arm64"), images, strict=True):
        registry.tags[f"nightly-vllm-{arch}-run-{run}"] = image
    children = [child for image in images for child in registry.document(image)["manifests"]]
    index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": children}
    content = json.dumps(index | {"annotations": {"io.nightly.date": date}}).encode()
    return (*images, registry.put_index([f"nightly-vllm-run-{run}"], content, INDEX_TYPE))


def apply(tools, rule=RULE, *, delete: bool = True, log=print):
    return apply_retention(tools, rule, delete=delete, log=log, now=NOW)


def runs_in(registry: MemoryRegistry) -> set[str]:
    return {tag.rpartition("-")[2] for tag in registry.tags if "-run-" in tag}


def test_old_nights_go_from_every_registry_with_all_that_is_theirs(tools, ecr, acr):
    for registry in (ecr, acr):
        night(registry, "aaaaaaaa", 31)
        night(registry, "bbbbbbbb", 30)
    outcomes = apply(tools)

    for registry in (ecr, acr):
        assert runs_in(registry) == {"bbbbbbbb"}
        assert (
            len(registry.manifests) == 7
        )  # two images of an index, a manifest and an attestation each; their index
    assert all(outcome.is_good for outcome in outcomes)
    assert [len(outcome.deleted) for outcome in outcomes] == [7, 7, 0]


def test_what_a_search_built_goes_like_a_night_and_does_not_keep_one(tools, ecr):
    """A commit's image may be the very image of a night: then both of its tags are of the past."""
    old, same = night(ecr, "aaaaaaaa", 31)[0], bisect_id(TEST, "2026-11-01", "2026-11-09")
    other = ecr.add_image("linux/amd64", labels={"io.nightly.date": "2026-10-01"}, layer=b"built by a search")
    ecr.tags[search_tag("vllm", "amd64", same, "c0ffee" * 7)] = other
    ecr.tags[search_tag("vllm", "amd64", same, "beef" * 10)] = old
    apply(tools)
    assert ecr.tags == {}


def test_without_delete_nothing_goes_and_all_is_said(tools, ecr):
    night(ecr, "aaaaaaaa", 31)
    before = dict(ecr.manifests), dict(ecr.tags)
    [outcome, *_] = apply(tools, delete=False)

    assert (ecr.manifests, ecr.tags) == before
    assert (outcome.deleted, outcome.failed) == ((), {})
    assert {decision.reason for decision in outcome.plan.deleted if decision.tags} == {
        "31 days old; 30 are kept"
    }
    assert "delete_many" not in {verb for verb, _ in ecr.verbs}
    assert "delete" not in {verb for verb, _ in ecr.verbs}


def test_an_index_goes_before_what_it_refers_to(tools, ecr):
    *_, index = night(ecr, "aaaaaaaa", 31)
    apply(tools)
    order = [digest for verb, digest in ecr.verbs if verb == "delete"]

    assert len(order) == 7
    assert order.index(index) < 3, "the registry refuses to delete what an index refers to"


@pytest.mark.parametrize("tag", ["known-good-vllm-amd64", "nightly-vllm-amd64", "somebodys"])
def test_what_another_tag_names_stays_with_its_children(tools, ecr, tag):
    amd64, arm64, index = night(ecr, "aaaaaaaa", 100)
    ecr.tags[tag] = amd64
    apply(tools)

    assert ecr.tags == {tag: amd64, "nightly-vllm-amd64-run-aaaaaaaa": amd64}
    assert all(child["digest"] in ecr.manifests for child in ecr.document(amd64)["manifests"])
    assert arm64 not in ecr.manifests
    assert index not in ecr.manifests


def test_what_a_known_good_index_refers_to_stays(tools, ecr):
    *_, index = night(ecr, "aaaaaaaa", 100)
    ecr.tags["known-good-vllm"] = index
    apply(tools)

    assert index in ecr.manifests
    assert all(child["digest"] in ecr.manifests for child in ecr.document(index)["manifests"])


def promotion(images: tuple[str, ...], index: str, days_ago: int, **fields) -> PromotionRecord:
    return PromotionRecord(
        action="promote",
        automatic=True,
        framework="vllm",
        date="2026-08-01",
        run_id="aaaaaaaa",
        images=tuple(
            PromotedImage(arch=arch, platform=f"linux/{arch}", digest=digest)
            for arch, digest in zip(("amd64", "arm64"), images, strict=False)
        ),
        index_digest=index,
        registries=("ecr", "acr"),
        reason="it passed",
        who="me",
        when=NOW - timedelta(days=days_ago),
        **fields,
    )


def test_the_last_promotions_stay_whole_to_roll_back_to(tools, ecr):
    nights = [night(ecr, run * 8, 40 + number) for number, run in enumerate("abcd")]
    for number, (amd64, arm64, index) in enumerate(nights):
        tools.records.write(promotion((amd64, arm64), index, 40 + number, complete=number != 1))
    apply(tools)

    assert runs_in(ecr) == {"aaaaaaaa", "cccccccc"}, "the one that broke off does not count"


def test_what_does_not_say_its_night_stays(tools, ecr):
    night(ecr, "aaaaaaaa", 100)
    foreign = ecr.add_image(layer=b"foreign")
    ecr.tags["nightly-vllm-amd64-run-bbbbbbbb"] = foreign
    apply(tools)

    assert runs_in(ecr) == {"bbbbbbbb"}


def test_labels_that_could_not_be_read_keep_their_image_alone(tools, ecr):
    night(ecr, "aaaaaaaa", 100)
    ecr.failures["config_of"] = RegistryUnavailable("503")
    [outcome, *_] = apply(tools)
    kept = {tag: decision.reason for decision in outcome.plan.kept for tag in decision.tags}

    assert set(kept) == {"nightly-vllm-amd64-run-aaaaaaaa", "nightly-vllm-arm64-run-aaaaaaaa"}
    assert set(kept.values()) == {"its labels could not be read: 503"}
    assert "nightly-vllm-run-aaaaaaaa" not in ecr.tags, "an index says its night itself"


@pytest.mark.parametrize("verb", ["list_tags", "manifest"])
@pytest.mark.parametrize("error", [RegistryUnavailable("503"), RegistryError("400")])
def test_a_registry_that_could_not_be_read_whole_keeps_all_and_the_other_is_served(
    tools, ecr, acr, verb, error
):
    for registry in (ecr, acr):
        night(registry, "aaaaaaaa", 100)
    ecr.failures[verb] = error
    outcomes = apply(tools)

    assert runs_in(ecr) == {"aaaaaaaa"}
    assert runs_in(acr) == set()
    assert [outcome.problem for outcome in outcomes] == [str(error.message), None, None]
    assert [outcome.is_good for outcome in outcomes] == [False, True, True]


def test_a_manifest_that_is_none_keeps_all(tools, ecr):
    night(ecr, "aaaaaaaa", 100)
    ecr.manifests["sha256:" + "0" * 64] = (b"<html>", MANIFEST_TYPE)
    ecr.tags["odd"] = "sha256:" + "0" * 64
    [outcome, *_] = apply(tools)

    assert "is not a manifest" in outcome.problem
    assert runs_in(ecr) == {"aaaaaaaa"}


def moved_after_the_look(registry: MemoryRegistry, tag: str, digest: str) -> None:
    """Have a tag moved by somebody else between the first listing of tags and what follows."""
    listed = registry.list_tags

    def list_tags() -> list[str]:
        if ("list_tags", "") in registry.verbs:
            registry.tags[tag] = digest
        return listed()

    registry.list_tags = list_tags


def test_what_was_promoted_between_the_look_and_the_deletion_stays(tools, ecr):
    amd64, _, index = night(ecr, "aaaaaaaa", 100)
    moved_after_the_look(ecr, "known-good-vllm", index)
    apply(tools)

    assert ecr.tags["known-good-vllm"] == index
    assert all(child["digest"] in ecr.manifests for child in ecr.document(index)["manifests"])
    assert amd64 not in ecr.manifests


def test_a_moving_tag_that_moved_meanwhile_is_asked_again(tools, ecr):
    amd64, _, _ = night(ecr, "aaaaaaaa", 100)
    ecr.tags["known-good-vllm-amd64"] = night(ecr, "bbbbbbbb", 1)[0]
    moved_after_the_look(ecr, "known-good-vllm-amd64", amd64)
    apply(tools)

    assert ecr.tags["known-good-vllm-amd64"] == amd64
    assert amd64 in ecr.manifests


def test_what_an_index_refers_to_stays_when_the_index_could_not_go(tools, ecr):
    *_, index = night(ecr, "aaaaaaaa", 100)
    children = {child["digest"] for child in ecr.document(index)["manifests"]}
    deleting = ecr.delete

    def refuses_the_index(digest: str) -> None:
        if digest == index:
            raise RegistryError("locked")
        deleting(digest)

    ecr.delete = refuses_the_index
    [outcome, *_] = apply(tools)

    assert outcome.failed[index] == "locked"
    assert children < outcome.failed.keys()
    assert index in outcome.failed[next(iter(children))]
    assert children < ecr.manifests.keys()
    assert not outcome.is_good


def test_an_outage_in_the_middle_is_told(tools, ecr):
    night(ecr, "aaaaaaaa", 100)
    ecr.failures["delete"] = RegistryUnavailable("503")
    [outcome, *_] = apply(tools)

    assert outcome.deleted == ()
    assert set(outcome.failed.values()) >= {"503"}
    assert runs_in(ecr) == {"aaaaaaaa"}


def test_an_index_of_indexes_is_followed(tools, ecr):
    amd64, arm64, _ = night(ecr, "aaaaaaaa", 100)
    children = [
        {"mediaType": INDEX_TYPE, "digest": digest, "size": len(ecr.manifests[digest][0])}
        for digest in (amd64, arm64)
    ]
    content = json.dumps({"mediaType": INDEX_TYPE, "manifests": children}).encode()
    top = ecr.put_index(["release"], content, INDEX_TYPE)
    apply(tools)

    kept = {top, amd64, arm64}
    kept |= {child["digest"] for image in (amd64, arm64) for child in ecr.document(image)["manifests"]}
    assert set(ecr.manifests) == kept


# --- caches


def cache(registry: MemoryRegistry, tag: str, *ages: int | None) -> str:
    layers = [
        {"digest": f"sha256:{number}", "size": 1}
        | ({"annotations": {"buildkit/createdat": _instant(age)}} if age is not None else {})
        for number, age in enumerate(ages)
    ]
    content = json.dumps({"mediaType": MANIFEST_TYPE, "config": {}, "layers": layers, "tag": tag}).encode()
    registry.tags[tag] = registry._keep(content, MANIFEST_TYPE)
    return registry.tags[tag]


def _instant(age: int) -> str:
    return (NOW - timedelta(days=age)).strftime("%Y-%m-%dT%H:%M:%S.000000000Z")


def test_a_cache_whose_newest_layer_is_too_old_goes(tools, caches):
    cache(caches, "vllm-framework-amd64", 50, 31)
    cache(caches, "vllm-runtime-amd64", 50, 2)
    cache(caches, "vllm-runtime-arm64", None)
    cache(caches, "another-project", 90)
    *_, outcome = apply(tools)

    assert set(caches.tags) == {"vllm-runtime-amd64", "vllm-runtime-arm64", "another-project"}
    reasons = {decision.tags[0]: decision.reason for decision in outcome.plan.decisions}
    assert reasons["vllm-framework-amd64"] == "its newest layer is 31 days old; 30 are kept"
    assert reasons["vllm-runtime-arm64"] == "it does not say how old it is"
    assert reasons["another-project"] == "named by another-project"


def test_images_are_never_deleted_by_the_rule_of_caches(tools, ecr, caches):
    cache(ecr, "vllm-framework-amd64", 90)
    cache(caches, "vllm-framework-amd64", 90)
    apply(tools)

    assert set(ecr.tags) == {"vllm-framework-amd64"}
    assert caches.tags == {}


def test_without_a_limit_caches_stay(tools, caches):
    cache(caches, "vllm-framework-amd64", 900)
    apply(tools, RetentionRule(Lifetime(), promotions=1, cache_days=None))

    assert set(caches.tags) == {"vllm-framework-amd64"}


# --- what is told


def test_the_document_names_every_decision(tools, ecr):
    night(ecr, "aaaaaaaa", 31)
    night(ecr, "bbbbbbbb", 1)
    document = json.loads(as_json(apply(tools, delete=False), delete=False))
    [images, *_] = document["repositories"]

    assert document["dry_run"]
    assert (images["registry"], images["where"], images["kind"]) == (
        "ecr",
        "localhost:5000/nightly",
        "images",
    )
    assert {tag for one in images["delete"] for tag in one["tags"]} == {
        "nightly-vllm-amd64-run-aaaaaaaa",
        "nightly-vllm-arm64-run-aaaaaaaa",
        "nightly-vllm-run-aaaaaaaa",
    }
    assert len(images["keep"]) == 7
    assert images["deleted"] == []


def test_it_says_what_it_does(tools, ecr):
    said: list[str] = []
    night(ecr, "aaaaaaaa", 31)
    apply(tools, log=said.append)

    assert said[0] == "localhost:5000/nightly: 0 manifests stay, 7 go"
    assert "ecr: 7 of 7 deleted" in said
