"""Tables of promotion, retention and images: readable at 80 columns, nothing of the outside obeyed."""

from __future__ import annotations

from datetime import date

import pytest

from nightly_pipeline.model.image_list import Answer, ImageList, ImageRow, KnownGood
from nightly_pipeline.model.outcomes import EngineFacts
from nightly_pipeline.model.promotion import Candidate, PromotedImage
from nightly_pipeline.model.retention import Decision, RetentionPlan
from nightly_pipeline.model.supply_chain import Package
from nightly_pipeline.steps.image_list import ImageDescription, ImageFacts
from nightly_pipeline.steps.promote import Move, Order, PromotionPlan
from nightly_pipeline.steps.retention import RepositoryOutcome
from nightly_pipeline.terminal.images import description, images_table
from nightly_pipeline.terminal.known_good import moves_table, retention_table
from tests.factories import DATE, MOCK, RUN_ID, digest
from tests.unit.terminal.screens import joined
from tests.unit.terminal.screens import screen as shown

OLD, NEW = digest("old"), digest("new")


def promotion(*moves: Move, **fields) -> PromotionPlan:
    images = (PromotedImage(arch="amd64", platform="linux/amd64", digest=NEW),)
    candidate = Candidate(framework="vllm", date=DATE, run_id=RUN_ID, images=images)
    return PromotionPlan(Order(candidate, "why", "me", **fields), b"{}", moves)


def test_registries_that_agree_share_a_line():
    moves = [Move(role, "known-good-vllm", OLD, NEW) for role in ("ecr", "acr")]
    text = shown(moves_table([promotion(*moves, Move("acr", "known-good-vllm-amd64", NEW, NEW))]))

    assert "vllm: night of 2026-11-20, run 1f3a9c02" in text
    assert f"known-good-vllm        ecr, acr    {OLD[:19]}  {NEW[:19]}" in text
    assert "stays" in text


def test_what_a_promotion_looks_past_is_said():
    text = shown(
        moves_table([promotion(overridden=("amd64/unit: failed",), excused=("amd64/unit: t::[red]a",))])
    )

    assert "vllm: in spite of amd64/unit: failed" in text
    assert "quarantined, so it does not count: amd64/unit: t::[red]a" in text


def decision(tag: str, *, delete: bool, reason: str = "because") -> Decision:
    return Decision(digest(tag), (tag,) if tag else (), date(2026, 10, 1), delete=delete, reason=reason)


def outcome(**fields) -> RepositoryOutcome:
    plan = RetentionPlan(
        (decision("kept-1", delete=False), decision("gone-1", delete=True), decision("", delete=True))
    )
    return RepositoryOutcome("ecr", "localhost:5000/nightly", "images", **{"plan": plan, **fields})


def test_what_goes_comes_first_with_its_reason():
    text = shown(retention_table([outcome()], deleted=False))

    assert text.index("gone-1") < text.index("kept-1")
    assert "would go" in text
    assert "2026-10-01" in text
    assert "localhost:5000/nightly: 1 manifest stay, 2 would go" in text


def test_what_was_deleted_and_what_could_not_be():
    text = shown(
        retention_table([outcome(deleted=(digest("gone-1"),), failed={digest(""): "locked"})], deleted=True)
    )

    assert "deleted" in text
    assert "not deleted" in text
    assert "locked" in text
    assert "1 of 2 deleted" in text


def test_a_repository_that_could_not_be_asked_says_that_all_stays():
    text = shown(retention_table([outcome(problem="acr: 503")], deleted=True))

    assert "all stays" in text
    assert "acr: 503" in text
    assert "gone-1" not in text


def row(**fields) -> ImageRow:
    defaults = {
        "date": DATE,
        "run_id": RUN_ID,
        "framework": "vllm",
        "arch": "amd64",
        "status": "built",
        "verdict": "green",
        "digest": NEW,
        "size_bytes": 61_500_000,
        "engine": MOCK,
        "tags": ("nightly-vllm-amd64-run-1f3a9c02", "nightly-vllm-amd64", "known-good-vllm-amd64"),
        "registries": {"ecr": "there", "acr": "there"},
        "known_good": {"ecr": True, "acr": True},
    }
    return ImageRow(**(defaults | fields))


def images(*rows: ImageRow, **known) -> str:
    good = KnownGood(**({"framework": "vllm", "registry": "ecr"} | known))
    return shown(images_table(ImageList(rows=rows, known_good=(good,))))


def test_a_cell_fits_eighty_columns_and_a_mock_says_so():
    text = images(row())

    for word in (
        DATE,
        "vllm/amd64",
        NEW[:19],
        "61.5 MB",
        "MOCK 0.1.0",
        "green",
        "run 1f3a9c02",
        "known-good",
    ):
        assert word in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_real_engine_has_no_mark():
    text = images(row(engine=EngineFacts(kind="real", name="vllm", version="0.32.0")))

    assert "0.32.0" in text
    assert "MOCK" not in text


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"known_good": {"ecr": True, "acr": False}}, "known-good (ecr only)"),
        ({"registries": {"ecr": "there", "acr": "gone"}}, "gone from acr"),
        ({"registries": {"ecr": "could not ask", "acr": "there"}}, "could not ask ecr"),
        ({"digest": None, "status": "failed", "verdict": "red"}, "failed: no image"),
        ({"engine": None}, "—"),
    ],
)
def test_what_is_not_as_it_should_be_is_said(fields, words):
    text = images(row(**fields))

    assert words in " ".join(text.split())


def test_what_known_good_is_now():
    text = images(digest=NEW, date=DATE, run_id=RUN_ID, reason="[bold]it\x1b[31m passed")

    assert DATE in text
    assert "1f3a9c02" in text
    assert r"[bold]it\x1b[31mpassed" in joined(text)
    assert "no such tag" in images()
    lost = images(problem="acr: 503")
    assert "could not ask" in lost
    assert lost.rstrip().endswith("acr: 503")
    assert "No image is on record" in images()


def test_one_image_in_full():
    facts = ImageFacts(
        platform="linux/amd64",
        digest=NEW,
        size_bytes=1_500_000,
        labels={
            "io.nightly.engine": "mock",
            "io.nightly.engine-version": "0.1.0",
            "org.opencontainers.image.base.digest": OLD,
            "org.opencontainers.image.revision": "9c1d5e0f",
        },
        packages=(Package(name="bash", version="5.2", type="deb"),),
    )
    text = shown(
        description(
            ImageDescription(
                reference="localhost:5000/nightly:x",
                digest=NEW,
                annotations={"io.nightly.reason": "it passed"},
                images=(facts,),
                registries={"ecr": Answer(digest=NEW), "acr": Answer(), "gcr": Answer(problem="503")},
            )
        ),
        width=120,
    )

    for word in ("mock 0.1.0", OLD, "9c1d5e0f", "1 package", "bash", "5.2", "it passed", "1.5 MB"):
        assert word in text
    assert "ecr, acr: not there, gcr: could not ask" in text


@pytest.mark.parametrize(
    ("problem", "words"), [(None, "no list is attached"), ("it is not JSON", "it is not JSON")]
)
def test_an_image_without_a_list_of_packages_says_so(problem, words):
    facts = ImageFacts(platform="linux/amd64", digest=NEW, size_bytes=1, labels={}, packages_problem=problem)
    found = ImageDescription(reference="x", digest=NEW, annotations={}, images=(facts,), registries={})

    assert words in shown(description(found))
