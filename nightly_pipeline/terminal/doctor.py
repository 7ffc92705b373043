"""The prerequisites of a night, each with its state and how to mend it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from rich.console import RenderableType
from rich.text import Text

from nightly_pipeline.model.reading import Tone
from nightly_pipeline.terminal.words import column_table, marked, plain_text

_TONES = {"ok": Tone.GOOD, "warning": Tone.UNKNOWN, "missing": Tone.BAD}


class Finding(Protocol):
    """One prerequisite. `status` is ok, missing or warning; `remedy` says how to mend it, None when nothing is to be."""

    @property
    def name(self) -> str: ...

    @property
    def status(self) -> str: ...

    @property
    def detail(self) -> str: ...

    @property
    def remedy(self) -> str | None: ...


def doctor_table(findings: Iterable[Finding]) -> RenderableType:
    """One row a prerequisite: what it is, ok, warning or missing, what was seen, how to mend it."""
    table = column_table("Prerequisite", "Status", "What was found")
    for finding in findings:
        table.add_row(plain_text(finding.name), marked(_TONES.get(finding.status, Tone.UNKNOWN), finding.status), _found(finding))
    return table


def _found(finding: Finding) -> Text:
    text = plain_text(finding.detail)
    if finding.remedy:
        text.append("\nmend: ", style="bold").append_text(plain_text(finding.remedy))
    return text
