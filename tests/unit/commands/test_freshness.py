"""`nightly doctor --freshness`, as a cron calls it."""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner, Result

from nightly_pipeline.cli import main
from nightly_pipeline.commands.freshness import span
from tests.clock import today
from tests.fakes.slack_server import TOKEN


@pytest.fixture
def doctor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The verb, with a profile that went live so many days ago; what it changes of the process is put back."""
    monkeypatch.chdir(Path.cwd())
    for name in ("NIGHTLY_HOME", "NIGHTLY_PROFILE", "DAGSTER_HOME"):
        monkeypatch.setenv(name, os.environ.get(name, ""))

    def call(*arguments: str, live_for: int = 30, **environment: str) -> Result:
        profile = tmp_path / "own.yaml"
        live = today() - timedelta(days=live_for)
        profile.write_text(yaml.safe_dump({"extends": "local", "go_live": live.isoformat()}))
        own = {"NIGHTLY_HOME": str(tmp_path / "home"), "NIGHTLY_PROFILE": str(profile), **environment}
        return CliRunner().invoke(main, ["doctor", *arguments], env=own, prog_name="nightly")

    return call


def test_late_nights_are_exit_code_three(doctor) -> None:
    answer = doctor("--freshness")
    assert answer.exit_code == 3, answer.output
    assert answer.stdout.startswith("Late: no night has finished since go-live")


def test_before_go_live_nothing_is_late(doctor) -> None:
    answer = doctor("--freshness", live_for=-3)
    assert answer.exit_code == 0, answer.output
    assert answer.stdout.startswith("No night has finished yet; the first has to by ")


def test_the_age_can_be_given(doctor) -> None:
    assert doctor("--freshness", "--max-age", "90d").exit_code == 0
    refused = doctor("--freshness", "--max-age", "soon")
    assert refused.exit_code == 2
    assert "write 90m, 26h or 2d" in refused.stderr


def test_json_says_state_deadline_and_the_same_sentence(doctor) -> None:
    answer = doctor("--freshness", "--format", "json")
    document = json.loads(answer.stdout)
    assert document["state"] == "late"
    assert document["last"] is None
    assert document["unfinished"] == []
    assert document["max_age_s"] == 26 * 3600
    assert datetime.fromisoformat(document["deadline"]).date() == today() - timedelta(days=29)
    assert document["sentence"].startswith("Late:")


def test_the_team_is_told_once_where_that_is_asked_for(doctor, slack) -> None:
    channel = {
        "SLACK_BOT_TOKEN": TOKEN,
        "NIGHTLY_SLACK_CHANNEL": "nightly",
        "NIGHTLY_SLACK_BASE_URL": slack.base_url,
    }
    assert doctor("--freshness", **channel).exit_code == 3
    assert slack.messages == {}
    assert doctor("--freshness", "--tell", **channel).exit_code == 3
    assert doctor("--freshness", "--tell", **channel).exit_code == 3
    (message,) = slack.messages.values()
    assert message["text"].startswith("No night has finished in time.")


def test_slack_down_does_not_hide_the_lateness(doctor) -> None:
    nowhere = {
        "SLACK_BOT_TOKEN": TOKEN,
        "NIGHTLY_SLACK_CHANNEL": "nightly",
        "NIGHTLY_SLACK_BASE_URL": "http://127.0.0.1:1/",
    }
    answer = doctor("--freshness", "--tell", **nowhere)
    assert answer.exit_code == 3
    assert "could not be told" in answer.stderr
    assert TOKEN not in answer.output


@pytest.mark.parametrize("arguments", [("--max-age", "26h"), ("--tell",)])
def test_options_of_the_other_question_are_refused(doctor, arguments) -> None:
    answer = doctor(*arguments)
    assert answer.exit_code == 2
    assert "go with --freshness" in answer.stderr


@pytest.mark.parametrize(("text", "hours"), [("90m", 1.5), ("26h", 26), ("2d", 48), (" 1.5h ", 1.5)])
def test_spans(text: str, hours: float) -> None:
    assert span(text) == timedelta(hours=hours)


@pytest.mark.parametrize("text", ["", "26", "h", "-1h", "0h", "26 hours", "1e9h"])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        span(text)
