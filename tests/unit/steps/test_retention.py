"""Retention over registries: old nights go whole, what was promoted stays, indexes go first."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from nightly_pipeline.model.bisect_record import bisect_id
from nightly_pipeline.model.oci import INDEX_TYPE
from nightly_pipeline.model.promotion import PromotedImage, PromotionRecord
from nightly_pipeline.model.tags import search_tag
from nightly_pipeline.steps.retention import as_json
from tests.unit.model.pasts import TEST
from tests.unit.steps.retaining import NOW, apply, night, retention_tools, runs_in


@pytest.fixture
def tools(ecr, acr, caches):
    return retention_tools([ecr, acr], caches)


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
