"""The team's message in Slack: the verdict in ten seconds, the details in its thread. Delivery is elsewhere.

What would be too long for Slack is cut here, and counted outside of what is cut. Untrusted text stands in
code only, escaped, so that it can make no link, mention nobody and not leave its place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from nightly_pipeline.model.counts import count_collected, counts_run, counts_words, tally
from nightly_pipeline.model.findings import is_of_tests_alone
from nightly_pipeline.model.headlines import alike_steps
from nightly_pipeline.model.judgement import Incident, Judgement, Verdict
from nightly_pipeline.model.links import NO_LINKS, Links, web_address
from nightly_pipeline.model.mentions import is_first_time, owners_text
from nightly_pipeline.model.message_background import NO_BACKGROUND, Background
from nightly_pipeline.model.message_blocks import Block, Message, code, context, fitted, header, link, section
from nightly_pipeline.model.message_incidents import (
    incident_line,
    incidents_in_short,
    ordered,
    stage_of_only_test,
)
from nightly_pipeline.model.message_lines import tests_text, verdict_text
from nightly_pipeline.model.message_past import commits_text, drifts_line, quarantine_line
from nightly_pipeline.model.mrkdwn import escape_mrkdwn
from nightly_pipeline.model.outcomes import ImageOutcome, NightStatus, TestFailure
from nightly_pipeline.model.quantities import duration_text, instant_text, plural
from nightly_pipeline.model.reading import (
    Item,
    Tone,
    consequences,
    duration_s,
    headline,
    items,
    mock_note,
    night_tone,
    notes,
    short_revision,
)
from nightly_pipeline.model.report import Report
from nightly_pipeline.model.tags import short_run_id
from nightly_pipeline.model.told import Told, standing, told
from nightly_pipeline.model.untrusted import clip, first_line, one_line

_MARKS = {Tone.GOOD: "✅", Tone.BAD: "❌", Tone.UNKNOWN: "⚠️", Tone.PENDING: "⏳"}
_NEW = frozenset({Verdict.NEW, Verdict.UNKNOWN})
_PROBLEMS_IN_THE_MESSAGE = 10
_TESTS_IN_THE_MESSAGE = 3
_LABELS_NAMED, _CELLS_NAMED = 6, 10


def night_message(report: Report, links: Links = NO_LINKS, background: Background = NO_BACKGROUND) -> Message:
    """The one message of a night; the same function for a night that has begun, goes on, or is over.

    Returns:
        The notification's text, and at most 45 blocks of at most 12,000 characters.
    """
    title, who = f"{_MARKS[night_tone(report)]} {_title(report)}", told(report)
    head = [header(title), *_warnings(report, background), section([_in_short(report, who)])]
    tail = list(_end(report, who, links, background))
    return _notification(report, who), fitted(
        head, _problems(who, background), tail, noun="problem", most=_PROBLEMS_IN_THE_MESSAGE
    )


def _problems(who: Told, background: Background) -> list[Block]:
    """New incidents, then what no incident tells, then what is known already."""
    incidents = ordered(who.incidents)
    new = [one for one in incidents if one.verdict in _NEW]
    known = [one for one in incidents if one.verdict not in _NEW]
    steps = alike_steps(who.steps)
    recurring = [own for own in steps if _recurs(who.by_step.get(own[0].label))]
    return [
        *(section(incident_line(incident, background.mentions)) for incident in new),
        *(section(_problem(own, who, background)) for own in steps if own not in recurring),
        *(section(incident_line(incident, background.mentions)) for incident in known),
        *(section(_problem(own, who, background)) for own in recurring),
    ]


def _recurs(incident: Incident | None) -> bool:
    return incident is not None and incident.verdict is Verdict.RECURRING


def _title(report: Report) -> str:
    mock = ", mock engine" if mock_note(report) else ""
    return f"Nightly {one_line(report.date)}: {headline(report)}{mock}"


def _notification(report: Report, who: Told) -> str:
    """What a phone shows: the verdict and what is to be looked at. Names of the table, nothing untrusted."""
    named = [f"{item.label} {item.word}" for item in who.steps]
    more = f" and {len(named) - 3} more" if len(named) > 3 else ""  # noqa: PLR2004 - what a phone has room for
    incidents = incidents_in_short(who.incidents)
    problems = f"{', '.join(named[:3])}{more}"
    return escape_mrkdwn(
        clip(" · ".join(part for part in (_title(report), incidents, problems) if part), 500)
    )


def _warnings(report: Report, background: Background) -> Iterator[Block]:
    warning = mock_note(report)
    lines = [f"*{warning}*"] if warning else []
    lines += [f"_{escape_mrkdwn(note)}_" for note in (*notes(report), *background.remarks)]
    if lines:
        yield context(lines)


def _in_short(report: Report, who: Told) -> str:
    troubles = _troubles(report, who)
    sentences = [_state(report, troubled=bool(troubles)), troubles, _fixed(report.judgement)]
    return ". ".join(sentence.removesuffix(".") for sentence in sentences if sentence) + "."


def _state(report: Report, *, troubled: bool) -> str:
    if report.status is NightStatus.GREEN and not report.running:
        return f"All {plural(len(items(report)), 'step')} good."
    if troubled:
        return ""
    return "Nothing has failed so far." if report.running else "Nothing was planned, so nothing is known."


def _troubles(report: Report, who: Told) -> str:
    """`2 new incidents, 1 recurring; 3 other problems, 6 steps not tried because of that`."""
    incidents, following = incidents_in_short(who.incidents), consequences(report)
    problems = ""
    if who.steps or (following and not incidents):
        problems = plural(len(who.steps), "other problem" if incidents else "problem")
    named = "; ".join(f"*{part}*" for part in (incidents, problems) if part)
    not_tried = f", {plural(len(following), 'step')} not tried because of that" if following else ""
    return f"{named}{not_tried}"


def _fixed(judgement: Judgement | None) -> str:
    fixed = sum(one.verdict is Verdict.FIXED for one in judgement.verdicts) if judgement else 0
    return f"Fixed since last time: {plural(fixed, 'test')}" if fixed else ""


def _problem(alike: Sequence[Item], who: Told, background: Background) -> Iterator[str]:
    """A step that is not good; of several that broke in the same way the first, and the names of the others."""
    item, known = alike[0], who.by_step.get(alike[0].label)
    said = [f"{item.symbol} *{escape_mrkdwn(one_line(item.label))}* {item.word}{tests_text(item)}"]
    said += [standing(known)] if standing(known) else []
    owners = owners_text(known.owners, background.mentions, call=is_first_time(known)) if known else ""
    yield " · ".join([*said, *([owners] if owners else [])])
    yield from _why(item)
    if len(alike) > 1:
        yield f"  The same in {_labels(alike[1:])}"


def _why(item: Item) -> Iterator[str]:
    if item.failures and is_of_tests_alone(item):
        for failure in item.failures[:_TESTS_IN_THE_MESSAGE]:
            why = f" {code(first_line(failure.message), limit=120)}" if failure.message.strip() else ""
            yield f"  • *{code(_short_name(failure), limit=160)}*{verdict_text(failure)}{why}"
        left_out = len(item.failures) - _TESTS_IN_THE_MESSAGE
        if left_out > 0:
            yield f"  • {plural(left_out, 'more test')}"
    elif item.outcome.message:
        yield f"  {code(first_line(item.outcome.message), limit=200)}"
        yield from _last_line(item)
    elif item.failures:
        yield f"  {plural(len(item.failures), 'failing test')}"


def _last_line(item: Item) -> Iterator[str]:
    """A build's message begins with the step that failed and ends with its error."""
    lines = (item.outcome.message or "").strip().splitlines()
    if isinstance(item.outcome, ImageOutcome) and len(lines) > 1:
        yield f"  {code(lines[-1], limit=200)}"


def _short_name(failure: TestFailure) -> str:
    """The test's own name; the file stands in the thread."""
    path, separator, name = failure.test.partition("::")
    return name if separator and name.strip() else path


def _end(report: Report, who: Told, links: Links, background: Background) -> Iterator[Block]:
    named = {stage_of_only_test(incident) for incident in who.incidents}
    unnamed = [item for item in who.by_incidents if item.label not in named]
    if unnamed:
        yield context([f"Stages of the incidents: {_labels(unnamed)}"])
    following = consequences(report)
    if following:
        yield context([f"Not tried: {_labels(following)}"])
    past = [line for line in (quarantine_line(report.judgement), drifts_line(report.judgement)) if line]
    if past:
        yield context(past)
    yield section(_counts(report))
    yield context([" · ".join(_facts(report, links, background))])


def _labels(found: Sequence[Item]) -> str:
    """Each by name; of many the cells they are in, with how many of each."""
    if len(found) <= _LABELS_NAMED:
        return ", ".join(escape_mrkdwn(one_line(item.label)) for item in found)
    cells = list(Counter(item.cell for item in found).items())
    named = ", ".join(
        f"{escape_mrkdwn(one_line(cell))} ({plural(count, 'step')})" for cell, count in cells[:_CELLS_NAMED]
    )
    left_out = len(cells) - _CELLS_NAMED
    return named + (f" and {plural(left_out, 'more cell')}" if left_out > 0 else "")


def _counts(report: Report) -> Iterator[str]:
    yield f"*Images* {tally(image.status for image in report.images)}"
    yield f"*Publications* {tally(publication.status for publication in report.publications)}"
    yield f"*Stages* {tally(stage.status for stage in report.stages)}"
    yield f"*Tests* {counts_words(counts_run(report))}; dry runs collected {count_collected(report):,}"


def _facts(report: Report, links: Links, background: Background) -> Iterator[str]:
    if web_address(links.page):
        yield link("the night's page", links.page)
    yield _duration(report, background.usual_s)
    yield f"engine {report.engine}"
    yield f"revision {code(short_revision(report), limit=40)}"
    commits = commits_text(report.judgement)
    if commits:
        yield commits
    yield link(f"run {short_run_id(report.run_id)}", links.run(report.run_id))
    yield f"profile {code(report.profile, limit=60)}"


def _duration(report: Report, usual_s: float | None) -> str:
    # Only one whole run compares with the nights before it.
    compares = usual_s is not None and not report.partial and len(report.runs) == 1
    usual = f" (as a rule {duration_text(usual_s)})" if compares else ""
    if report.running:
        return f"began at {instant_text(report.started_at)}{usual}"
    return f"took {duration_text(duration_s(report))}{usual}"
