"""What Dagster shows of promotion and retention."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from nightly_pipeline.assets import known_good, retention
from nightly_pipeline.assets.known_good import (
    known_good_result,
    promote_after,
    promotion_rule,
    retention_rule,
    retention_tools,
    this_person,
)
from nightly_pipeline.assets.workplace import Workplace
from nightly_pipeline.definitions import build_definitions
from nightly_pipeline.errors import EnvironmentNotReady
from nightly_pipeline.model.retention import Decision, RetentionPlan
from nightly_pipeline.settings import load_settings
from nightly_pipeline.steps.promote_night import FrameworkPromotion
from nightly_pipeline.steps.retention import RepositoryOutcome
from tests.factories import whole_night
from tests.fakes.store import MemoryStore
from tests.unit.own_profile import load

GOING = Decision("sha256:a", ("nightly-vllm-run-aaaaaaaa",), None, delete=True, reason="31 days old")


def outcome(**fields) -> RepositoryOutcome:
    plan = RetentionPlan((GOING,), (("sha256:a",),))
    return RepositoryOutcome("ecr", "localhost:5000/nightly", "images", **{"plan": plan, **fields})


@pytest.mark.parametrize(
    ("state", "passed"),
    [("promoted", True), ("unchanged", True), ("held", True), ("not_good", True), ("failed", False)],
)
def test_only_a_promotion_that_failed_is_red(state, passed):
    result = known_good_result([FrameworkPromotion("vllm", state, "why")])

    assert result.passed is passed
    assert "why" in result.description
    assert result.severity is (dg.AssetCheckSeverity.WARN if passed else dg.AssetCheckSeverity.ERROR)


def test_where_promotion_is_left_to_people_nothing_is_promoted_and_nothing_is_red(tmp_path):
    settings = load(tmp_path, "promotion: {automatic: false}")
    found = promote_after(whole_night(), settings, MemoryStore(), run_id="1f3a9c02")

    assert found == []
    assert known_good_result(found).passed
    assert "promotion.automatic" in known_good_result(found).description


def test_what_a_promotion_works_with_may_be_missing_and_that_is_told(tmp_path, monkeypatch):
    def missing(*_: object) -> None:
        raise EnvironmentNotReady("there is no cosign")

    monkeypatch.setattr(known_good, "promote_tools", missing)
    found = promote_after(whole_night(), load(tmp_path), MemoryStore(), run_id="1f3a9c02")

    assert not known_good_result(found).passed
    assert "there is no cosign" in known_good_result(found).description


def test_the_rule_is_the_profiles(tmp_path):
    rule = promotion_rule(load(tmp_path))
    assert rule.stages == ("unit", "integration", "e2e_single_gpu", "e2e_multi_gpu")
    assert rule.architectures == ("amd64", "arm64")
    assert rule.registries == ("ecr", "acr")
    assert promotion_rule(load(tmp_path, "promotion: {required_stages: [unit]}")).stages == ("unit",)
    limits = retention_rule(load(tmp_path, "retention: {days: 3, nights: 2, promotions: 1, cache_days: 9}"))
    assert (limits.lifetime.days, limits.lifetime.nights, limits.promotions, limits.cache_days) == (
        3,
        2,
        1,
        9,
    )


def test_caches_are_looked_at_in_their_own_repository(tmp_path):
    tools = retention_tools(load(tmp_path), MemoryStore())

    assert [one.reference("x") for one in tools.images] == [
        "localhost:5000/nightly:x",
        "localhost:5001/nightly:x",
    ]
    assert [one.reference("x") for one in tools.caches] == ["localhost:5000/nightly-cache:x"]


def test_a_person_is_named_with_their_machine():
    user, _, host = this_person().partition("@")

    assert user
    assert host


# --- the scheduled job


def run(
    monkeypatch, tmp_path: Path, outcomes, *, delete: bool
) -> tuple[dg.ExecuteInProcessResult, list[bool]]:
    asked: list[bool] = []

    def apply(*_: object, delete: bool, **__: object) -> list[RepositoryOutcome]:
        asked.append(delete)
        return outcomes

    profile = tmp_path / "own.yaml"
    profile.write_text(f"extends: local\nretention: {{delete: {str(delete).lower()}}}\n")
    monkeypatch.setattr(retention, "apply_retention", apply)
    result = retention.image_retention.execute_in_process(
        resources={"workplace": Workplace(profile=str(profile))}, raise_on_error=False
    )
    return result, asked


@pytest.mark.parametrize("delete", [False, True])
def test_the_job_deletes_only_where_the_profile_says_so(monkeypatch, tmp_path, delete):
    result, asked = run(monkeypatch, tmp_path, [outcome()], delete=delete)

    assert result.success
    assert asked == [delete]


@pytest.mark.parametrize(
    ("fields", "said"),
    [({"problem": "503"}, "503"), ({"failed": {"sha256:a": "locked"}}, "sha256:a: locked")],
)
def test_what_could_not_be_asked_or_deleted_fails_the_job(monkeypatch, tmp_path, fields, said):
    result, _ = run(monkeypatch, tmp_path, [outcome(), outcome(**fields)], delete=True)

    assert not result.success
    (failure,) = result.get_step_failure_events()
    assert said in failure.step_failure_data.error_display_string


@pytest.mark.parametrize(("every", "cron"), [("day", "0 5 * * *"), ("week", "0 5 * * 0")])
def test_the_schedule_is_the_profiles_and_asks_for_a_run(tmp_path, every, cron):
    profile = tmp_path / "own.yaml"
    profile.write_text(f"extends: local\nretention: {{every: {every}}}\n")
    definitions = build_definitions(load_settings(str(profile), environment={}, root=tmp_path))
    (schedule,) = [one for one in definitions.schedules if one.name == "prune_old_images"]

    assert (schedule.cron_schedule, schedule.execution_timezone) == (cron, "UTC")
    instant = datetime(2026, 11, 22, 5, 0, tzinfo=UTC)
    with dg.build_schedule_context(scheduled_execution_time=instant) as context:
        answer = schedule.evaluate_tick(context)
    assert len(answer.run_requests) == 1
    assert "deletes nothing" in schedule.description
