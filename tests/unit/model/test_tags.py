"""Tags are what people and registries know images by: their spelling is a contract."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightly_pipeline.model import tags

RUN = "1f3a9c02-5d1e-4a8e-9a57-2f1f0b6f9b1d"
NAMES = st.text("abcxyz019_", min_size=1, max_size=12).map("n{}".format)
RUN_IDS = st.uuids().map(str)
_VALID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        (tags.nightly_tag("vllm", "amd64"), "nightly-vllm-amd64"),
        (tags.run_tag("vllm", "amd64", RUN), "nightly-vllm-amd64-run-1f3a9c02"),
        (tags.framework_tag("vllm", "amd64"), "main-vllm-framework-amd64"),
        (tags.framework_run_tag("vllm", "amd64", RUN), "main-vllm-framework-amd64-run-1f3a9c02"),
        (tags.index_tag("vllm"), "nightly-vllm"),
        (tags.index_run_tag("vllm", RUN), "nightly-vllm-run-1f3a9c02"),
        (tags.cache_tag("vllm", "amd64", "runtime"), "vllm-runtime-amd64"),
    ],
)
def test_the_spelling(tag, expected):
    assert tag == expected


def _every_tag(framework: str, arch: str, run_id: str) -> list[str]:
    return [
        tags.nightly_tag(framework, arch),
        tags.run_tag(framework, arch, run_id),
        tags.framework_tag(framework, arch),
        tags.framework_run_tag(framework, arch, run_id),
        tags.index_tag(framework),
        tags.index_run_tag(framework, run_id),
    ]


@given(framework=NAMES, arch=NAMES, run_id=RUN_IDS)
def test_every_tag_is_one_a_registry_takes(framework, arch, run_id):
    assert all(_VALID.fullmatch(tag) for tag in _every_tag(framework, arch, run_id))


@given(cells=st.lists(st.tuples(NAMES, NAMES, RUN_IDS), min_size=2, max_size=2, unique=True))
def test_two_images_share_a_tag_only_where_it_moves(cells):
    one, other = (_every_tag(*cell) for cell in cells)
    same_framework = cells[0][0] == cells[1][0]
    same_cell = cells[0][:2] == cells[1][:2]
    same_run = cells[0][2][:8] == cells[1][2][:8]

    shared = [mine == theirs for mine, theirs in zip(one, other, strict=True)]

    assert shared == [
        same_cell,
        same_cell and same_run,
        same_cell,
        same_cell and same_run,
        same_framework,
        same_framework and same_run,
    ]


@given(framework=NAMES, arch=NAMES, run_id=RUN_IDS)
def test_the_tags_of_one_cell_all_differ(framework, arch, run_id):
    found = _every_tag(framework, arch, run_id)

    assert len(set(found)) == len(found)
