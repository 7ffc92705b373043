"""What the nights before say of a report, as Markdown: incidents, tests by verdict, what changed, what drifted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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
from nightly_pipeline.model.markdown_text import code_block, code_span, escape_cell
from nightly_pipeline.model.quantities import plural
from nightly_pipeline.model.report import Report
from nightly_pipeline.model.strips import LEGEND, strip_text
from nightly_pipeline.model.untrusted import excerpt, first_line, short_line

_TESTS_OF_AN_INCIDENT, _TESTS_OF_A_VERDICT, _LINES = 5, 20, 10
_TEST_CHARACTERS, _MESSAGE_CHARACTERS = 300, 1_200
_ROOM_FOR_MORE = 120


def past_markdown(report: Report, budget: int) -> str:
    """Sections of what is known over time; empty where the past was not asked.

    Args:
        report: the night with its judgement.
        budget: characters at most. What does not fit is left out from the end, and a line says so.
    """
    if report.judgement is None:
        return ""
    parts = list(_parts(report, report.judgement))
    shown: list[str] = []
    left = budget - _ROOM_FOR_MORE
    for part in parts:
        if len(part) > left:
            break
        shown.append(part)
        left -= len(part)
    missing = len(parts) - len(shown)
    more = f"{plural(missing, 'more entry').replace('entrys', 'entries')} on the page.\n\n" if missing else ""
    text = "".join(shown) + more
    return text if len(text) <= max(budget, 0) else ""


def _parts(report: Report, judgement: Judgement) -> Iterator[str]:
    yield _compared(judgement)
    known = [one for one in incidents(report) if one.tests]  # the others are steps, told as problems
    if known:
        yield f"## Incidents ({len(known)})\n\n"
        yield from map(_incident, known)
    groups = findings(report)
    if groups:
        yield "## Tests over time\n\n"
    for verdict, found in groups.items():
        yield from _verdict(verdict, found)
    yield from _changes(judgement)


def _compared(judgement: Judgement) -> str:
    if judgement.compared_with is None:
        return "There is no earlier night with the same kind of engine to compare with.\n\n"
    known = plural(judgement.known_nights, "night")
    return f"Compared with {escape_cell(judgement.compared_with)} and {known} on record.\n\n"


def _incident(one: Incident) -> str:
    named = (
        ("cells", ", ".join("/".join(cell) for cell in one.cells)),
        ("owner", ", ".join(one.owners)),
        ("last good", _night(one.last_good, one.last_good_revision)),
        ("first bad", _night(one.since, one.first_bad_revision)),
        ("commits since then by", ", ".join(one.suspects)),
    )
    facts = [f"- {name}: {escape_cell(short_line(text, 400))}" for name, text in named if text]
    names = list(dict.fromkeys(test.node_id for test in one.tests))
    tests = [f"- {code_span(short_line(name, _TEST_CHARACTERS))}" for name in names[:_TESTS_OF_AN_INCIDENT]]
    more = len(names) - len(tests)
    tests += [f"- {plural(more, 'more test')}"] if more > 0 else []
    title = f"### {LETTERS[one.verdict]} {word_of(one.verdict)}: {escape_cell(short_line(one.title, 300))}"
    lines = [title, "", escape_cell(incident_line(one)), "", *facts, *tests, ""]
    block = (
        code_block(excerpt(one.message, lines=15, characters=_MESSAGE_CHARACTERS))
        if one.message.strip()
        else ""
    )
    return "\n".join(lines) + "\n" + (f"{block}\n" if block else "")


def _verdict(verdict: Verdict, found: Sequence[Finding]) -> Iterator[str]:
    yield f"### {LETTERS[verdict]} {word_of(verdict)} ({len(found):,}): {MEANINGS[verdict]}\n\n"
    yield "".join(_test(one) for one in found[:_TESTS_OF_A_VERDICT]) + (
        f"- {plural(len(found) - _TESTS_OF_A_VERDICT, 'more test')}\n\n"
        if len(found) > _TESTS_OF_A_VERDICT
        else "\n"
    )


def _test(one: Finding) -> str:
    story = one.story
    said = [escape_cell(one.where)]
    if story:
        since = (
            f"was bad since {story.since}"
            if one.verdict is Verdict.FIXED
            else since_text(story.since, story.nights)
        )
        compared = one.verdict is not Verdict.UNKNOWN or story.nights > 1
        said += [escape_cell(since)] if story.since and compared else []
        said += [escape_cell(story.incident)] if story.incident else []
        said += [f"`{strip_text(story.strip[-30:])}`"] if story.strip else []
    message = f": {code_span(short_line(first_line(one.message), 200))}" if one.message.strip() else ""
    return f"- {code_span(short_line(one.test.node_id, _TEST_CHARACTERS))} ({', '.join(said)}){message}\n"


def _changes(judgement: Judgement) -> Iterator[str]:
    if any(one.strip for one in judgement.verdicts):
        yield f"Nights of a strip, tonight last: {escape_cell(LEGEND)}.\n\n"
    if judgement.commits:
        listed = [
            f"- {code_span(one.revision[:12])} {escape_cell(short_line(one.subject, 200))}, "
            f"{escape_cell(short_line(one.author, 100))}"
            for one in judgement.commits[:_LINES]
        ]
        more = len(judgement.commits) - len(listed)
        listed += [f"- {more} more"] if more > 0 else []
        yield "\n".join([f"## Commits ({len(judgement.commits)})", "", *listed, "", ""])
    if images := image_lines(judgement):
        listed = [f"- {code_span(one)}" for one in images[:_LINES]]
        listed += [f"- {len(images) - _LINES} more"] if len(images) > _LINES else []
        yield "\n".join([f"## Images that changed ({len(images)})", "", *listed, "", ""])
    if judgement.drifts:
        listed = [f"- {code_span(drift_line(one))}" for one in judgement.drifts[:_LINES]]
        more = len(judgement.drifts) - len(listed)
        listed += [f"- {more} more"] if more > 0 else []
        yield "\n".join([f"## Out of the usual range ({len(judgement.drifts)})", "", *listed, "", ""])


def _night(date: str | None, revision: str | None) -> str:
    return " at ".join(part for part in (date, revision[:12] if revision else None) if part)
