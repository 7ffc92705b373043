"""Who tells the team, opened from the settings."""

from __future__ import annotations

from datetime import date, timedelta

from nightly_pipeline.errors import NightlyError
from nightly_pipeline.model.report import Report
from nightly_pipeline.model.usual import usual_duration_s
from nightly_pipeline.settings import Settings
from nightly_pipeline.steps.announce import Announcer
from nightly_pipeline.steps.ports import Notifier
from nightly_pipeline.stores import open_history
from nightly_pipeline.tools.artifacts import LocalArtifactStore
from nightly_pipeline.tools.slack import NullNotifier, SlackNotifier, WebhookNotifier
from nightly_pipeline.tools.slack_transport import PATIENT, Patience
from nightly_pipeline.tools.turns import FileTurns

_LOOKS_BACK = timedelta(days=60)


def open_notifier(settings: Settings, patience: Patience = PATIENT) -> Notifier:
    """Who delivers messages: Slack by token, Slack by webhook, or nobody."""
    slack = settings.slack
    if slack.token is not None and slack.channel is not None:
        return SlackNotifier(
            slack.token.get_secret_value(),
            slack.channel,
            base_url=slack.base_url,
            state=slack_store(settings),
            patience=patience,
        )
    if slack.webhook is not None:
        return WebhookNotifier(slack.webhook.get_secret_value(), patience=patience)
    return NullNotifier()


def slack_store(settings: Settings) -> LocalArtifactStore:
    """Where it is kept what was said to whom."""
    return LocalArtifactStore(settings.home / "slack")


def open_turns(settings: Settings) -> FileTurns:
    """Lets one process at a time tell the team of something."""
    return FileTurns(settings.home / "slack" / ".turns")


def open_announcer(settings: Settings, patience: Patience = PATIENT) -> Announcer:
    """Tells the team of nights."""
    return Announcer(
        notifier=open_notifier(settings, patience),
        store=slack_store(settings),
        turns=open_turns(settings),
        every=timedelta(seconds=settings.slack.update_every_s),
        mentions=settings.slack.mentions,
    )


def usual_of(settings: Settings, report: Report) -> float | None:
    """How long such a night takes as a rule; None where that is not known or cannot be read."""
    since = (date.fromisoformat(report.date) - _LOOKS_BACK).isoformat()
    try:
        return usual_duration_s(report, open_history(settings).nights(since=since, until=report.date))
    except NightlyError:
        return None
