"""Which part of a night is meant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightly_pipeline.errors import UsageError
from nightly_pipeline.model.catalog import Catalog
from nightly_pipeline.model.selection import Selection, select
from nightly_pipeline.profile_files import shipped_table

CATALOG = Catalog.model_validate(shipped_table())
FRAMEWORKS, ARCHITECTURES, STAGES = (
    tuple(rows) for rows in (CATALOG.frameworks, CATALOG.architectures, CATALOG.stages)
)


def some(names: tuple[str, ...]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(names))


def test_nothing_asked_is_the_whole_table():
    assert select(CATALOG) == Selection(FRAMEWORKS, ARCHITECTURES, STAGES, partial=False)


def test_everything_asked_is_the_whole_table_too():
    asked = select(CATALOG, frameworks=FRAMEWORKS[::-1], architectures=ARCHITECTURES, stages=STAGES[::-1])

    assert asked == select(CATALOG)


@given(
    frameworks=some(FRAMEWORKS), architectures=some(ARCHITECTURES), stages=some(STAGES), tests=st.booleans()
)
def test_a_selection_has_what_was_asked_in_the_order_of_the_table(frameworks, architectures, stages, tests):
    stages = stages if tests else []

    found = select(CATALOG, frameworks=frameworks, architectures=architectures, stages=stages, tests=tests)

    wanted_stages = (set(stages) or set(STAGES)) if tests else set()
    assert found.frameworks == tuple(name for name in FRAMEWORKS if name in (frameworks or FRAMEWORKS))
    assert found.architectures == tuple(
        name for name in ARCHITECTURES if name in (architectures or ARCHITECTURES)
    )
    assert found.stages == tuple(name for name in STAGES if name in wanted_stages)
    whole = (found.frameworks, found.architectures, found.stages) == (FRAMEWORKS, ARCHITECTURES, STAGES)
    assert found.partial is not whole


def test_images_only_is_partial():
    found = select(CATALOG, tests=False)

    assert (found.stages, found.partial) == ((), True)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            {"frameworks": ["vlm"]},
            "unknown framework 'vlm'; perhaps you meant 'vllm'. Allowed: vllm, sglang, trtllm",
        ),
        (
            {"architectures": ["arm46"]},
            "unknown architecture 'arm46'; perhaps you meant 'arm64'. Allowed: amd64, arm64",
        ),
        ({"stages": ["unit", "e2e-multi"]}, "unknown stage 'e2e-multi'; perhaps you meant 'e2e_multi_gpu'"),
        ({"frameworks": [""]}, "unknown framework ''"),
    ],
)
def test_a_name_that_is_not_in_the_table_is_refused_with_the_nearest_one(asked, said):
    with pytest.raises(UsageError) as refused:
        select(CATALOG, **asked)

    assert refused.value.message.startswith(said)
    assert "nightly plan" in refused.value.next_step


def test_stages_of_a_night_without_tests_are_a_contradiction():
    with pytest.raises(UsageError, match="images only, and the stages unit: one excludes the other"):
        select(CATALOG, stages=["unit"], tests=False)
