"""A night's judgement as counts and as a table in markdown."""

from __future__ import annotations

from collections import Counter

from nightly_pipeline.model.incident_words import phrase
from nightly_pipeline.model.judgement import Incident, Judgement
from nightly_pipeline.model.markdown import code_span, escape_cell
from nightly_pipeline.model.verdicts import VERDICT_ORDER

MOST_SHOWN = 50


def verdict_counts(judgement: Judgement) -> dict[str, int]:
    """Verdict -> how many tests have it tonight; all verdicts are there, so that each plots."""
    counted = Counter(one.verdict for one in judgement.verdicts)
    return {verdict.value: counted[verdict] for verdict in VERDICT_ORDER}


def incident_table(judgement: Judgement, tonight: str) -> str:
    """The incidents, what is new first: a table in markdown. All text of theirs is escaped."""
    shown = judgement.incidents[:MOST_SHOWN]
    lines = ["| Incident | Verdict | What | How much, since when | Owners |", "|---|---|---|---|---|"]
    lines += [_row(incident, tonight) for incident in shown]
    if len(judgement.incidents) > len(shown):
        lines.append(f"\n{len(judgement.incidents) - len(shown)} more")
    return "\n".join(lines)


def _row(incident: Incident, tonight: str) -> str:
    cells = (
        code_span(incident.id),
        incident.verdict.value,
        escape_cell(incident.title),
        phrase(incident, tonight),
        escape_cell(", ".join(incident.owners)),
    )
    return f"| {' | '.join(cells)} |"
