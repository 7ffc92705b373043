"""Replies in a night's thread that say what happened to it afterwards: it was run again, or a problem went away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from nightly_pipeline.model.links import NO_LINKS, Links
from nightly_pipeline.model.message_blocks import Message, link, section
from nightly_pipeline.model.mrkdwn import escape_mrkdwn
from nightly_pipeline.model.quantities import instant_text, plural
from nightly_pipeline.model.report import Report, RunFacts, RunState
from nightly_pipeline.model.tags import short_run_id
from nightly_pipeline.model.untrusted import short_line

_ENDS = {
    RunState.SUCCEEDED: "ended",
    RunState.FAILED: "ended with failures",
    RunState.CANCELLED: "was cancelled",
}


def rerun_message(
    report: Report, run: RunFacts, verdicts: Mapping[str, str], links: Links = NO_LINKS
) -> Message:
    """The reply for a later run of a night: what it does, and what it changed in the verdict once it has ended.

    `verdicts` is the night's verdict by the run after whose end it stood, as far as it is known.
    """
    text = " ".join(_sentences(report, run, verdicts))
    linked = link("Dagster run", links.run(run.run_id))
    return text, [section([f"🔁 {text}", *([linked] if linked.startswith("<") else [])])]


def gone_message(title: str) -> Message:
    """What takes the place of a reply whose problem the night's newest results do not show any more."""
    text = f"No longer so in the night's newest results. It said: {escape_mrkdwn(short_line(title, 300))}"
    return text, [section([f"✓ {text}"])]


def _sentences(report: Report, run: RunFacts, verdicts: Mapping[str, str]) -> Iterator[str]:
    what = f"repeats {short_run_id(run.rerun_of)}" if run.rerun_of else "is another run of this night"
    part = ", a part of it" if run.partial else ""
    began = f", begun at {instant_text(run.started_at)}" if run.started_at else ""
    yield f"Run {short_run_id(run.run_id)} {what}{part}: {plural(len(run.planned), 'step')}{began}."
    if run.state is RunState.RUNNING:
        yield "The message above follows it."
        return
    ended = f" at {instant_text(run.ended_at)}" if run.ended_at else ""
    yield f"It {_ENDS[run.state]}{ended}{_change(report, run, verdicts)}."


def _change(report: Report, run: RunFacts, verdicts: Mapping[str, str]) -> str:
    after = verdicts.get(run.run_id)
    if after is None:
        return ""
    ids = [one.run_id for one in report.runs]
    before = verdicts.get(ids[ids.index(run.run_id) - 1])
    if before == after:
        return f"; the night stays {after}"
    return f"; the night is {after} now" + (f", it was {before} before" if before else "")
