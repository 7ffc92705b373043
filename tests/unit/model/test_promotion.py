"""What may be promoted: whole frameworks, tested bytes, in every registry; nothing that is not known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightly_pipeline.model.history import TestIdentity
from nightly_pipeline.model.outcomes import EngineFacts, StageCounts, StageStatus
from nightly_pipeline.model.promotion import (
    Candidate,
    PromotedImage,
    PromotionRecord,
    PromotionRule,
    superseded,
)
from nightly_pipeline.model.promotion_rule import assess
from tests.factories import (
    ARCHITECTURES,
    DATE,
    RUN_ID,
    STAGES,
    broken_night,
    digest,
    failure,
    image,
    publication,
    run_facts,
    stage,
    whole_night,
)

RULE = PromotionRule(architectures=ARCHITECTURES, stages=STAGES, registries=("ecr", "acr"), allow_mock=True)
REAL = EngineFacts(kind="real", name="vllm", version="0.32.0")


def problems(report, rule=RULE, quarantined=(), framework="vllm"):
    return [problem.text for problem in assess(report, framework, rule, quarantined).problems]


def test_a_good_framework_is_promoted_with_the_digests_that_were_tested():
    found = assess(whole_night(), "vllm", RULE)

    assert found.problems == ()
    assert not found.is_final
    assert [(one.arch, one.platform, one.digest) for one in found.candidate.images] == [
        ("amd64", "linux/amd64", digest("vllm", "amd64", "runtime")),
        ("arm64", "linux/arm64", digest("vllm", "arm64", "runtime")),
    ]
    assert (found.candidate.date, found.candidate.run_id) == (DATE, RUN_ID)


def test_another_frameworks_failures_do_not_count():
    assert problems(broken_night(), framework="sglang")
    assert problems(whole_night(stage("sglang", "amd64", "unit", "failed")), framework="vllm") == []


@pytest.mark.parametrize(
    "status",
    [
        "failed",
        "collect_error",
        "no_tests",
        "timed_out",
        "crashed",
        "infra_error",
        "blocked",
        "cancelled",
        "not_run",
    ],
)
@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_every_required_stage_has_to_be_good_on_every_architecture(status, arch):
    found = problems(whole_night(stage("vllm", arch, "integration", status)))

    assert found == [f"{arch}/integration: {status}"]


def test_a_stage_that_is_not_required_does_not_count():
    rule = RULE.model_copy(update={"stages": ("unit",)})

    assert problems(whole_night(stage("vllm", "amd64", "integration", "failed")), rule) == []
    assert problems(whole_night(stage("vllm", "amd64", "unit", "failed")), rule) == ["amd64/unit: failed"]


def test_a_night_without_a_required_stage_is_not_known_to_be_good():
    report = whole_night()
    partial = report.model_copy(update={"stages": tuple(s for s in report.stages if s.stage != "unit")})

    assert problems(partial) == ["amd64/unit: it is not of this night", "arm64/unit: it is not of this night"]


def test_a_framework_without_an_architecture_is_not_promoted_at_all():
    report = whole_night()
    only = {
        name: tuple(one for one in getattr(report, name) if one.arch != "arm64")
        for name in ("images", "publications", "stages")
    }
    found = assess(report.model_copy(update=only), "vllm", RULE)

    assert found.candidate is None
    assert found.is_final
    assert "arm64: it was not published" in found.text


@pytest.mark.parametrize("status", ["failed", "infra_error", "blocked", "cancelled", "not_run"])
def test_what_is_not_published_cannot_be_promoted(status):
    found = assess(whole_night(publication("vllm", "arm64", status)), "vllm", RULE)

    assert found.is_final
    assert f"arm64: its publication is {status}" in found.text


@pytest.mark.parametrize("answer", [None, digest("another")])
def test_every_registry_must_have_answered_with_the_digest(answer):
    published = publication("vllm", "amd64")
    ecr, acr = published.copies
    copies = (ecr, acr.model_copy(update={"digest": answer}))
    found = assess(whole_night(published.model_copy(update={"copies": copies})), "vllm", RULE)

    assert found.text == "amd64: it is not known to be in acr"
    assert found.is_final


def test_what_was_tested_must_be_what_is_published():
    other = digest("vllm", "amd64", "other")
    found = problems(whole_night(stage("vllm", "amd64", "unit", image_digest=other)))
    unknown = problems(whole_night(stage("vllm", "amd64", "unit", image_digest=None)))

    assert found == [f"amd64/unit: {other} was tested, {digest('vllm', 'amd64', 'runtime')} is published"]
    assert "it is not known what was tested" in unknown[0]


def test_what_was_built_must_be_what_is_published():
    found = assess(whole_night(image("vllm", "amd64", digest=digest("newer"))), "vllm", RULE)

    assert found.is_final
    assert "is published" in found.text


def test_the_mock_engine_is_promoted_only_where_the_profile_allows_it():
    strict = RULE.model_copy(update={"allow_mock": False})
    found = assess(whole_night(), "vllm", strict)

    assert found.is_final
    assert "mock engine is never promoted" in found.text
    real = whole_night(*(image("vllm", arch, engine=REAL) for arch in ARCHITECTURES))
    assert problems(real, strict) == []
    one_mock = whole_night(image("vllm", "amd64", engine=REAL))
    assert assess(one_mock, "vllm", strict).is_final


def test_an_engine_nobody_knows_is_not_promoted():
    assert assess(whole_night(image("vllm", "amd64", engine=None)), "vllm", RULE).is_final


def test_a_night_that_runs_is_not_over():
    running = whole_night(runs=(run_facts("running"),))

    assert problems(running) == ["the night is still running"]


@pytest.mark.parametrize("nothing", [{"stages": ()}, {"architectures": ()}])
def test_a_rule_that_asks_for_nothing_promotes_nothing(nothing):
    assert assess(whole_night(), "vllm", RULE.model_copy(update=nothing)).is_final


# --- quarantine


def identity(test: str, **fields: str) -> TestIdentity:
    return TestIdentity(**{"framework": "vllm", "arch": "amd64", "stage": "unit", "node_id": test, **fields})


def failing(*tests: str, **fields):
    return stage("vllm", "amd64", "unit", "failed", failures=[failure(test) for test in tests], **fields)


def test_quarantined_tests_do_not_block_and_are_named():
    known = {identity("a"), identity("b")}
    found = assess(whole_night(failing("a", "b")), "vllm", RULE, known)

    assert found.problems == ()
    assert found.excused == ("amd64/unit: a", "amd64/unit: b")


@pytest.mark.parametrize(
    "other",
    [
        identity("c"),
        identity("b", arch="arm64"),
        identity("b", stage="e2e"),
        identity("b", framework="sglang"),
    ],
)
def test_one_failure_that_is_not_quarantined_blocks(other):
    found = assess(whole_night(failing("a", "b")), "vllm", RULE, {identity("a"), other})

    assert [problem.text for problem in found.problems] == ["amd64/unit: failed"]
    assert found.excused == ()


@pytest.mark.parametrize(
    "changed",
    [
        {"counts": StageCounts(failed=2, collected=9)},
        {"counts": StageCounts(failed=1, errors=1, collected=9)},
        {"counts": StageCounts(collected=9)},
        {"status": StageStatus.CRASHED},
        {"status": StageStatus.TIMED_OUT},
        {"failures": ()},
    ],
)
def test_failures_that_are_not_all_named_block(changed):
    bad = failing("a").model_copy(update=changed)

    assert assess(whole_night(bad), "vllm", RULE, {identity("a")}).problems


@given(failed=st.sets(st.sampled_from("abcdef"), min_size=1), known=st.sets(st.sampled_from("abcdefgh")))
def test_a_failed_stage_passes_only_when_every_failure_is_quarantined(failed, known):
    found = assess(whole_night(failing(*sorted(failed))), "vllm", RULE, {identity(test) for test in known})

    assert (found.problems == ()) == (failed <= known)


# --- what a promotion by itself must not undo


def candidate(date: str = DATE, name: str = "a") -> Candidate:
    return Candidate(
        framework="vllm",
        date=date,
        run_id=RUN_ID,
        images=(PromotedImage(arch="amd64", platform="linux/amd64", digest=digest(name)),),
    )


def record(date: str, name: str, position: int = 0, **fields) -> PromotionRecord:
    return PromotionRecord(
        **candidate(date, name).model_dump(),
        **{
            "action": "promote",
            "automatic": True,
            "index_digest": digest("index", name),
            "registries": ("ecr", "acr"),
            "reason": "it passed",
            "who": "somebody",
            "when": datetime(2026, 11, 20, tzinfo=UTC) + timedelta(hours=position),
            **fields,
        },
    )


def test_the_first_and_every_newer_night_is_promoted():
    assert superseded(candidate(), []) is None
    assert superseded(candidate("2026-11-21", "b"), [record("2026-11-20", "a")]) is None


def test_a_past_night_does_not_take_known_good_from_a_newer_one():
    assert "newer night, 2026-11-22" in superseded(candidate("2026-11-20"), [record("2026-11-22", "b")])


def test_the_same_night_again_is_no_step_back():
    assert superseded(candidate(name="a"), [record(DATE, "a")]) is None
    assert superseded(candidate(name="rerun"), [record(DATE, "a")]) is None


def test_what_was_rolled_back_from_is_not_promoted_by_itself():
    history = [
        record("2026-11-19", "old"),
        record(DATE, "bad", 1),
        record("2026-11-19", "old", 2, action="rollback", reason="it leaks"),
    ]

    assert "it leaks" in superseded(candidate(name="bad"), history)
    assert superseded(candidate(name="rebuilt"), history) is None
    assert superseded(candidate("2026-11-21", "next"), history) is None


def test_a_promotion_that_broke_off_counts_for_nothing():
    assert superseded(candidate("2026-11-20"), [record("2026-11-22", "b", complete=False)]) is None


def test_a_record_survives_being_written_down():
    written = record(DATE, "a", overridden=("amd64/unit: failed",))

    assert PromotionRecord.model_validate_json(written.model_dump_json()) == written
    assert written.candidate == candidate(name="a")
