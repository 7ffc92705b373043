"""Asking registries for images: side by side, once, and never taking an outage for an answer."""

from __future__ import annotations

import json

import pytest

from nightly_pipeline.errors import RegistryError, RegistryForbidden, RegistryUnavailable
from nightly_pipeline.model.oci import INDEX_TYPE
from nightly_pipeline.steps.image_list import describe_image, list_images
from tests.factories import DATE, RUN_ID, image, publication, whole_night

LABELS = {
    "io.nightly.engine": "mock",
    "io.nightly.engine-version": "0.1.0",
    "io.nightly.date": DATE,
    "org.opencontainers.image.revision": "9c1d5e0f",
    "org.opencontainers.image.base.digest": "sha256:7aa6",
}


def night(registries, *tags: str):
    names = {}
    for registry in registries.values():
        for arch in ("amd64", "arm64"):
            names[arch] = registry.add_image(f"linux/{arch}", labels=LABELS, layer=arch.encode())
            registry.tags[f"nightly-vllm-{arch}-run-{RUN_ID[:8]}"] = names[arch]
        registry.tags |= dict.fromkeys(tags, names["amd64"])
    return whole_night(
        *(image("vllm", arch, digest=name) for arch, name in names.items()),
        *(publication("vllm", arch, digest=name) for arch, name in names.items()),
        frameworks=["vllm"],
    )


def listed(report, registries):
    return list_images([report], registries, ["vllm"], ["amd64", "arm64"])


def test_nights_and_what_known_good_is(registries, ecr):
    report = night(registries, "known-good-vllm-amd64")
    said = {"io.nightly.date": DATE, "io.nightly.run-id": RUN_ID, "io.nightly.reason": "it passed"}
    content = json.dumps({"mediaType": INDEX_TYPE, "manifests": [], "annotations": said}).encode()
    for registry in registries.values():
        index = registry.put_index(["known-good-vllm"], content, INDEX_TYPE)
    found = listed(report, registries)

    assert [row.known_good for row in found.rows] == [
        {"ecr": True, "acr": True},
        {"ecr": False, "acr": False},
    ]
    assert [(one.registry, one.digest, one.date, one.run_id, one.reason) for one in found.known_good] == [
        ("ecr", index, DATE, RUN_ID, "it passed"),
        ("acr", index, DATE, RUN_ID, "it passed"),
    ]
    assert found.known_good[0].images == {"amd64": ecr.tags["known-good-vllm-amd64"], "arm64": None}


def test_a_registry_without_promotions_has_none(registries):
    found = listed(night(registries), registries)

    assert [(one.digest, one.problem) for one in found.known_good] == [(None, None)] * 2


@pytest.mark.parametrize("error", [RegistryUnavailable("503"), RegistryForbidden("401")])
def test_a_registry_that_cannot_be_asked_is_asked_once_and_shown_as_such(registries, acr, error):
    report = night(registries)
    acr.verbs.clear()
    acr.failures["*"] = error
    found = listed(report, registries)

    assert {row.registries["acr"] for row in found.rows} == {"could not ask"}
    assert {row.registries["ecr"] for row in found.rows} == {"there"}
    assert [one.problem for one in found.known_good] == [None, error.message]
    assert len(acr.verbs) == 2


def test_without_nights_known_good_is_still_asked(registries):
    found = list_images([], registries, ["vllm"], ["amd64"])

    assert found.rows == ()
    assert len(found.known_good) == 2


# --- one image


def test_one_image_in_full(registries, ecr, acr):
    night(registries)
    del acr.manifests[ecr.tags["nightly-vllm-amd64-run-1f3a9c02"]]
    found = describe_image("nightly-vllm-amd64-run-1f3a9c02", ecr, registries)

    assert found.reference == "localhost:5000/nightly:nightly-vllm-amd64-run-1f3a9c02"
    assert found.digest == ecr.tags["nightly-vllm-amd64-run-1f3a9c02"]
    [facts] = found.images
    assert (facts.platform, facts.labels) == ("linux/amd64", LABELS)
    assert facts.size_bytes > 0
    assert (facts.packages, facts.packages_problem) == (None, None)
    assert {role: answer.digest for role, answer in found.registries.items()} == {
        "ecr": found.digest,
        "acr": None,
    }


def test_an_index_of_several_platforms_shows_each(registries, ecr):
    report = night(registries)
    children = [
        child
        for one in report.images
        if one.kind == "runtime"
        for child in ecr.document(one.digest)["manifests"]
    ]
    content = json.dumps({"mediaType": INDEX_TYPE, "manifests": children, "annotations": {"a": "b"}}).encode()
    digest = ecr.put_index(["nightly-vllm"], content, INDEX_TYPE)
    found = describe_image(digest, ecr, registries)

    assert [one.platform for one in found.images] == ["linux/amd64", "linux/arm64"]
    assert found.annotations == {"a": "b"}


def test_a_lone_manifest_says_its_platform_itself(registries, ecr):
    name = ecr.add_image("linux/arm64", labels=LABELS, attested=False)
    [facts] = describe_image(name, ecr, registries).images

    assert (facts.platform, facts.digest) == ("linux/arm64", name)


def test_what_is_not_there_is_an_error_that_says_where_to_look(registries, ecr):
    with pytest.raises(RegistryError, match="localhost:5000/nightly:none is not there") as told:
        describe_image("none", ecr, registries)
    assert "nightly images" in told.value.next_step


def test_an_outage_is_not_an_absent_image(registries, ecr):
    night(registries)
    ecr.failures["digest_of"] = RegistryUnavailable("503")

    with pytest.raises(RegistryUnavailable):
        describe_image("nightly-vllm-amd64-run-1f3a9c02", ecr, registries)


def test_another_registrys_outage_is_shown(registries, ecr, acr):
    night(registries)
    acr.failures["*"] = RegistryUnavailable("503")
    found = describe_image("nightly-vllm-amd64-run-1f3a9c02", ecr, registries)

    assert found.registries["acr"].problem == "503"
