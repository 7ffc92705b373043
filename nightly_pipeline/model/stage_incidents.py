"""Stages that ended badly and name no test: runner gone, process dead, nothing collected. Each cause is an incident."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from nightly_pipeline.model.history import EntryRow
from nightly_pipeline.model.incidents import incident_id
from nightly_pipeline.model.judgement import Incident, Verdict
from nightly_pipeline.model.outcomes import GOOD_STAGE, StageOutcome, StageStatus
from nightly_pipeline.model.signature import common_title, signature_of

_SAYS_NOTHING_OF_ITS_OWN = frozenset({StageStatus.BLOCKED, StageStatus.CANCELLED, StageStatus.NOT_RUN})
Place = tuple[str, str | None, str]


def stage_incidents(
    stages: Iterable[StageOutcome], entries: Iterable[EntryRow], *, tonight: str
) -> tuple[Incident, ...]:
    """One incident for each error that stages without a failed test ended with, the largest first.

    Args:
        stages: tonight's.
        entries: rows of the nights before, for how long it has been so.
        tonight: the night that is judged.
    """
    by_error: dict[str, list[StageOutcome]] = defaultdict(list)
    for stage in stages:
        told = stage.failures or stage.status in GOOD_STAGE | _SAYS_NOTHING_OF_ITS_OWN
        if not told and stage.message:
            by_error[_signature(stage)].append(stage)
    past = _by_place(entries, tonight)
    found = [_incident(signature, own, past, tonight) for signature, own in by_error.items()]
    return tuple(sorted(found, key=lambda one: (-len(one.cells), one.id)))


def stage_incident_id(stage: StageOutcome) -> str:
    """The id of the incident that tells of a stage which ended badly and names no test."""
    return incident_id("stage", _signature(stage))


def _signature(stage: StageOutcome) -> str:
    return signature_of(f"{stage.status.value}: {stage.message}")


def _by_place(entries: Iterable[EntryRow], tonight: str) -> Mapping[Place, list[EntryRow]]:
    found: dict[Place, list[EntryRow]] = defaultdict(list)
    for entry in sorted(entries, key=lambda one: one.date):
        if entry.date < tonight and entry.seen:
            found[entry.framework, entry.arch, entry.name].append(entry)
    return found


def _incident(
    signature: str, stages: Sequence[StageOutcome], past: Mapping[Place, Sequence[EntryRow]], tonight: str
) -> Incident:
    rows = [_row(stage, past.get((stage.framework, stage.arch, stage.stage), ())) for stage in stages]
    longest = max(rows, key=len)
    known = any(past.get((stage.framework, stage.arch, stage.stage)) for stage in stages)
    first = longest[0] if longest else None
    return Incident(
        id=incident_id("stage", signature),
        title=common_title(_told(stages[0]), map(_told, stages)),
        verdict=_verdict(stages[0].status, known=known, before=bool(longest)),
        tests=(),
        cells=tuple(sorted({(stage.framework, stage.arch) for stage in stages})),
        since=first.date if first else tonight,
        nights=len(longest) + 1,
        message=stages[0].message or "",
        first_bad_revision=first.source_revision if first else None,
    )


def _told(stage: StageOutcome) -> str:
    return f"{stage.stage} {stage.status.value}: {stage.message}"


def _row(stage: StageOutcome, past: Sequence[EntryRow]) -> list[EntryRow]:
    """The nights before, in a row, on which it ended the same way."""
    row: list[EntryRow] = []
    for entry in reversed(past):
        if entry.status != stage.status.value:
            break
        row.insert(0, entry)
    return row


def _verdict(status: StageStatus, *, known: bool, before: bool) -> Verdict:
    if status is StageStatus.INFRA_ERROR:
        return Verdict.ENVIRONMENT
    if before:
        return Verdict.RECURRING
    return Verdict.NEW if known else Verdict.UNKNOWN
