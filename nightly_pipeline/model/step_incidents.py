"""Steps that ended badly and name no test: a build that failed, a runner that is gone, nothing collected.

Each cause is an incident. A multi-arch index has none: it is of no cell, and fails for what its images lack.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from nightly_pipeline.model.history import EntryRow
from nightly_pipeline.model.incidents import incident_id
from nightly_pipeline.model.judgement import Incident, Verdict
from nightly_pipeline.model.reading import Item, Tone, items
from nightly_pipeline.model.report import Report
from nightly_pipeline.model.signature import common_title, signature_of

_SAYS_NOTHING_OF_ITS_OWN = frozenset({"blocked", "cancelled", "not_run"})
Place = tuple[str, str | None, str]
OwnersOf = Callable[[Item], Iterable[str]]


def _nobody(_: Item) -> tuple[str, ...]:
    return ()


def step_incidents(
    report: Report, entries: Iterable[EntryRow], owners_of: OwnersOf = _nobody
) -> tuple[Incident, ...]:
    """One incident for each error that steps without a failed test ended with, the largest first.

    Args:
        report: the night that is judged.
        entries: rows of the nights before, for how long it has been so.
        owners_of: who is asked about a step.
    """
    by_error: dict[str, list[Item]] = defaultdict(list)
    for step in items(report):
        if _speaks_for_itself(step):
            by_error[step_incident_id(step)].append(step)
    past = _by_place(entries, report.date)
    found = [_incident(identity, own, past, report, owners_of) for identity, own in by_error.items()]
    return tuple(sorted(found, key=lambda one: (-len(one.cells), one.id)))


def step_incident_id(step: Item) -> str:
    """The id of the incident that tells of a step which ended badly and names no test."""
    return incident_id("step", signature_of(f"{step.word}: {step.outcome.message}"))


def _speaks_for_itself(step: Item) -> bool:
    if step.tone not in {Tone.BAD, Tone.UNKNOWN} or step.follows or step.failures:
        return False
    told = step.outcome.arch is not None and bool(step.outcome.message)
    return told and step.word not in _SAYS_NOTHING_OF_ITS_OWN


def _by_place(entries: Iterable[EntryRow], tonight: str) -> Mapping[Place, list[EntryRow]]:
    found: dict[Place, list[EntryRow]] = defaultdict(list)
    for entry in sorted(entries, key=lambda one: one.date):
        if entry.date < tonight and entry.seen:
            found[entry.framework, entry.arch, entry.name].append(entry)
    return found


def _incident(
    identity: str,
    steps: Sequence[Item],
    past: Mapping[Place, Sequence[EntryRow]],
    report: Report,
    owners_of: OwnersOf,
) -> Incident:
    before = [past.get((step.outcome.framework, step.outcome.arch, step.name), ()) for step in steps]
    rows = [_row(step, nights) for step, nights in zip(steps, before, strict=True)]
    longest, nights = max(zip(rows, before, strict=True), key=lambda one: (len(one[0]), len(one[1])))
    first, good = longest[0] if longest else None, _last_good(nights)
    return Incident(
        id=identity,
        title=common_title(_told(steps[0]), map(_told, steps)),
        verdict=_verdict(steps[0].word, known=any(before), before=bool(longest)),
        tests=(),
        cells=tuple(sorted({(step.outcome.framework, step.outcome.arch or "") for step in steps})),
        since=first.date if first else report.date,
        nights=len(longest) + 1,
        message=steps[0].outcome.message or "",
        last_good=good.date if good else None,
        last_good_revision=good.source_revision if good else None,
        first_bad_revision=first.source_revision if first else report.source_revision,
        owners=tuple(dict.fromkeys(name for step in steps for name in owners_of(step))),
    )


def _told(step: Item) -> str:
    return f"{step.name} {step.word}: {step.outcome.message}"


def _row(step: Item, past: Sequence[EntryRow]) -> list[EntryRow]:
    """The nights before, in a row, on which it ended the same way."""
    row: list[EntryRow] = []
    for entry in reversed(past):
        if entry.status != step.word:
            break
        row.insert(0, entry)
    return row


def _last_good(past: Sequence[EntryRow]) -> EntryRow | None:
    return next((entry for entry in reversed(past) if entry.good), None)


def _verdict(status: str, *, known: bool, before: bool) -> Verdict:
    if status == "infra_error":
        return Verdict.ENVIRONMENT
    if before:
        return Verdict.RECURRING
    return Verdict.NEW if known else Verdict.UNKNOWN
