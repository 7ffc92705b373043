"""The list of images: what is shown of each, and what could not be asked."""

from __future__ import annotations

import pytest

from nightly_pipeline.model.image_list import Answer, image_rows, questions
from tests.factories import DATE, digest, image, publication, stage, whole_night

ROLES = ("ecr", "acr")
DIGEST = digest("vllm", "amd64", "runtime")
RUN, NIGHTLY, GOOD = "nightly-vllm-amd64-run-1f3a9c02", "nightly-vllm-amd64", "known-good-vllm-amd64"
LOST = Answer(problem="503")


def night(*changed, **fields):
    return whole_night(*changed, frameworks=["vllm"], **fields)


def rows(report=None, **answers: dict[str, Answer]):
    given = {(role, name): answer for role, said in answers.items() for name, answer in said.items()}
    return image_rows([report or night()], ROLES, given)


def test_a_registry_is_asked_for_every_digest_and_tag_once():
    asked = questions([night(), night()])

    assert len(asked) == len(set(asked)) == 8
    assert {DIGEST, RUN, NIGHTLY, GOOD} < set(asked)


def test_framework_images_are_not_listed():
    assert [(row.framework, row.arch) for row in rows()] == [("vllm", "amd64"), ("vllm", "arm64")]


def test_newest_night_first():
    older = night(image(date="2026-11-19"), date="2026-11-19")

    assert [row.date for row in image_rows([older, night()], ROLES, {})] == [DATE, DATE, *["2026-11-19"] * 2]


def test_what_the_tags_name_now():
    there = {DIGEST: Answer(digest=DIGEST), RUN: Answer(digest=DIGEST)}
    moved = {NIGHTLY: Answer(digest=digest("newer")), GOOD: Answer(digest=DIGEST)}
    [row, _] = rows(ecr=there | moved, acr={**there, NIGHTLY: Answer(), GOOD: Answer()})

    assert row.tags == (RUN, GOOD)
    assert row.known_good == {"ecr": True, "acr": False}
    assert row.registries == {"ecr": "there", "acr": "there"}


def test_gone_is_not_could_not_ask():
    [row, _] = rows(ecr={DIGEST: Answer()}, acr={DIGEST: LOST, GOOD: LOST})

    assert row.registries == {"ecr": "gone", "acr": "could not ask"}
    assert row.known_good == {"ecr": None, "acr": None}
    assert row.tags == ()


def test_what_was_not_asked_is_not_known():
    [row, _] = rows()

    assert row.registries == {"ecr": "could not ask", "acr": "could not ask"}


@pytest.mark.parametrize(
    ("bad", "verdict"),
    [
        (stage("vllm", "amd64", "unit", "failed"), "red"),
        (stage("vllm", "amd64", "unit", "infra_error"), "incomplete"),
        (publication("vllm", "amd64", "failed"), "red"),
        (image("vllm", "amd64", "framework", "failed"), "red"),
        (stage("vllm", "arm64", "unit", "failed"), "green"),
        (publication("vllm", None, "failed"), "green"),
    ],
)
def test_the_verdict_is_the_cells_own(bad, verdict):
    assert rows(night(bad))[0].verdict == verdict


def test_an_image_that_was_not_built_is_listed_without_one():
    [row, _] = rows(night(image(status="failed")))

    assert (row.digest, row.tags, row.registries, row.status) == (None, (), {}, "failed")
    assert row.verdict == "red"
