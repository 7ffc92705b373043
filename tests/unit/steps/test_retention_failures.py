"""Retention where a registry fails or somebody moves a tag meanwhile: what could not be asked stays."""

from __future__ import annotations

import pytest

from nightly_pipeline.errors import RegistryError, RegistryUnavailable
from nightly_pipeline.model.oci import MANIFEST_TYPE
from tests.fakes.registry_memory import MemoryRegistry
from tests.unit.steps.retaining import apply, night, retention_tools, runs_in


@pytest.fixture
def tools(ecr, acr, caches):
    return retention_tools([ecr, acr], caches)


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
