"""The prerequisites of a night, each with its state and how to mend it."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import RenderableType
from rich.text import Text

from nightly_pipeline.model.reading import Tone
from nightly_pipeline.steps.doctor import Finding, Readiness
from nightly_pipeline.terminal.words import column_table, keep_whole, marked, plain_text

_TONES = {Readiness.OK: Tone.GOOD, Readiness.WARNING: Tone.UNKNOWN, Readiness.MISSING: Tone.BAD}


def doctor_table(findings: Iterable[Finding]) -> RenderableType:
    """One row a prerequisite: what it is, ok, warning or missing, what was seen, how to mend it."""
    table = column_table("Prerequisite", "Status", "What was found")
    keep_whole(table, 1)
    for finding in findings:
        status = marked(_TONES[finding.status], finding.status.value)
        table.add_row(plain_text(finding.name), status, _found(finding))
    return table


def _found(finding: Finding) -> Text:
    text = plain_text(finding.detail)
    if finding.remedy:
        text.append("\nto mend it: ", style="bold").append_text(plain_text(finding.remedy))
    return text
