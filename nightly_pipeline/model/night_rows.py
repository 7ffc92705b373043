"""A report as the rows that are remembered of it: one for the night, one for each image, publication and stage."""

from __future__ import annotations

from typing import Any

from nightly_pipeline.model.history import EntryRow, NightRow
from nightly_pipeline.model.outcomes import ImageOutcome, StageOutcome
from nightly_pipeline.model.reading import Item, items
from nightly_pipeline.model.report import Report
from nightly_pipeline.model.verdict import is_good


def night_row_of(report: Report) -> NightRow:
    """The night as a whole."""
    return NightRow(
        date=report.date,
        run_id=report.run_id,
        status=report.status.value,
        engine_kind=report.engine,
        profile=report.profile,
        partial=report.partial,
        source_revision=report.source_revision,
        started_at=report.started_at,
        ended_at=report.ended_at,
    )


def entry_rows_of(report: Report) -> list[EntryRow]:
    """One row for each image, publication and stage, in the order in which people read them.

    What only a build's metrics know (pushed bytes, cache hits) stays open.
    """
    return [_row(item, report) for item in items(report)]


def _row(item: Item, report: Report) -> EntryRow:
    outcome = item.outcome
    return EntryRow(
        date=report.date,
        run_id=outcome.run_id,
        framework=outcome.framework,
        arch=outcome.arch,
        name=item.name,
        status=item.word,
        good=is_good(outcome.status),
        runner=item.runner,
        duration_s=outcome.duration_s,
        started_at=outcome.started_at,
        source_revision=report.source_revision,
        engine_kind=report.engine,
        **_own(item),
    )


def _own(item: Item) -> dict[str, Any]:
    outcome = item.outcome
    if isinstance(outcome, StageOutcome):
        return {"digest": outcome.image_digest, **outcome.counts.model_dump()}
    if isinstance(outcome, ImageOutcome):
        return {"digest": outcome.digest, "size_bytes": outcome.size_bytes}
    return {"digest": outcome.digest}
