"""The runs on record, newest first as the caller gives them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC
from typing import Self

from rich.console import RenderableType
from rich.text import Text

from nightly_pipeline.model.outcomes import NightStatus
from nightly_pipeline.model.quantities import NOTHING, duration_text
from nightly_pipeline.model.reading import NIGHT_TONES, Tone, items
from nightly_pipeline.model.report import Report, RunFacts, RunState
from nightly_pipeline.model.tags import short_run_id
from nightly_pipeline.terminal.words import column_table, keep_whole, marked, plain_text


@dataclass(frozen=True)
class StatusRow:
    """One run: what the orchestrator knows, its verdict, and how many of its steps ended how.

    `status` is None when no verdict is to be had (nothing of the run is on record).
    """

    facts: RunFacts
    status: NightStatus | None
    good: int = 0
    bad: int = 0
    unknown: int = 0
    pending: int = 0

    @classmethod
    def of(cls, report: Report) -> Self:
        """The row of a report of exactly one run."""
        tones = Counter(item.tone for item in items(report))
        return cls(
            facts=report.runs[-1],
            status=report.status,
            good=tones[Tone.GOOD],
            bad=tones[Tone.BAD],
            unknown=tones[Tone.UNKNOWN],
            pending=tones[Tone.PENDING],
        )


def status_table(rows: Iterable[StatusRow]) -> RenderableType:
    """One row a run: night, verdict, how many of its steps are good, start, duration, partial or a re-run."""
    table = column_table("Night", "Run", "Verdict", "Good", "Started UTC", "Took", "Note")
    keep_whole(table, 0, 1, 2, 3, 4, 5)
    for row in rows:
        facts = row.facts
        table.add_row(
            plain_text(facts.date),
            plain_text(short_run_id(facts.run_id)),
            _verdict(row),
            f"{row.good} of {row.good + row.bad + row.unknown + row.pending}",
            f"{facts.started_at.astimezone(UTC):%m-%d %H:%M}" if facts.started_at else NOTHING,
            _took(facts),
            plain_text(_note(facts)),
        )
    return table if table.row_count else Text("No run is on record. Start one: nightly run")


def _verdict(row: StatusRow) -> Text:
    if row.facts.state is RunState.RUNNING and row.status is not NightStatus.RED:
        return marked(Tone.PENDING, "running")
    if row.status is None:
        return marked(Tone.UNKNOWN, "unknown")
    return marked(NIGHT_TONES[row.status], row.status.value)


def _took(facts: RunFacts) -> str:
    if facts.started_at is None or facts.ended_at is None:
        return NOTHING
    return duration_text((facts.ended_at - facts.started_at).total_seconds())


def _note(facts: RunFacts) -> str:
    notes = [facts.state.value] if facts.state in {RunState.CANCELLED, RunState.RUNNING} else []
    if facts.partial:
        notes.append("partial")
    if facts.rerun_of:
        notes.append(f"re-run of {short_run_id(facts.rerun_of)}")
    return ", ".join(notes)
