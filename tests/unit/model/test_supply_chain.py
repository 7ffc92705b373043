"""Package lists and provenance as values: what BuildKit and its scanners write, and what somebody hostile may."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightly_pipeline.model import supply_chain
from nightly_pipeline.model.supply_chain import (
    LONGEST_TEXT,
    MOST_MATERIALS,
    Material,
    Package,
    packages_in,
    packages_json,
    provenance_in,
    read_packages_json,
    subjects_of,
)

IMAGE = f"sha256:{'a' * 64}"
BASE = {"sha256": "b" * 64}


def entry(name, version="1.0", url=None, **fields):
    references = [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": url}]
    return {
        "SPDXID": f"SPDXRef-{name}",
        "name": name,
        "versionInfo": version,
        "externalRefs": references if url else [],
        **fields,
    }


def spdx(*packages, **fields):
    predicate = {"spdxVersion": "SPDX-2.3", "packages": list(packages), **fields}
    return {"predicateType": "https://spdx.dev/Document", "predicate": predicate}


# --- packages


def test_a_package_has_name_version_type_and_licence():
    statement = spdx(
        entry("vllm", "0.32.0", "pkg:pypi/vllm@0.32.0", licenseDeclared="Apache-2.0"),
        entry("libc6", "2.36-9", "pkg:deb/debian/libc6@2.36-9?arch=amd64", licenseDeclared="NOASSERTION"),
    )

    assert packages_in(statement) == (
        Package(name="libc6", version="2.36-9", type="deb", url="pkg:deb/debian/libc6@2.36-9?arch=amd64"),
        Package(name="vllm", version="0.32.0", type="pypi", url="pkg:pypi/vllm@0.32.0", licence="Apache-2.0"),
    )


def test_a_package_without_a_url_is_of_unknown_type():
    assert packages_in(spdx(entry("thing", None))) == (Package(name="thing"),)


@pytest.mark.parametrize(
    "described",
    [
        {"documentDescribes": ["SPDXRef-image"]},
        {
            "relationships": [
                {
                    "spdxElementId": "SPDXRef-DOCUMENT",
                    "relationshipType": "DESCRIBES",
                    "relatedSpdxElement": "SPDXRef-image",
                }
            ]
        },
    ],
    ids=["documentDescribes", "relationship"],
)
def test_the_image_itself_is_no_package_of_it(described):
    assert [package.name for package in packages_in(spdx(entry("image"), entry("a"), **described))] == ["a"]


def test_the_same_package_twice_is_listed_once():
    one = entry("a", url="pkg:pypi/a@1.0")

    assert len(packages_in(spdx(one, {**one, "SPDXID": "SPDXRef-other"}))) == 1


@pytest.mark.parametrize(
    "statement",
    [
        {},
        {"predicate": None},
        {"predicate": {"spdxVersion": "SPDX-3.0", "packages": []}},
        {"predicate": {"spdxVersion": "SPDX-2.3"}},
        {"predicate": {"spdxVersion": "SPDX-2.3", "packages": {}}},
        {"predicate": {"bomFormat": "CycloneDX"}},
    ],
)
def test_what_is_no_spdx_document_is_refused(statement):
    with pytest.raises(ValueError, match="not an SPDX 2 document"):
        packages_in(statement)


def test_more_packages_than_an_image_has_are_refused(monkeypatch):
    monkeypatch.setattr(supply_chain, "MOST_PACKAGES", 2)

    with pytest.raises(ValueError, match="3 packages are more than an image has"):
        packages_in(spdx(entry("a"), entry("b"), entry("c")))


def test_long_texts_are_cut():
    [package] = packages_in(spdx(entry("a" * 9999, "1" * 9999)))

    assert (len(package.name), len(package.version)) == (LONGEST_TEXT, LONGEST_TEXT)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(json_values, max_size=5), json_values, json_values)
def test_any_json_in_place_of_a_package_is_borne(packages, relationships, described):
    listed = [*packages, {"name": "real", "externalRefs": relationships}]
    statement = spdx(*listed, relationships=relationships, documentDescribes=described)

    assert "real" in {package.name for package in packages_in(statement)}


@given(
    st.lists(
        st.builds(
            Package,
            name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
            version=st.none() | st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
            type=st.sampled_from(["deb", "pypi", "unknown"]),
        )
    )
)
def test_a_list_that_is_kept_is_read_back_one_package_a_line(packages):
    text = packages_json(packages)

    assert read_packages_json(text) == tuple(packages)
    assert len(text.split("\n")) == (len(packages) + 3 if packages else 2)


@pytest.mark.parametrize("content", ["", "[", "{}", '[{"version": "1"}]', "null"])
def test_what_is_no_list_is_not_read(content):
    with pytest.raises(ValueError, match=r".+"):
        read_packages_json(content)


# --- provenance

VERSION_0_2 = {
    "predicateType": "https://slsa.dev/provenance/v0.2",
    "predicate": {
        "builder": {"id": "https://dagster.example.org"},
        "buildType": "https://mobyproject.org/buildkit@v1",
        "materials": [
            {"uri": "pkg:docker/localhost%3A5000/base@1?platform=linux%2Famd64", "digest": BASE},
            {"uri": "https://example.org/file.tar", "digest": {"sha256": "c" * 64}},
        ],
        "invocation": {
            "parameters": {
                "args": {
                    "label:org.opencontainers.image.revision": "f" * 40,
                    "label:org.opencontainers.image.source": "https://example.org/team/project.git",
                }
            }
        },
        "metadata": {"buildStartedOn": "2026-11-20T08:00:00Z", "buildFinishedOn": "2026-11-20T08:01:00Z"},
    },
}
VERSION_1 = {
    "predicateType": "https://slsa.dev/provenance/v1",
    "predicate": {
        "buildDefinition": {
            "buildType": "https://mobyproject.org/buildkit@v1",
            "resolvedDependencies": VERSION_0_2["predicate"]["materials"],
            "externalParameters": {"request": VERSION_0_2["predicate"]["invocation"]["parameters"]},
        },
        "runDetails": {
            "builder": {"id": "https://dagster.example.org"},
            "metadata": {"startedOn": "2026-11-20T08:00:00Z", "finishedOn": "2026-11-20T08:01:00Z"},
        },
    },
}


@pytest.mark.parametrize("statement", [VERSION_0_2, VERSION_1], ids=["0.2", "1"])
def test_both_versions_of_provenance_say_the_same(statement):
    provenance = provenance_in(statement)

    assert (provenance.builder, provenance.commit) == ("https://dagster.example.org", "f" * 40)
    assert provenance.repository == "https://example.org/team/project.git"
    assert (provenance.started_at, provenance.finished_at) == ("2026-11-20T08:00:00Z", "2026-11-20T08:01:00Z")
    base, file = provenance.materials
    assert (base.name, base.digest, base.is_image) == ("localhost:5000/base:1", f"sha256:{'b' * 64}", True)
    assert (file.name, file.is_image) == ("https://example.org/file.tar", False)


def test_the_commit_of_a_checkout_comes_before_the_label():
    predicate = VERSION_0_2["predicate"]
    own = {"https://mobyproject.org/buildkit@v1#metadata": {"vcs": {"revision": "e" * 40}}}
    statement = {**VERSION_0_2, "predicate": {**predicate, "metadata": own}}

    assert provenance_in(statement).commit == "e" * 40


def test_a_builder_that_does_not_name_itself_is_nobody():
    statement = {"predicateType": "https://slsa.dev/provenance/v0.2", "predicate": {"builder": {"id": ""}}}

    assert provenance_in(statement).builder is None


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("pkg:docker/alpine@3.20", "alpine:3.20"),
        ("pkg:docker/nvcr.io/nvidia/cuda@12.9.0-runtime?platform=x", "nvcr.io/nvidia/cuda:12.9.0-runtime"),
        ("pkg:docker/a/b@sha256%3Aabc", "a/b@sha256:abc"),
        ("pkg:docker/a/b", "a/b"),
    ],
)  # fmt: skip
def test_an_image_has_the_name_people_know(uri, name):
    statement = {
        "predicateType": "https://slsa.dev/provenance/v0.2",
        "predicate": {"materials": [{"uri": uri}]},
    }

    assert provenance_in(statement).materials == (Material(uri=uri, name=name, is_image=True),)


def test_materials_are_bounded():
    materials = [{"uri": f"https://example.org/{number}"} for number in range(MOST_MATERIALS + 5)]
    statement = {**VERSION_0_2, "predicate": {"materials": materials}}

    assert len(provenance_in(statement).materials) == MOST_MATERIALS


def test_another_kind_of_statement_is_refused():
    with pytest.raises(ValueError, match="not a provenance statement"):
        provenance_in(spdx())


@given(
    st.dictionaries(
        st.sampled_from(list(VERSION_1["predicate"]) + list(VERSION_0_2["predicate"])), json_values
    )
)
def test_any_json_in_place_of_provenance_is_borne(predicate):
    for kind in supply_chain.PROVENANCE:
        json.dumps(provenance_in({"predicateType": kind, "predicate": predicate}).model_dump())


def test_a_statement_is_about_its_subjects():
    subjects = [{"name": "x", "digest": {"sha256": "a" * 64}}, {"digest": "no"}, None]

    assert subjects_of({"subject": subjects}) == {IMAGE}
    assert subjects_of({}) == frozenset()
