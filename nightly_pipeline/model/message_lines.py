"""Parts of lines that the team's message and its thread have in common."""

from __future__ import annotations

from nightly_pipeline.model.counts import counts_line
from nightly_pipeline.model.judgement import Verdict
from nightly_pipeline.model.mrkdwn import escape_mrkdwn
from nightly_pipeline.model.outcomes import StageOutcome, TestFailure
from nightly_pipeline.model.reading import Item
from nightly_pipeline.model.untrusted import one_line


def tests_text(item: Item) -> str:
    """What a stage's tests did, after a colon; empty where there is nothing to count."""
    stage = item.outcome
    counted = isinstance(stage, StageOutcome) and any(stage.counts.model_dump().values())
    return f": {counts_line(stage)}" if isinstance(stage, StageOutcome) and counted else ""


def verdict_text(failure: TestFailure) -> str:
    """What is known of a failing test over time; empty where nothing is."""
    if failure.verdict == Verdict.UNKNOWN:
        return " not compared"
    known = [word for word in (failure.verdict, failure.since and f"since {failure.since}") if word]
    return f" {escape_mrkdwn(one_line(', '.join(known)))}" if known else ""
