from __future__ import annotations

import pytest

from nightly_pipeline.model.outcomes import EngineFacts, ImageStatus, PublicationStatus, StageStatus
from nightly_pipeline.model.plan import index_key, publication_key, stage_key
from nightly_pipeline.model.reading import (
    MOCK_NOTE,
    Tone,
    causes,
    consequences,
    duration_s,
    headline,
    items,
    label_of,
    mock_note,
    night_tone,
    notes,
    short_revision,
    tone_of,
)
from tests.factories import (
    RUN_ID,
    broken_night,
    failure,
    image,
    night,
    publication,
    run_facts,
    stage,
    whole_night,
)

GOOD = {"built", "reused", "passed", "collected", "published"}
REAL = EngineFacts(kind="real", name="vllm", version="0.32.0")


@pytest.mark.parametrize("status", [*ImageStatus, *StageStatus, *PublicationStatus])
def test_only_the_good_words_are_good(status: ImageStatus | StageStatus | PublicationStatus) -> None:
    assert (tone_of(status) is Tone.GOOD) == (status.value in GOOD)


def test_unknown_is_neither_good_nor_bad() -> None:
    unknown = (StageStatus.INFRA_ERROR, StageStatus.BLOCKED, StageStatus.CANCELLED, StageStatus.NOT_RUN)

    assert {tone_of(status) for status in unknown} == {Tone.UNKNOWN}


def test_everything_is_read_cell_by_cell_and_the_index_after_its_cells() -> None:
    labels = [item.label for item in items(whole_night(frameworks=("vllm", "sglang"), stages=("unit",)))]

    assert labels == [
        *(f"vllm/{arch}/{name}" for arch in ("amd64", "arm64") for name in _STEPS),
        "vllm/multi_arch_image",
        *(f"sglang/{arch}/{name}" for arch in ("amd64", "arm64") for name in _STEPS),
        "sglang/multi_arch_image",
    ]


_STEPS = ("framework_image", "runtime_image", "published_image", "unit")


def test_causes_come_worst_first_and_without_what_follows_from_them() -> None:
    report = broken_night()

    assert [(item.label, item.word) for item in causes(report)] == [
        ("vllm/arm64/runtime_image", "failed"),
        ("sglang/amd64/unit", "failed"),
        ("trtllm/amd64/integration", "timed_out"),
        ("trtllm/amd64/e2e_single_gpu", "no_tests"),
        ("sglang/amd64/e2e_multi_gpu", "infra_error"),
    ]
    assert {item.word for item in consequences(report)} == {"blocked"}
    assert len(consequences(report)) == 6


def test_a_stage_with_a_new_failure_comes_before_one_that_fails_again() -> None:
    report = whole_night(
        stage("vllm", "amd64", "unit", "failed", failures=[failure(verdict="recurring", since="2026-11-01")]),
        stage(
            "trtllm",
            "amd64",
            "unit",
            "failed",
            failures=[failure(verdict="recurring"), failure(verdict="new")],
        ),
    )

    first = causes(report)[0]

    assert first.label == "trtllm/amd64/unit"
    assert [one.verdict for one in first.failures] == ["new", "recurring"]


@pytest.mark.parametrize("status", ["failed", "timed_out", "cancelled"])
def test_a_runtime_image_without_its_framework_image_follows(status: str) -> None:
    report = night([image(kind="framework", status=status), image(status="not_run")])

    assert [item.label for item in causes(report)] == ["vllm/amd64/framework_image"]
    assert [item.label for item in consequences(report)] == ["vllm/amd64/runtime_image"]


def test_a_runtime_image_that_never_ran_beside_a_good_framework_image_is_a_problem_of_its_own() -> None:
    report = night([image(kind="framework"), image(status="not_run")])

    assert [item.label for item in causes(report)] == ["vllm/amd64/runtime_image"]


def test_nothing_that_is_not_good_is_left_out() -> None:
    report = broken_night()
    not_good = {item.label for item in items(report) if item.tone is not Tone.GOOD}

    assert {item.label for item in (*causes(report), *consequences(report))} == not_good


@pytest.mark.parametrize(
    ("report", "expected", "tone"),
    [
        (whole_night(), "green", Tone.GOOD),
        (broken_night(), "red", Tone.BAD),
        (night([image(status="cancelled")]), "incomplete", Tone.UNKNOWN),
        (night(), "incomplete", Tone.UNKNOWN),
        (whole_night(runs=[run_facts(partial=True)]), "green, partial run", Tone.GOOD),
    ],
)
def test_headlines_of_ended_nights(report, expected: str, tone: Tone) -> None:
    assert headline(report) == expected
    assert night_tone(report) is tone


def test_a_running_night_is_never_green() -> None:
    report = night([image(), image(kind="framework")], [stage(status="not_run")], runs=[run_facts("running")])

    assert headline(report) == "running, 2 of 3 done"
    assert night_tone(report) is Tone.PENDING
    assert not causes(report)


def test_a_running_night_is_red_as_soon_as_something_failed() -> None:
    report = night([image(status="failed")], [stage(status="not_run")], runs=[run_facts("running")])

    assert headline(report) == "running, red so far, 1 of 2 done"
    assert night_tone(report) is Tone.BAD


def test_all_good_while_the_run_goes_on_is_not_yet_green() -> None:
    report = whole_night(runs=[run_facts("running")])

    assert night_tone(report) is Tone.PENDING


def test_not_run_is_only_pending_while_its_own_run_goes_on() -> None:
    old = image(kind="framework", status="not_run", run_id="an older run")
    report = night(
        [old, image(status="not_run")], runs=[run_facts(run_id="an older run"), run_facts("running")]
    )

    assert [item.tone for item in items(report)] == [Tone.UNKNOWN, Tone.PENDING]


def test_a_mock_in_one_image_is_believed_over_a_plan_that_says_real() -> None:
    assert mock_note(night([image(engine=REAL)], engine="real")) is None
    assert mock_note(night([image(engine=REAL), image(kind="framework")], engine="real")) == MOCK_NOTE
    assert mock_note(night([image(status="failed")], engine="mock")) == MOCK_NOTE


def test_notes_say_partial_rerun_and_dirty() -> None:
    report = whole_night(
        runs=[run_facts(partial=True), run_facts(run_id="77777777-x", partial=True, rerun_of=RUN_ID)],
        source_revision="9c1d5e0f7a3b42c8-dirty.12345678",
    )

    assert notes(report) == (
        "Partial run: only a selected part of the night was planned; nothing is said about the rest.",
        "Re-run: 77777777 repeats 1f3a9c02.",
        "Shows the newest result of each from 2 runs.",
        "Built from a working tree with changes that are in no commit.",
    )
    assert short_revision(report) == "9c1d5e0f7a3b-dirty"


def test_an_unknown_revision_is_said() -> None:
    assert "The source revision is not known." in notes(whole_night(source_revision=None))
    assert short_revision(whole_night(source_revision=None)) == "unknown"


def test_the_duration_is_that_of_the_runs_not_of_the_pause_between_them() -> None:
    assert duration_s(whole_night(runs=[run_facts(), run_facts()])) == 2 * (3 * 3600 + 12 * 60)
    assert duration_s(whole_night(runs=[run_facts("running")])) is None


@pytest.mark.parametrize(
    ("key", "label"),
    [
        (stage_key("vllm", "amd64", "unit"), "vllm/amd64/unit"),
        (publication_key("vllm", "amd64"), "vllm/amd64/published_image"),
        (index_key("vllm"), "vllm/multi_arch_image"),
        (("source_revision",), "source_revision"),
    ],
)
def test_labels_of_keys_are_those_of_items(key: tuple[str, ...], label: str) -> None:
    assert label_of(key) == label


def test_anchors_are_unique() -> None:
    anchors = [item.anchor for item in items(whole_night())]

    assert len(set(anchors)) == len(anchors) == 45


def test_publications_have_no_runner() -> None:
    report = night(publications=[publication()])

    assert items(report)[0].runner is None
