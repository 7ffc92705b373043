"""The sensor that keeps the team's message up to date: over a real instance and a server that answers as Slack does."""

from __future__ import annotations

import os
import socket
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from nightly_pipeline.assets import following
from nightly_pipeline.assets.announcing import open_announcer
from nightly_pipeline.assets.automation import summary_job
from nightly_pipeline.assets.following import Follower, follower
from nightly_pipeline.assets.message_sensor import look, message_sensor
from nightly_pipeline.assets.naming import PROCESS_TAG
from nightly_pipeline.definitions import build_definitions
from nightly_pipeline.model.announcement import Announcement
from nightly_pipeline.settings import Settings, load_settings
from nightly_pipeline.steps.records import NightRecords
from nightly_pipeline.tools.artifacts import LocalArtifactStore
from nightly_pipeline.tools.slack_transport import Patience
from tests.clock import days_ago
from tests.factories import image
from tests.fakes.slack_server import TOKEN, Answer, FakeSlack

KEYS = [dg.AssetKey(["vllm", "amd64", name]) for name in ("framework_image", "runtime_image")]


@pytest.fixture
def settings(tmp_path: Path, slack: FakeSlack) -> Settings:
    environment = {
        "NIGHTLY_HOME": str(tmp_path / "home"),
        "NIGHTLY_SLACK_CHANNEL": "nightly",
        "NIGHTLY_SLACK_BASE_URL": slack.base_url,
        "SLACK_BOT_TOKEN": TOKEN,
    }
    return load_settings("local", environment=environment, root=tmp_path)


@pytest.fixture
def job(settings: Settings) -> dg.JobDefinition:
    return build_definitions(settings).resolve_job_def("nightly")


def begin(
    instance: dg.DagsterInstance,
    job: dg.JobDefinition,
    status=dg.DagsterRunStatus.STARTED,
    night: str | None = None,
    **tags: str,
) -> dg.DagsterRun:
    """A run of two images of a night, as far as Dagster's records go."""
    return instance.create_run_for_job(
        job_def=job,
        tags={"dagster/partition": night or days_ago(0), **tags},
        asset_selection=set(KEYS),
        status=status,
    )


def said(settings: Settings, **changes) -> Announcement:
    """What is on record of tonight's message, changed."""
    announcer = open_announcer(settings)
    known = announcer.said(days_ago(0))
    assert known is not None
    changed = known.model_copy(update=changes)
    announcer.keep(changed)
    return changed


def test_a_running_night_has_one_message_which_follows_it(settings, instance, job, slack) -> None:
    run = begin(instance, job)
    assert look(instance, settings).skip_message == f"{days_ago(0)}: told"
    (message,) = slack.messages.values()
    assert "running, partial run, 0 of 2 done" in message["text"]
    assert look(instance, settings).skip_message == f"{days_ago(0)}: nothing new"

    done = image("vllm", "amd64", "framework", date=days_ago(0), run_id=run.run_id)
    NightRecords(LocalArtifactStore(settings.artifacts_root)).write_outcome(done)
    said(settings, told_at=datetime.now(UTC) - timedelta(seconds=30))
    assert look(instance, settings).skip_message == f"{days_ago(0)}: told"
    (message,) = slack.messages.values()
    assert "1 of 2 done" in message["text"]


def test_what_has_not_begun_is_no_night_yet(settings, instance, job, slack) -> None:
    begin(instance, job, dg.DagsterRunStatus.NOT_STARTED)
    assert "no night is running" in look(instance, settings).skip_message
    assert slack.messages == {}


def test_slack_down_is_said_and_nothing_raises(settings, instance, job, slack) -> None:
    slack.will_answer("chat.postMessage", *[Answer.refusal("invalid_auth")] * 5)
    begin(instance, job)
    assert look(instance, settings).skip_message.endswith(
        "refused the message for night-" + days_ago(0) + ": invalid_auth"
    )
    assert open_announcer(settings).said(days_ago(0)).failures == 1


def test_a_night_left_without_its_last_form_gets_a_summary_once_a_try(settings, instance, job, slack) -> None:
    run = begin(instance, job)
    look(instance, settings)
    instance.report_run_failed(run, "its process is gone")
    assert isinstance(look(instance, settings), dg.SkipReason), "the run's own summary comes first"

    said(settings, told_at=datetime.now(UTC) - timedelta(minutes=11))
    (request,) = look(instance, settings).run_requests
    assert request.partition_key == days_ago(0)
    assert request.tags["nightly/summary_of"] == run.run_id
    (again,) = look(instance, settings).run_requests
    assert again.run_key == request.run_key, "Dagster starts a run once a key"

    begin(instance, build_summary(settings), dg.DagsterRunStatus.STARTED)
    assert isinstance(look(instance, settings), dg.SkipReason), "one is under way"


def build_summary(settings: Settings) -> dg.JobDefinition:
    return build_definitions(settings).resolve_job_def("nightly_summary_job")


def test_a_run_whose_command_was_killed_is_closed_and_not_followed_for_ever(
    settings, instance, job, slack
) -> None:
    host = os.uname().nodename
    begin(instance, job, **{PROCESS_TAG: f"{host}:1:0"})
    assert "no night is running" in look(instance, settings).skip_message
    (run,) = instance.get_runs()
    assert run.status is dg.DagsterRunStatus.FAILURE


def test_without_slack_the_sensor_skips_and_says_why(tmp_path: Path, instance) -> None:
    silent = load_settings("local", environment={"NIGHTLY_HOME": str(tmp_path)}, root=tmp_path)
    sensor = message_sensor(silent, summary_job())
    context = dg.build_sensor_context(instance=instance)
    assert "not configured" in sensor(context).skip_message
    with follower(instance, silent, days_ago(0)) as nobody:
        assert nobody is None


def test_the_command_follows_its_night_from_a_thread(settings, instance, job, slack, monkeypatch) -> None:
    monkeypatch.setattr(following, "_LAST_LOOK_S", 300.0)
    begin(instance, job)
    with Follower(instance, settings, days_ago(0), first_look_s=0.05):
        end = time.monotonic() + 300
        while not slack.messages:
            assert time.monotonic() < end
            time.sleep(0.05)
    (message,) = slack.messages.values()
    assert "running" in message["text"]


def test_a_thread_that_has_not_looked_yet_ends_at_once(settings, instance, slack, monkeypatch) -> None:
    monkeypatch.setattr(following, "_LAST_LOOK_S", 300.0)
    with Follower(instance, settings, days_ago(0), first_look_s=600) as follower:
        pass
    assert not follower._thread.is_alive()


def test_a_slack_that_never_answers_holds_the_command_up_for_seconds_only(
    tmp_path: Path, instance, monkeypatch
) -> None:
    monkeypatch.setattr(following, "_LAST_LOOK_S", 0.2)
    monkeypatch.setattr(following, "BRISK", Patience(retries=0, timeout_s=550))
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        environment = {
            "NIGHTLY_HOME": str(tmp_path / "home"),
            "NIGHTLY_SLACK_CHANNEL": "nightly",
            "NIGHTLY_SLACK_BASE_URL": f"http://127.0.0.1:{deaf.getsockname()[1]}/api/",
            "SLACK_BOT_TOKEN": TOKEN,
        }
        settings = load_settings("local", environment=environment, root=tmp_path)
        begin(instance, build_definitions(settings).resolve_job_def("nightly"))
        with ExitStack() as held:
            with Follower(instance, settings, days_ago(0), first_look_s=0.05) as follower:
                held.enter_context(deaf.accept()[0])
            assert follower._thread.is_alive(), "it still waits for its answer"
        follower._thread.join()
