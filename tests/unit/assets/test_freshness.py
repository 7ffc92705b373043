"""Which of Dagster's runs are finished nights, and what the sensor and the check make of them."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
import yaml

from nightly_pipeline.assets.automation import FRESHNESS_CHECK
from nightly_pipeline.assets.freshness import freshness_check, freshness_of, freshness_sensor
from nightly_pipeline.assets.naming import PROCESS_TAG
from nightly_pipeline.model.dates import night_start
from nightly_pipeline.model.freshness import FreshnessState
from nightly_pipeline.planning import make_plan
from nightly_pipeline.settings import Settings, load_settings
from tests.clock import stay_clear_of, today
from tests.fakes.slack_server import TOKEN, Answer, FakeSlack

A_DAY = timedelta(days=1)
SMALL = {
    "extends": "local",
    "table": {
        "frameworks": {"sglang": None, "trtllm": None, "vllm": {"overrides": None}},
        "architectures": {"arm64": None},
        "stages": {"integration": None, "e2e_single_gpu": None, "e2e_multi_gpu": None},
    },
}


def tonight() -> date:
    """Whatever the hour: a night that ends now is of the newest date whose night has begun."""
    return today() if night_start(today()) <= datetime.now(UTC) else today() - A_DAY


@pytest.fixture(autouse=True)
def _no_night_begins_meanwhile() -> None:
    stay_clear_of(night_start(today()).time(), seconds=60)


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump({**SMALL, "go_live": (tonight() - timedelta(days=90)).isoformat()}))
    return path


@pytest.fixture
def settings(profile: Path, tmp_path: Path, slack: FakeSlack) -> Settings:
    environment = {
        "NIGHTLY_HOME": str(tmp_path / "home"),
        "NIGHTLY_SLACK_CHANNEL": "nightly",
        "NIGHTLY_SLACK_BASE_URL": slack.base_url,
        "SLACK_BOT_TOKEN": TOKEN,
    }
    return load_settings(str(profile), environment=environment, root=tmp_path)


@pytest.fixture
def job(settings: Settings) -> dg.JobDefinition:
    """The night's job with nothing in its steps; a tag says which of them fails."""

    def stub(key: tuple[str, ...]) -> dg.AssetsDefinition:
        @dg.asset(key=list(key))
        def step(context) -> None:
            if context.run.tags.get("fails") == key[-1]:
                raise dg.Failure("on purpose", allow_retries=False)

        return step

    assets = [stub(entry.key) for entry in make_plan(settings).entries]
    return dg.Definitions(assets=assets, jobs=[dg.define_asset_job("nightly")]).resolve_job_def("nightly")


def run_night(instance, job, night: date | None = None, *, keys: int | None = None, **tags: str) -> str:
    selection = sorted(job.asset_layer.selected_asset_keys)[:keys]
    result = job.execute_in_process(
        instance=instance,
        tags={"dagster/partition": (night or tonight()).isoformat(), **tags},
        asset_selection=selection,
        raise_on_error=False,
    )
    return result.run_id


def start_night(instance, job, night: date | None = None, **tags: str) -> dg.DagsterRun:
    return instance.create_run_for_job(
        job_def=job,
        tags={"dagster/partition": (night or tonight()).isoformat(), **tags},
        status=dg.DagsterRunStatus.STARTED,
    )


def test_a_whole_night_that_ended_is_finished_whatever_its_verdict(settings, instance, job) -> None:
    green = run_night(instance, job, tonight() - A_DAY)
    assert freshness_of(instance, settings).last.run_id == green
    red = run_night(instance, job, fails="runtime_image")
    found = freshness_of(instance, settings)
    assert found.last.run_id == red
    assert found.state is FreshnessState.FRESH
    assert found.unfinished == ()


def test_twenty_six_hours_later_it_is_late(settings, instance, job) -> None:
    run_night(instance, job)
    found = freshness_of(instance, settings)
    assert found.deadline - found.last.ended_at == timedelta(hours=26)
    assert freshness_of(instance, settings, now=found.deadline + timedelta(minutes=1)).late
    assert not freshness_of(instance, settings, now=datetime.now(UTC) + A_DAY * 3, max_age=A_DAY * 4).late


def test_a_part_of_a_night_is_no_night(settings, instance, job) -> None:
    run_night(instance, job, keys=2)
    assert freshness_of(instance, settings).last is None


def test_a_night_of_another_profile_is_not_ours(settings, instance, job) -> None:
    run_night(instance, job, **{"nightly/profile": "production"})
    assert freshness_of(instance, settings).last is None
    own = run_night(instance, job, **{"nightly/profile": settings.profile})
    assert freshness_of(instance, settings).last.run_id == own


def test_a_cancelled_night_did_not_finish(settings, instance, job) -> None:
    run = start_night(instance, job)
    instance.report_run_canceled(run)
    found = freshness_of(instance, settings)
    assert found.last is None
    assert [night.state for night in found.unfinished] == ["cancelled"]


def test_a_night_that_was_lost_did_not_finish_when_somebody_noticed(settings, instance, job) -> None:
    run = start_night(instance, job)
    instance.report_run_failed(run, "its process is gone")
    found = freshness_of(instance, settings)
    assert found.last is None
    assert [night.state for night in found.unfinished] == ["lost"]


def test_a_night_whose_process_is_gone_is_not_running_and_to_look_changes_nothing(
    settings, instance, job
) -> None:
    start_night(instance, job, **{PROCESS_TAG: f"{os.uname().nodename}:1:0"})
    (night,) = freshness_of(instance, settings).unfinished
    assert night.state == "lost"
    assert [run.status for run in instance.get_runs()] == [dg.DagsterRunStatus.STARTED]


def test_a_running_night_is_named(settings, instance, job) -> None:
    run = start_night(instance, job)
    (night,) = freshness_of(instance, settings).running
    assert night.run_id == run.run_id


def test_backfills_do_not_hide_the_last_night_of_its_day(settings, instance, job) -> None:
    newest = run_night(instance, job)
    for days in range(1, 8):
        run_night(instance, job, tonight() - A_DAY * (10 + days))
    assert freshness_of(instance, settings).last.run_id == newest


def test_a_backfill_alone_leaves_the_nights_late(settings, instance, job) -> None:
    run_night(instance, job, tonight() - A_DAY * 10)
    assert freshness_of(instance, settings).late


def tick(settings: Settings, instance: dg.DagsterInstance, cursor: str | None = None) -> dg.SensorResult:
    context = dg.build_sensor_context(instance=instance, cursor=cursor)
    return freshness_sensor(settings)(context)


def test_the_sensor_raises_the_alarm_once_and_says_when_it_is_over(settings, instance, job, slack) -> None:
    first = tick(settings, instance)
    (evaluation,) = first.asset_events
    assert evaluation.asset_check_key == FRESHNESS_CHECK
    assert not evaluation.passed
    assert "the team was told" in first.skip_reason.skip_message
    (message,) = slack.messages.values()
    assert message["text"].startswith("No night has finished in time. Late: ")

    second = tick(settings, instance, first.cursor)
    assert not second.asset_events
    assert len(slack.messages) == 1
    assert len(slack.asked("chat.update")) == 0

    run_night(instance, job)
    third = tick(settings, instance, second.cursor)
    (evaluation,) = third.asset_events
    assert evaluation.passed
    (message,) = slack.messages.values()
    assert message["text"].startswith("Nights finish again. Fresh: ")
    assert not tick(settings, instance, third.cursor).asset_events


def test_an_alarm_that_could_not_be_told_is_told_by_a_later_tick(settings, instance, slack) -> None:
    slack.will_answer("chat.postMessage", Answer.refusal("invalid_auth"))
    first = tick(settings, instance)
    assert "not told: Slack refused" in first.skip_reason.skip_message
    second = tick(settings, instance, first.cursor)
    assert not second.asset_events, "the check failed already"
    assert "the team was told" in second.skip_reason.skip_message
    assert len(slack.messages) == 1


def test_without_slack_the_check_fails_all_the_same(profile: Path, tmp_path: Path, instance) -> None:
    silent = load_settings(str(profile), environment={"NIGHTLY_HOME": str(tmp_path)}, root=tmp_path)
    (evaluation,) = tick(silent, instance).asset_events
    assert not evaluation.passed


def test_what_the_sensor_reports_is_what_dagster_shows(settings, instance) -> None:
    (evaluation,) = tick(settings, instance).asset_events
    instance.report_runless_asset_event(evaluation)
    shown = instance.event_log_storage.get_asset_check_execution_history(FRESHNESS_CHECK, limit=1)
    assert not shown[0].event.dagster_event.event_specific_data.passed


@pytest.mark.parametrize("nights", [0, 1])
def test_the_check_can_be_executed_by_hand(settings, instance, job, nights: int) -> None:
    for _ in range(nights):
        run_night(instance, job)

    @dg.asset(key=list(FRESHNESS_CHECK.asset_key.path))
    def nightly_summary() -> None:
        pass

    result = dg.materialize(
        [nightly_summary, freshness_check(settings)], instance=instance, raise_on_error=False
    )
    (evaluation,) = result.get_asset_check_evaluations()
    assert evaluation.passed == (nights == 1)
    assert evaluation.description.startswith("Fresh" if nights else "Late")
