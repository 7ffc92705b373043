"""Incidents as the page shows them: what it is, how far it reaches, since when, and who is asked."""

from __future__ import annotations

from dataclasses import dataclass

from nightly_pipeline.model.findings import LETTERS, incident_anchor, incident_line, incidents, word_of
from nightly_pipeline.model.history import TestIdentity
from nightly_pipeline.model.judgement import Incident, Verdict
from nightly_pipeline.model.report import Report
from nightly_pipeline.model.untrusted import excerpt, short_line

_TESTS_LISTED = 2_000
_LONGEST_TITLE, _LONGEST_TEST, _LONG_MESSAGE = 300, 1_000, 8_000


@dataclass(frozen=True)
class IncidentShown:
    """One incident. `tests` is text, one a line: there may be thousands; `only` is the one where it is alone."""

    anchor: str
    id: str
    verdict: Verdict
    word: str
    letter: str
    title: str
    only: str
    reach: str
    cells: tuple[str, ...]
    owners: str
    suspects: tuple[str, ...]
    last_good: str
    first_bad: str
    message: str
    tests: str
    count: int


def shown_incidents(report: Report) -> tuple[IncidentShown, ...]:
    """Those of tests, new ones first. The others are of steps, which have entries of their own."""
    return tuple(_shown(one) for one in incidents(report) if one.tests)


def _shown(one: Incident) -> IncidentShown:
    return IncidentShown(
        anchor=incident_anchor(one),
        id=one.id,
        verdict=one.verdict,
        word=word_of(one.verdict),
        letter=LETTERS[one.verdict],
        title=short_line(one.title, _LONGEST_TITLE) or "an error without words",
        only=short_line(one.tests[0].node_id, _LONGEST_TEST) if len(one.tests) == 1 else "",
        reach=incident_line(one),
        cells=tuple("/".join(cell) for cell in one.cells),
        owners=short_line(", ".join(one.owners), 400),
        suspects=tuple(short_line(name, 200) for name in one.suspects),
        last_good=_night(one.last_good, one.last_good_revision),
        first_bad=_night(one.since, one.first_bad_revision),
        message=excerpt(one.message, lines=60, characters=_LONG_MESSAGE) if one.message != one.title else "",
        tests=_tests(one.tests),
        count=len(one.tests),
    )


def _tests(tests: tuple[TestIdentity, ...]) -> str:
    """A test that fails in several cells has one line, with its cells."""
    cells: dict[str, list[str]] = {}
    for one in tests:
        cells.setdefault(one.node_id, []).append(f"{one.framework}/{one.arch}/{one.stage}")
    lines = [
        f"{short_line(name, _LONGEST_TEST)}  {', '.join(where)}"
        for name, where in list(cells.items())[:_TESTS_LISTED]
    ]
    left_out = len(cells) - len(lines)
    return "\n".join([*lines, *([f"… {left_out:,} more"] if left_out > 0 else [])])


def _night(date: str | None, revision: str | None) -> str:
    return " at ".join(part for part in (date, revision[:12] if revision else None) if part)
