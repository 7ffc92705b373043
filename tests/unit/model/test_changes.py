from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightly_pipeline.model.changes import ImageFacts, image_change, package_changes
from nightly_pipeline.model.judgement import PackageChange
from nightly_pipeline.model.metrics import BuildMetrics, BuildStep
from nightly_pipeline.model.supply_chain import Package
from tests.factories import image

NAMES = st.sampled_from(["torch", "triton", "uv", "libc6"])
VERSIONS = st.none() | st.sampled_from(["1", "2", "3.0+cu130"])
PACKAGES = st.lists(st.builds(Package, name=NAMES, version=VERSIONS, type=st.sampled_from(["deb", "pypi"])))


def metrics(wall_s: float) -> BuildMetrics:
    return BuildMetrics(wall_s=wall_s, steps=0, cached_steps=0, hit_rate=None)


def package(name: str, version: str | None, kind: str = "pypi") -> Package:
    return Package(name=name, version=version, type=kind)


def test_added_removed_and_other_versions():
    before = [package("torch", "2.13.0"), package("triton", "3.7.1"), package("uv", "1")]
    after = [package("torch", "2.14.1"), package("numpy", "2.4"), package("uv", "1")]
    assert package_changes(before, after) == (
        PackageChange(name="numpy", before=None, after="2.4"),
        PackageChange(name="torch", before="2.13.0", after="2.14.1"),
        PackageChange(name="triton", before="3.7.1", after=None),
    )


def test_one_name_from_two_managers_is_two_packages():
    before = [package("requests", "1", "deb"), package("requests", "2")]
    assert package_changes(before, before[:1]) == (PackageChange(name="requests", before="2", after=None),)


def test_two_versions_side_by_side_are_both_shown():
    after = [package("idna", "3"), package("idna", "2")]
    assert package_changes([package("idna", "2")], after) == (
        PackageChange(name="idna", before="2", after="2, 3"),
    )


def test_a_package_without_a_version_is_there_all_the_same():
    assert package_changes([], [package("odd", None)]) == (
        PackageChange(name="odd", before=None, after="no version"),
    )


@given(PACKAGES)
def test_a_list_does_not_differ_from_itself_in_any_order(packages):
    assert package_changes(packages, packages[::-1]) == ()


@given(PACKAGES, PACKAGES)
def test_there_and_back_are_each_others_mirror(one, other):
    there, back = package_changes(one, other), package_changes(other, one)
    assert [(each.name, each.after, each.before) for each in there] == [
        (each.name, each.before, each.after) for each in back
    ]


def test_an_image_against_itself_of_another_night():
    before = ImageFacts(
        image(date="2026-11-19", digest="sha256:a", base_digest="sha256:base", size_bytes=100),
        packages=[package("torch", "1")],
        metrics=metrics(12.0),
    )
    after = ImageFacts(
        image(date="2026-11-20", digest="sha256:b", base_digest="sha256:base", size_bytes=150),
        packages=[package("torch", "2")],
        metrics=metrics(10.0),
    )
    change = image_change(before, after)
    assert change.compared_with == "2026-11-19"
    assert (change.digest_before, change.digest_after) == ("sha256:a", "sha256:b")
    assert (change.base_before, change.base_after) == ("sha256:base", "sha256:base")
    assert (change.size_before, change.size_after) == (100, 150)
    assert (change.build_before_s, change.build_after_s) == (12.0, 10.0)
    assert [each.name for each in change.packages] == ["torch"]


def built(**seconds: float) -> ImageFacts:
    steps = tuple(
        BuildStep(name=f"[install 1/9] RUN {name}", digest=name, status="done", duration_s=took)
        for name, took in seconds.items()
    )
    return ImageFacts(
        image(), metrics=metrics(sum(seconds.values())).model_copy(update={"build_steps": steps})
    )


def test_the_steps_that_account_for_another_build_time_are_named_the_largest_first():
    before = built(make=100.0, fetch=60.0, copy=1.0, gone=30.0, steady=500.0)
    change = image_change(before, built(make=220.0, fetch=50.0, copy=3.0, new=40.0, steady=520.0))
    assert [(one.name, one.before_s, one.after_s) for one in change.steps] == [
        ("[install] RUN make", 100.0, 220.0),
        ("[install] RUN new", None, 40.0),
        ("[install] RUN gone", 30.0, None),
    ]


def test_steps_of_a_build_that_is_not_known_did_not_change():
    assert image_change(ImageFacts(image()), built(make=100.0)).steps == ()
    assert image_change(built(make=100.0), ImageFacts(image())).steps == ()


@pytest.mark.parametrize("missing", ["before", "after"])
def test_a_list_that_is_not_kept_is_no_removal_of_everything(missing):
    lists = {"before": [package("torch", "1")], "after": [package("torch", "2")], missing: None}
    change = image_change(
        ImageFacts(image(), packages=lists["before"]), ImageFacts(image(), packages=lists["after"])
    )
    assert change.packages == ()
    assert change.build_before_s is None
