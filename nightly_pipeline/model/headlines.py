"""What a person in charge must know first: a line each, most urgent first, nothing twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from nightly_pipeline.model.findings import (
    Findings,
    counts_text,
    failed_stages,
    incident_anchor,
    is_of_tests_alone,
    since_text,
    stage_counts,
    word_of,
)
from nightly_pipeline.model.history import TestIdentity
from nightly_pipeline.model.judgement import Incident, Verdict
from nightly_pipeline.model.quantities import plural
from nightly_pipeline.model.reading import Item
from nightly_pipeline.model.report import Report
from nightly_pipeline.model.told import Told, standing, told
from nightly_pipeline.model.untrusted import one_line, short_line

_LONGEST_DETAIL = 220
_CELLS_NAMED = 2
_LONGEST_NAME = 100
_WAITS = frozenset({Verdict.RECURRING, Verdict.FLAKY, Verdict.ENVIRONMENT, Verdict.QUARANTINED})
"""What was there before tonight, or is nobody's doing: it comes after what is new."""


@dataclass(frozen=True)
class Headline:
    """One line of what matters most: a word, what it is about, and how much of it. `anchor` leads to the whole."""

    word: str
    title: str
    detail: str
    anchor: str
    verdict: Verdict | None = None
    item: Item | None = None
    owners: tuple[str, ...] = ()


def headlines(report: Report, found: Findings) -> tuple[Headline, ...]:
    """Everything that a person in charge must know, most urgent first: what is new, then what was there before.

    Args:
        report: the night.
        found: its findings.
    """
    who = told(report)
    known = [(one.verdict in _WAITS, _of_incident(one)) for one in who.incidents]
    lines = [*known, *_of_steps(who), *_of_stages(report, found, who)]
    return tuple(one for _, one in sorted(lines, key=lambda pair: pair[0]))


def alike_steps(steps: Iterable[Item]) -> list[list[Item]]:
    """Steps that broke in the same way, together."""
    alike: dict[tuple[str, str], list[Item]] = {}
    for item in steps:
        alike.setdefault((item.word, item.outcome.message or item.label), []).append(item)
    return list(alike.values())


def where_text(incident: Incident) -> str:
    """The one test and its stage, or how many tests in which cells. Node ids are untrusted text."""
    if len(incident.tests) == 1:
        return f"{short_name(incident.tests[0])} in {_stage_of(incident.tests[0])}"
    cells = ["/".join(cell) for cell in incident.cells]
    named = ", ".join(cells) if len(cells) <= _CELLS_NAMED else plural(len(cells), "cell")
    return f"{plural(len(incident.tests), 'test')} in {named}"


def short_name(test: TestIdentity) -> str:
    """The test's own name without its file."""
    path, separator, name = test.node_id.partition("::")
    return short_line(name if separator and name.strip() else path, _LONGEST_NAME)


def _stage_of(test: TestIdentity) -> str:
    return one_line(f"{test.framework}/{test.arch}/{test.stage}")


def _of_incident(one: Incident) -> Headline:
    compared = one.verdict is not Verdict.UNKNOWN or one.nights > 1
    since = since_text(one.since, one.nights) if compared else ""
    return Headline(
        word=word_of(one.verdict),
        title=one.title,
        detail=", ".join(part for part in (where_text(one), since) if part),
        anchor=incident_anchor(one),
        verdict=one.verdict,
        owners=one.owners,
    )


def _of_steps(who: Told) -> list[tuple[bool, Headline]]:
    """Steps that broke in the same way are one line: it names the first of them."""
    broken = [item for item in who.steps if not is_of_tests_alone(item)]
    return [_of_step(own, who.by_step) for own in alike_steps(broken)]


def _of_step(own: Sequence[Item], by_step: Mapping[str, Incident]) -> tuple[bool, Headline]:
    item, others = own[0], len(own) - 1
    known = by_step.get(item.label)
    why = short_line(item.outcome.message or "", _LONGEST_DETAIL) or (
        plural(len(item.failures), "failing test") if item.failures else ""
    )
    line = Headline(
        word=item.word,
        title=f"{item.label} and {plural(others, 'other step')}" if others else item.label,
        detail=" · ".join(part for part in (why, standing(known)) if part),
        anchor=item.anchor,
        item=item,
        owners=known.owners if known else (),
    )
    return known is not None and known.verdict is Verdict.RECURRING, line


def _of_stages(report: Report, found: Findings, who: Told) -> list[tuple[bool, Headline]]:
    """Stages with bad tests that no incident holds; True for those where nothing is new."""
    held = {test for one in who.incidents for test in one.tests}
    by_stage = stage_counts(found, without=held)
    judged = report.judgement is not None
    return [
        (
            _WAITS.issuperset(by_stage[item.label]),
            Headline(
                word=item.word,
                title=item.label,
                detail=counts_text(by_stage[item.label], judged=judged),
                anchor=item.anchor,
                item=item,
            ),
        )
        for item in failed_stages(report)
        if item.label in by_stage
    ]
