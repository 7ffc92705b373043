"""Promoting a whole night: each framework for itself, by the rule or by hand."""

from __future__ import annotations

import json

import pytest

from nightly_pipeline.errors import EnvironmentNotReady, PromotionRefused, RegistryUnavailable
from nightly_pipeline.model.history import TestIdentity
from nightly_pipeline.model.judgement import Judgement, TestVerdict, Verdict
from nightly_pipeline.model.promotion import PromotionRule
from nightly_pipeline.steps.promote import Order, PromoteTools, plan_promotion, promote
from nightly_pipeline.steps.promote_night import (
    NIGHTLY_REASON,
    order_for_night,
    order_to_go_back,
    promote_night,
    promotions_text,
)
from nightly_pipeline.steps.promotion_records import PromotionRecords
from tests.factories import (
    ARCHITECTURES,
    DATE,
    FRAMEWORKS,
    STAGES,
    failure,
    image,
    publication,
    stage,
    whole_night,
)
from tests.fakes.store import MemoryStore

RULE = PromotionRule(architectures=ARCHITECTURES, stages=STAGES, registries=("ecr", "acr"), allow_mock=True)


@pytest.fixture
def tools(registries):
    return PromoteTools(registries, primary="ecr", records=PromotionRecords(MemoryStore()))


def night(tools, *changed, date: str = DATE, lost: tuple[str, str] | None = None):
    """A green night whose images are in the registries, with these changes."""
    outcomes = []
    for framework in FRAMEWORKS:
        for arch in ARCHITECTURES:
            layer = f"{framework} {arch} {date}".encode()
            for role, registry in tools.registries.items():
                name = registry.add_image(f"linux/{arch}", layer=layer)
                if (framework, role) == lost:
                    del registry.manifests[name]
            published = publication(framework, arch, date=date, digest=name)
            copies = tuple(copy.model_copy(update={"digest": name}) for copy in published.copies)
            outcomes += [
                image(framework, arch, digest=name, date=date),
                published.model_copy(update={"copies": copies}),
                *(stage(framework, arch, one, image_digest=name, date=date) for one in STAGES),
            ]
    digests = {(one.framework, one.arch): one.digest for one in outcomes if hasattr(one, "copies")}
    own = [
        one.model_copy(update={"image_digest": digests[one.framework, one.arch], "date": date})
        for one in changed
    ]
    return whole_night(*outcomes, *own, date=date)


def states(promotions) -> dict[str, str]:
    return {one.framework: one.state for one in promotions}


def automatic(tools, report, rule=RULE):
    return promote_night(report, rule, tools, who="run 1f3a9c02", log=print)


def test_every_good_framework_is_promoted_and_the_record_says_by_itself(tools):
    found = automatic(tools, night(tools))

    assert states(found) == dict.fromkeys(FRAMEWORKS, "promoted")
    for framework in FRAMEWORKS:
        record = tools.records.current(framework)
        assert (record.automatic, record.reason, record.who) == (True, NIGHTLY_REASON, "run 1f3a9c02")
        assert tools.registries["acr"].tags[f"known-good-{framework}"] == record.index_digest


def test_a_failing_framework_keeps_its_known_good_and_the_others_move(tools):
    found = automatic(tools, night(tools, stage("sglang", "arm64", "unit", "collect_error")))

    assert states(found) == {"vllm": "promoted", "sglang": "not_good", "trtllm": "promoted"}
    assert "sglang: not good (arm64/unit: collect_error)" in promotions_text(found)
    assert not [tag for tag in tools.registries["ecr"].tags if "sglang" in tag]


def test_a_second_summary_of_the_same_night_changes_nothing(tools):
    report = night(tools)
    automatic(tools, report)

    assert states(automatic(tools, report)) == dict.fromkeys(FRAMEWORKS, "unchanged")
    assert len(tools.records.of("vllm")) == 1


def test_a_backfill_does_not_take_known_good_back(tools):
    automatic(tools, night(tools))
    found = automatic(tools, night(tools, date="2026-11-18"))

    assert states(found) == dict.fromkeys(FRAMEWORKS, "held")
    assert tools.records.current("vllm").date == DATE


def test_what_was_rolled_back_from_is_not_promoted_again_by_a_later_summary(tools):
    automatic(tools, night(tools, date="2026-11-18"))
    bad = night(tools)
    automatic(tools, bad)
    order = order_to_go_back("vllm", "2026-11-18", tools, reason="it leaks", who="me")
    promote(plan_promotion(order, tools), tools, print)

    assert states(automatic(tools, bad))["vllm"] == "held"
    assert tools.records.current("vllm").date == "2026-11-18"


def test_a_registry_that_is_down_fails_each_and_hides_nothing(tools):
    report = night(tools)
    tools.registries["acr"].failures["*"] = RegistryUnavailable("503")
    found = automatic(tools, report)

    assert states(found) == dict.fromkeys(FRAMEWORKS, "failed")
    assert "503" in promotions_text(found)


def test_what_is_no_manifest_fails_its_framework_alone(tools):
    report = night(tools)
    acr = tools.registries["acr"]
    acr.manifests["sha256:0"] = (b"<html>", "text/html")
    acr.tags["known-good-vllm-run-1f3a9c02"] = "sha256:0"
    found = automatic(tools, report)

    assert states(found) == {"vllm": "failed", "sglang": "promoted", "trtllm": "promoted"}
    assert "is not a manifest" in promotions_text(found)


def test_records_that_cannot_be_read_fail_and_hide_nothing(tools, monkeypatch):
    monkeypatch.setattr(MemoryStore, "keys", lambda *_: (_ for _ in ()).throw(EnvironmentNotReady("no disk")))

    assert states(automatic(tools, night(tools))) == dict.fromkeys(FRAMEWORKS, "failed")


def test_an_image_that_is_gone_fails_its_framework_alone(tools):
    found = automatic(tools, night(tools, lost=("vllm", "acr")))

    assert states(found) == {"vllm": "failed", "sglang": "promoted", "trtllm": "promoted"}


def test_tests_that_the_judgement_calls_quarantined_do_not_block(tools):
    known = TestIdentity(framework="vllm", arch="amd64", stage="unit", node_id="t::a")
    verdict = TestVerdict(test=known, verdict=Verdict.QUARANTINED)
    report = night(tools, stage("vllm", "amd64", "unit", "failed", failures=[failure("t::a")]))
    judged = report.model_copy(update={"judgement": Judgement(verdicts=(verdict,))})
    new = judged.judgement.verdicts[0].model_copy(update={"verdict": Verdict.NEW})

    assert states(automatic(tools, report))["vllm"] == "not_good"
    unexcused = report.model_copy(update={"judgement": Judgement(verdicts=(new,))})
    assert states(automatic(tools, unexcused))["vllm"] == "not_good"
    assert states(automatic(tools, judged))["vllm"] == "promoted"
    assert tools.records.current("vllm").excused == ("amd64/unit: t::a",)


# --- by hand


def test_a_person_cannot_promote_what_failed_unless_they_insist_and_then_it_is_on_record(tools):
    report = night(tools, stage("vllm", "amd64", "unit", "failed"))

    with pytest.raises(PromotionRefused, match="vllm of 2026-11-20 is not promoted") as refused:
        order_for_night(report, "vllm", RULE, reason="hotfix", who="me")
    assert "amd64/unit: failed" in refused.value.message
    assert "--force" in refused.value.next_step
    order = order_for_night(report, "vllm", RULE, reason="hotfix", who="me", force=True)
    record = promote(plan_promotion(order, tools), tools, print)
    assert record.overridden == ("amd64/unit: failed",)


@pytest.mark.parametrize(
    "rule", [RULE.model_copy(update={"allow_mock": False}), RULE.model_copy(update={"registries": ("gcr",)})]
)
def test_nobody_can_insist_on_a_mock_or_on_what_is_not_published(tools, rule):
    with pytest.raises(PromotionRefused) as refused:
        order_for_night(night(tools), "vllm", rule, reason="please", who="me", force=True)
    assert "--force" not in refused.value.next_step


def test_going_back_takes_what_was_promoted_then(tools):
    report = night(tools)
    automatic(tools, report)
    automatic(tools, night(tools, date="2026-11-21"))
    order = order_to_go_back("vllm", DATE, tools, reason="it leaks", who="me")

    assert isinstance(order, Order)
    assert (order.action, order.candidate.date) == ("rollback", DATE)
    promote(plan_promotion(order, tools), tools, print)
    annotations = json.loads(tools.registries["ecr"].manifest("known-good-vllm")[0])["annotations"]
    assert annotations["io.nightly.date"] == DATE


def test_a_night_that_never_was_promoted_cannot_be_gone_back_to(tools):
    assert order_to_go_back("vllm", DATE, tools, reason="x", who="me") is None
