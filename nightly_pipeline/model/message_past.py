"""What else the past says in the team's message: what left its usual range, and how many commits are new."""

from __future__ import annotations

from nightly_pipeline.model.judgement import Drift, Judgement
from nightly_pipeline.model.message_blocks import code
from nightly_pipeline.model.mrkdwn import escape_mrkdwn
from nightly_pipeline.model.quantities import bytes_text, duration_text, plural
from nightly_pipeline.model.untrusted import short_line

_NAMED = 3
_WORDS = {
    "stage": "stage",
    "test": "test",
    "build": "build",
    "build_step": "build step",
    "image_size": "image",
}


def drifts_line(judgement: Judgement | None) -> str:
    """What is slower, faster, larger or smaller than usual; empty where nothing is, or nothing is known.

    The night as a whole is left out: its duration stands beside the usual one already.
    """
    drifts = [drift for drift in (judgement.drifts if judgement else ()) if drift.what in _WORDS]
    named = sorted(drifts, key=_weight, reverse=True)[:_NAMED]
    left_out = len(drifts) - len(named)
    more = f" and {left_out} more" if left_out else ""
    return f"Out of the usual range: {'; '.join(map(_drift, named))}{more}" if named else ""


def commits_text(judgement: Judgement | None) -> str:
    """`12 commits since 2026-11-19`; empty where there is no night to compare with, or none is known."""
    if judgement is None or not judgement.commits or not judgement.compared_with:
        return ""
    return f"{plural(len(judgement.commits), 'commit')} since {_plain(judgement.compared_with)}"


def quarantine_line(judgement: Judgement | None) -> str:
    """What somebody has to do about the quarantine; empty where nothing is to be done.

    Expired entries come first: their failures count again.
    """
    notes = judgement.quarantine if judgement else ()
    parts = []
    for state, words in (
        ("expired", "expired"),
        ("ready_to_leave", "may leave"),
        ("unmatched", "means no test"),
    ):
        found = [note for note in notes if note.state == state]
        if found:
            named = ", ".join(code(note.test, limit=100) for note in found[:_NAMED])
            left_out = len(found) - _NAMED
            parts.append(f"{words}: {named}{f' and {left_out} more' if left_out > 0 else ''}")
    return f"Quarantine, {'; '.join(parts)}" if parts else ""


def _drift(drift: Drift) -> str:
    where = "/".join(part for part in (drift.framework, drift.arch, drift.stage) if part)
    name = f" {code(drift.name, limit=80)}" if drift.name else ""
    value, usual = _quantity(drift.value, drift.unit), _quantity(drift.usual, drift.unit)
    return f"{_WORDS[drift.what]} {_plain(where)}{name} {'crept to ' if drift.slow else ''}{value}, as a rule {usual}"


def _quantity(value: float, unit: str) -> str:
    return bytes_text(round(value)) if unit == "bytes" else duration_text(value)


def _weight(drift: Drift) -> float:
    """How far it went, in proportion to what is usual, up or down."""
    small, large = sorted((abs(drift.value), abs(drift.usual)))
    return large / small if small > 0 else float("inf")


def _plain(text: str) -> str:
    return escape_mrkdwn(short_line(text, 120))
