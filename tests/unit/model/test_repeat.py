"""What a run is repeated with."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nightly_pipeline.model.plan import image_key, index_key, publication_key, stage_key
from nightly_pipeline.model.repeat import keys_to_repeat
from tests.factories import STAGES, image, plan, publication, stage, whole_night

NIGHT = plan(frameworks=["vllm"])
KEYS = [entry.key for entry in NIGHT.entries]


def repeated(*changed, failed_only: bool = True):
    report = whole_night(*changed, frameworks=["vllm"])
    return keys_to_repeat(NIGHT, report, failed_only=failed_only)


def test_a_whole_run_is_repeated_in_the_order_of_the_plan():
    assert repeated(failed_only=False) == KEYS


def test_of_a_good_run_nothing_is_left_to_repeat():
    assert repeated() == []


def test_a_stage_that_was_not_good_is_repeated_alone():
    assert repeated(stage("vllm", "amd64", "unit", "crashed")) == [stage_key("vllm", "amd64", "unit")]


def test_what_waits_for_a_repeated_image_is_repeated_although_it_was_good():
    cell = "vllm", "arm64"
    assert repeated(image(*cell, "framework", "failed")) == [
        image_key(*cell, "framework"),
        image_key(*cell, "runtime"),
        publication_key(*cell),
        index_key("vllm"),
        *(stage_key(*cell, name) for name in STAGES),
    ]


def test_what_the_run_did_not_have_is_not_added():
    report = whole_night(
        image(status="failed"), frameworks=["vllm"], architectures=["amd64"], stages=["unit"]
    )
    found = keys_to_repeat(NIGHT, report, failed_only=True)
    assert found == [
        image_key("vllm", "amd64", "runtime"),
        publication_key("vllm", "amd64"),
        index_key("vllm"),
        stage_key("vllm", "amd64", "unit"),
    ]


def test_a_publication_takes_its_index_with_it():
    assert repeated(publication("vllm", "amd64", "infra_error")) == [
        publication_key("vllm", "amd64"),
        index_key("vllm"),
    ]


@given(st.sets(st.sampled_from(KEYS)))
def test_a_part_of_a_plan_has_these_keys_and_says_that_it_is_one(keys):
    part = NIGHT.part(keys)
    assert [entry.key for entry in part.entries] == [key for key in KEYS if key in keys]
    assert part.partial == (len(keys) < len(KEYS))
