"""Owners as Slack knows them: who is called by a message, and who is only named in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from nightly_pipeline.model.judgement import Incident, Verdict
from nightly_pipeline.model.mrkdwn import escape_mrkdwn
from nightly_pipeline.model.untrusted import short_line

_LONGEST_NAME = 80
_OWNERS_NAMED = 5


def is_first_time(incident: Incident) -> bool:
    """Whether its owners are called: nobody is for what recurs, comes and goes, or is not the image's doing."""
    unheard_of = incident.verdict is Verdict.UNKNOWN and incident.nights <= 1
    return incident.verdict is Verdict.NEW or unheard_of


def owners_text(owners: Iterable[str], mentions: Mapping[str, str], *, call: bool) -> str:
    """The owners in mrkdwn, by their mention where they are called and are known to Slack, else by name; or nothing.

    >>> owners_text(["@org/kv-cache", "alice"], {"org/kv-cache": "S0123"}, call=True)
    'owners: <!subteam^S0123>, alice'
    """
    known = {_plain(name): slack_id for name, slack_id in mentions.items()}
    named = list(dict.fromkeys(owners))
    shown = [_owner(owner, known if call else {}) for owner in named[:_OWNERS_NAMED]]
    left_out = len(named) - len(shown)
    if not shown:
        return ""
    more = f" and {left_out} more" if left_out else ""
    return f"owner{'s' if len(named) > 1 else ''}: {', '.join(shown)}{more}"


def _owner(owner: str, known: Mapping[str, str]) -> str:
    slack_id = known.get(_plain(owner))
    if slack_id is None:
        return escape_mrkdwn(short_line(owner, _LONGEST_NAME))
    return f"<!subteam^{slack_id}>" if slack_id.startswith("S") else f"<@{slack_id}>"


def _plain(name: str) -> str:
    """Owners' files write `@alice`, people write `alice`; GitHub minds neither that nor case."""
    return name.strip().removeprefix("@").casefold()
