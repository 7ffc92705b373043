"""The verdict on a night: unknown is never green."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightly_pipeline.model.outcomes import (
    GOOD_IMAGE,
    GOOD_PUBLICATION,
    GOOD_STAGE,
    RED_IMAGE,
    RED_PUBLICATION,
    RED_STAGE,
    ImageStatus,
    NightStatus,
    PublicationStatus,
    StageStatus,
)
from nightly_pipeline.model.verdict import is_good, night_status

IMAGES = st.lists(st.sampled_from(ImageStatus))
STAGES = st.lists(st.sampled_from(StageStatus))
PUBLICATIONS = st.lists(st.sampled_from(PublicationStatus))


def test_the_words_are_those_of_the_contract():
    assert [str(word) for word in ImageStatus] == [
        "built", "reused", "failed", "timed_out", "cancelled", "not_run",
    ]  # fmt: skip
    assert [str(word) for word in StageStatus] == [
        "passed", "collected", "failed", "collect_error", "no_tests", "timed_out", "crashed", "infra_error",
        "blocked", "cancelled", "not_run",
    ]  # fmt: skip
    assert [str(word) for word in NightStatus] == ["green", "red", "incomplete"]


def test_which_words_are_good_and_which_are_red():
    assert {str(word) for word in GOOD_IMAGE} == {"built", "reused"}
    assert {str(word) for word in GOOD_STAGE} == {"passed", "collected"}
    assert {str(word) for word in GOOD_PUBLICATION} == {"published"}
    assert {str(word) for word in RED_IMAGE} == {"failed", "timed_out"}
    assert {str(word) for word in RED_STAGE} == {
        "failed",
        "collect_error",
        "no_tests",
        "timed_out",
        "crashed",
    }
    assert {str(word) for word in RED_PUBLICATION} == {"failed"}


@given(images=IMAGES, stages=STAGES, publications=PUBLICATIONS)
def test_green_if_and_only_if_something_was_planned_and_all_of_it_is_good(images, stages, publications):
    everything = [*images, *stages, *publications]
    good = (
        all(status in {"built", "reused"} for status in images)
        and all(status in {"passed", "collected"} for status in stages)
        and all(status == "published" for status in publications)
    )

    green = night_status(images, stages, publications) is NightStatus.GREEN

    assert green == (bool(everything) and good)


@given(images=IMAGES, stages=STAGES, publications=PUBLICATIONS)
def test_red_if_and_only_if_something_failed(images, stages, publications):
    failed = (
        {"failed", "timed_out"}.intersection(images)
        or {"failed", "collect_error", "no_tests", "timed_out", "crashed"}.intersection(stages)
        or "failed" in publications
    )

    red = night_status(images, stages, publications) is NightStatus.RED

    assert red == bool(failed)


@given(images=IMAGES, stages=STAGES, publications=PUBLICATIONS, data=st.data())
def test_the_order_and_the_number_of_equal_results_do_not_matter(images, stages, publications, data):
    before = night_status(images, stages, publications)

    assert night_status(
        data.draw(st.permutations(images)) * 2, reversed(stages), iter(publications * 3)
    ) is before  # fmt: skip


@given(images=IMAGES, stages=STAGES, worse=st.sampled_from(StageStatus))
def test_one_result_more_never_makes_a_night_green(images, stages, worse):
    before = night_status(images, stages)
    after = night_status(images, [*stages, worse])

    if after is NightStatus.GREEN:
        assert before is NightStatus.GREEN or not (images or stages)


def test_nothing_planned_is_not_green():
    assert night_status([], []) is NightStatus.INCOMPLETE


@pytest.mark.parametrize(
    "status",
    [*ImageStatus, *StageStatus, *PublicationStatus],
    ids=lambda status: f"{type(status).__name__}.{status}",
)
def test_a_single_result_is_good_only_when_it_would_make_a_night_of_its_own_green(status):
    alone = {
        ImageStatus: lambda: night_status([status], []),
        StageStatus: lambda: night_status([], [status]),
        PublicationStatus: lambda: night_status([], [], [status]),
    }[type(status)]()

    assert is_good(status) == (alone is NightStatus.GREEN)
