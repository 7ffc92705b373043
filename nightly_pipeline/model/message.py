"""The team's message in Slack: the verdict in ten seconds, the details in its thread. Delivery is elsewhere.

What would be too long for Slack is cut here, and counted outside of what is cut. Untrusted text stands in
code only, escaped, so that it can make no link, mention nobody and not leave its place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nightly_pipeline.model.links import NO_LINKS, Links, web_address
from nightly_pipeline.model.message_blocks import (
    Block,
    code,
    context,
    fitted,
    header,
    link,
    preformatted,
    section,
)
from nightly_pipeline.model.mrkdwn import escape_mrkdwn
from nightly_pipeline.model.outcomes import NightStatus, StageOutcome, TestFailure
from nightly_pipeline.model.quantities import duration_text
from nightly_pipeline.model.reading import (
    Item,
    Tone,
    causes,
    consequences,
    count_collected,
    counts_line,
    counts_run,
    counts_words,
    duration_s,
    headline,
    items,
    mock_note,
    night_tone,
    notes,
    plural,
    short_revision,
    tally,
)
from nightly_pipeline.model.report import Report
from nightly_pipeline.model.tags import short_run_id
from nightly_pipeline.model.untrusted import clip, excerpt, first_line, one_line, short_line

Message = tuple[str, list[Block]]
"""The text of the notification, and the blocks."""

_MARKS = {Tone.GOOD: "✅", Tone.BAD: "❌", Tone.UNKNOWN: "⚠️", Tone.PENDING: "⏳"}
_PROBLEMS_IN_THE_MESSAGE = 10
_TESTS_IN_THE_MESSAGE = 3
_TESTS_IN_THE_THREAD = 25
_NOT_TRIED_NAMED = 20
_MESSAGE_LIMIT = 1_500
_TEST_MESSAGE_LIMIT = 600


def night_message(report: Report, links: Links = NO_LINKS) -> Message:
    """The one message of a night; the same function for a night that has begun, goes on, or is over.

    Returns:
        The notification's text, and at most 45 blocks of at most 12,000 characters.
    """
    title = f"{_MARKS[night_tone(report)]} {_title(report)}"
    head = [header(title), *_warnings(report), section([_in_short(report)])]
    body = [section(_problem(item)) for item in causes(report)]
    return _notification(report), fitted(
        head, body, list(_end(report, links)), noun="problem", most=_PROBLEMS_IN_THE_MESSAGE
    )


def thread_messages(report: Report, links: Links = NO_LINKS) -> list[Message]:
    """Details for the message's thread: one message for each cell that has a problem of its own."""
    found = causes(report)
    return [
        _cell_message(cell, [item for item in found if item.cell == cell], links)
        for cell in dict.fromkeys(item.cell for item in found)
    ]


def _title(report: Report) -> str:
    mock = ", mock engine" if mock_note(report) else ""
    return f"Nightly {one_line(report.date)}: {headline(report)}{mock}"


def _notification(report: Report) -> str:
    """What a phone shows: the verdict and what is to be looked at. Names of the table, nothing untrusted."""
    named = [f"{item.label} {item.word}" for item in causes(report)]
    more = f" and {len(named) - 3} more" if len(named) > 3 else ""  # noqa: PLR2004 - what a phone has room for
    problems = f" · {', '.join(named[:3])}{more}" if named else ""
    return escape_mrkdwn(clip(f"{_title(report)}{problems}", 500))


def _warnings(report: Report) -> Iterator[Block]:
    warning = mock_note(report)
    lines = [f"*{warning}*"] if warning else []
    lines += [f"_{escape_mrkdwn(note)}_" for note in notes(report)]
    if lines:
        yield context(lines)


def _in_short(report: Report) -> str:
    own, following = causes(report), consequences(report)
    if own or following:
        not_tried = f", {plural(len(following), 'step')} not tried because of that" if following else ""
        return f"*{plural(len(own), 'problem')}*{not_tried}"
    if report.running:
        return "Nothing has failed so far."
    if report.status is NightStatus.GREEN:
        return f"All {plural(len(items(report)), 'step')} good."
    return "Nothing was planned, so nothing is known."


def _problem(item: Item) -> Iterator[str]:
    yield f"{item.symbol} *{escape_mrkdwn(one_line(item.label))}* {item.word}{_tests(item)}"
    if item.failures:
        for failure in item.failures[:_TESTS_IN_THE_MESSAGE]:
            why = f" {code(first_line(failure.message), limit=120)}" if failure.message.strip() else ""
            yield f"  • *{code(_short_name(failure), limit=160)}*{_verdict(failure)}{why}"
        left_out = len(item.failures) - _TESTS_IN_THE_MESSAGE
        if left_out > 0:
            yield f"  • {plural(left_out, 'more test')}"
    elif item.outcome.message:
        yield f"  {code(first_line(item.outcome.message), limit=200)}"


def _tests(item: Item) -> str:
    stage = item.outcome
    counted = isinstance(stage, StageOutcome) and any(stage.counts.model_dump().values())
    return f": {counts_line(stage)}" if isinstance(stage, StageOutcome) and counted else ""


def _short_name(failure: TestFailure) -> str:
    """The test's own name; the file stands in the thread."""
    path, separator, name = failure.test.partition("::")
    return name if separator and name.strip() else path


def _verdict(failure: TestFailure) -> str:
    known = [word for word in (failure.verdict, failure.since and f"since {failure.since}") if word]
    return f" {escape_mrkdwn(one_line(', '.join(known)))}" if known else ""


def _end(report: Report, links: Links) -> Iterator[Block]:
    following = consequences(report)
    if following:
        named = ", ".join(escape_mrkdwn(one_line(item.label)) for item in following[:_NOT_TRIED_NAMED])
        left_out = len(following) - _NOT_TRIED_NAMED
        yield context([f"Not tried: {named}{f' and {left_out} more' if left_out > 0 else ''}"])
    yield section(_counts(report))
    yield context([" · ".join(_facts(report, links))])


def _counts(report: Report) -> Iterator[str]:
    yield f"*Images* {tally(image.status for image in report.images)}"
    yield f"*Publications* {tally(publication.status for publication in report.publications)}"
    yield f"*Stages* {tally(stage.status for stage in report.stages)}"
    yield f"*Tests* {counts_words(counts_run(report))}; dry runs collected {count_collected(report):,}"


def _facts(report: Report, links: Links) -> Iterator[str]:
    if web_address(links.page):
        yield link("the night's page", links.page)
    if not report.running:
        yield f"took {duration_text(duration_s(report))}"
    yield f"engine {report.engine}"
    yield f"revision {code(short_revision(report), limit=40)}"
    yield link(f"run {short_run_id(report.run_id)}", links.run(report.run_id))
    yield f"profile {code(report.profile, limit=60)}"


def _cell_message(cell: str, problems: Sequence[Item], links: Links) -> Message:
    words = ", ".join(f"{item.name} {item.word}" for item in problems)
    head = [section([f"*{escape_mrkdwn(one_line(cell))}*"])]
    body = [block for item in problems for block in _details(item, links)]
    return escape_mrkdwn(short_line(f"{cell}: {words}", 500)), fitted(head, body, [], noun="detail")


def _details(item: Item, links: Links) -> Iterator[Block]:
    runner = f" on {escape_mrkdwn(one_line(item.runner))}" if item.runner else ""
    took = f", {duration_text(item.outcome.duration_s)}" if item.outcome.duration_s else ""
    lines = [f"{item.symbol} *{escape_mrkdwn(one_line(item.name))}* {item.word}{_tests(item)}{runner}{took}"]
    linked = [link(name, links.artifact(key)) for name, key in sorted(item.outcome.artifacts.items())]
    if linked:
        lines.append(" · ".join(linked))
    yield section(lines)
    if item.outcome.message:
        yield section(
            [preformatted(excerpt(item.outcome.message, lines=25, characters=_MESSAGE_LIMIT), limit=2_500)]
        )
    yield from _failing(item.failures)


def _failing(failures: Sequence[TestFailure]) -> Iterator[Block]:
    for failure in failures[:_TESTS_IN_THE_THREAD]:
        lines = [f"• {code(failure.test, limit=500)}{_verdict(failure)}"]
        if failure.message.strip():
            lines.append(
                preformatted(excerpt(failure.message, lines=10, characters=_TEST_MESSAGE_LIMIT), limit=1_200)
            )
        yield section(lines)
    left_out = len(failures) - _TESTS_IN_THE_THREAD
    if left_out > 0:
        yield context([f"… {plural(left_out, 'more test')}: see the JUnit file"])
