"""The alarm in Slack: no night finishes any more. One message for each time that happens."""

from __future__ import annotations

from nightly_pipeline.model.freshness import Freshness, freshness_sentence
from nightly_pipeline.model.message_blocks import Message, context, header, link, section
from nightly_pipeline.model.mrkdwn import escape_mrkdwn


def alarm_message(freshness: Freshness, address: str | None = None) -> Message:
    """What is missing since when, and where to look; the same function says that it is over.

    Args:
        freshness: late, or not any more.
        address: of the orchestrator's UI.
    """
    title = "No night has finished in time" if freshness.late else "Nights finish again"
    sentence = escape_mrkdwn(freshness_sentence(freshness))
    advice = (
        "Is the schedule `every_night` on, does the daemon run, does a night hang? "
        "`nightly doctor --freshness` says the same; `nightly run` starts a night by hand."
    )
    tail = [part for part in (link("Dagster", address),) if part.startswith("<")]
    lines = [advice, *tail] if freshness.late else tail
    blocks = [header(f"{'⏰' if freshness.late else '✅'} {title}"), section([sentence])]
    return f"{title}. {sentence}", [*blocks, *([context(lines)] if lines else [])]
