"""What the nights before say of a report, in the terminal: tests by verdict, then incidents, the newest last."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from nightly_pipeline.model.change_lines import drift_line, image_lines
from nightly_pipeline.model.findings import (
    LETTERS,
    MEANINGS,
    Finding,
    findings,
    incident_line,
    incidents,
    since_text,
    word_of,
)
from nightly_pipeline.model.judgement import Incident, Judgement, Verdict
from nightly_pipeline.model.quantities import plural
from nightly_pipeline.model.reading import Tone
from nightly_pipeline.model.report import Report
from nightly_pipeline.model.strips import LEGEND, strip_text
from nightly_pipeline.model.untrusted import first_line, short_line
from nightly_pipeline.terminal.words import STYLES, plain_text

_TESTS_SHOWN, _STRIP, _LINES_SHOWN, _AUTHORS_SHOWN = 10, 14, 10, 5
_STYLES = {
    Verdict.NEW: STYLES[Tone.BAD],
    Verdict.UNKNOWN: STYLES[Tone.UNKNOWN],
    Verdict.RECURRING: "red",
    Verdict.FLAKY: STYLES[Tone.UNKNOWN],
    Verdict.ENVIRONMENT: STYLES[Tone.PENDING],
    Verdict.FIXED: STYLES[Tone.GOOD],
    Verdict.QUARANTINED: "",
}


def past_of(report: Report) -> Iterator[RenderableType]:
    """Nothing where the past was not asked. What matters most stands last, where the eye is."""
    if report.judgement is None:
        return
    yield from _changes(report.judgement)
    groups = findings(report)
    for verdict in reversed(groups):
        yield from _verdict(verdict, groups[verdict])
    if any(one.story and one.story.strip for found in groups.values() for one in found):
        yield Text(f"\nNights, tonight last: {LEGEND}", style="italic")
    for one in reversed(incidents(report)):
        if one.tests:  # the others are steps, told as problems
            yield from _incident(one)


def _changes(judgement: Judgement) -> Iterator[RenderableType]:
    """What may be the cause; the page has all of it."""
    commits = (
        [f"{plural(len(judgement.commits), 'commit')}: {_authors(judgement)}"] if judgement.commits else []
    )
    if lines := [*commits, *image_lines(judgement)]:
        yield from _listed(f"Changed since {judgement.compared_with}", lines)
    if judgement.drifts:
        yield from _listed("Out of the usual range", [drift_line(one) for one in judgement.drifts])
    if notes := [one for one in judgement.quarantine if one.state != "active"]:
        yield from _listed(
            "Quarantine: something is to be done",
            [f"{one.state.replace('_', ' ')}: {one.test}" for one in notes],
        )


def _authors(judgement: Judgement) -> str:
    names = list(dict.fromkeys(one.author for one in judgement.commits))
    more = len(names) - _AUTHORS_SHOWN
    return ", ".join([*names[:_AUTHORS_SHOWN], *([f"{more} more"] if more > 0 else [])])


def _listed(title: str, lines: Sequence[str]) -> Iterator[RenderableType]:
    yield Text()
    yield Text(title, style="bold")
    for line in lines[:_LINES_SHOWN]:
        yield _indented(plain_text(short_line(line, 300)))
    if len(lines) > _LINES_SHOWN:
        yield _indented(Text(f"{len(lines) - _LINES_SHOWN} more: see the page", style="italic"))


def _verdict(verdict: Verdict, found: Sequence[Finding]) -> Iterator[RenderableType]:
    yield Text()
    yield Text(
        f"{LETTERS[verdict]} {word_of(verdict)}, {plural(len(found), 'test')}", style=_STYLES[verdict]
    ).append(f": {MEANINGS[verdict]}", style="default")
    for one in found[:_TESTS_SHOWN]:
        yield from _test(one)
    if len(found) > _TESTS_SHOWN:
        yield _indented(
            Text(f"{plural(len(found) - _TESTS_SHOWN, 'more test')}: see the page", style="italic")
        )


def _test(one: Finding) -> Iterator[RenderableType]:
    yield _indented(plain_text(short_line(one.test.node_id, 300), style="bold"))
    said = [one.where]
    if one.story:
        said += [strip_text(one.story.strip[-_STRIP:])] if one.story.strip else []
        compared = one.verdict is not Verdict.UNKNOWN or one.story.nights > 1
        said += (
            [_since(one.verdict, one.story.since, one.story.nights)] if one.story.since and compared else []
        )
        said += [", ".join(one.story.owners)] if one.story.owners else []
    yield _indented(plain_text(short_line(" ".join(said), 300)), by=4)
    if one.message.strip():
        yield _indented(plain_text(short_line(first_line(one.message), 300)), by=4)


def _since(verdict: Verdict, since: str | None, nights: int) -> str:
    return f"was bad since {since}" if verdict is Verdict.FIXED else since_text(since, nights)


def _incident(one: Incident) -> Iterator[RenderableType]:
    yield Text()
    yield Text(
        f"{LETTERS[one.verdict]} incident, {word_of(one.verdict)}", style=_STYLES[one.verdict]
    ).append_text(plain_text(f"  {short_line(one.title, 300)}", style="bold"))
    named = (
        incident_line(one),
        f"cells: {', '.join('/'.join(cell) for cell in one.cells)}",
        f"owner: {', '.join(one.owners)}" if one.owners else "",
        f"last good {one.last_good}" if one.last_good else "",
        f"commits since then by {', '.join(one.suspects)}" if one.suspects else "",
    )
    for text in filter(None, named):
        yield _indented(plain_text(short_line(text, 400)))


def _indented(text: Text, by: int = 2) -> Padding:
    return Padding(text, (0, 0, 0, by))
