"""The thread below the team's message: a reply for each incident, and for each cell with another problem."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence

from nightly_pipeline.model.findings import incidents
from nightly_pipeline.model.history import TestIdentity
from nightly_pipeline.model.judgement import Incident
from nightly_pipeline.model.links import NO_LINKS, Links
from nightly_pipeline.model.mentions import is_first_time, owners_text
from nightly_pipeline.model.message_background import NO_BACKGROUND, Background
from nightly_pipeline.model.message_blocks import (
    Block,
    Message,
    code,
    context,
    fitted,
    link,
    preformatted,
    section,
)
from nightly_pipeline.model.message_incidents import incident_message, ordered
from nightly_pipeline.model.message_lines import tests_text, verdict_text
from nightly_pipeline.model.mrkdwn import escape_mrkdwn
from nightly_pipeline.model.outcomes import StageOutcome, TestFailure
from nightly_pipeline.model.quantities import duration_text, plural
from nightly_pipeline.model.reading import Item
from nightly_pipeline.model.report import Report, identity_of
from nightly_pipeline.model.told import first_steps, leads, told
from nightly_pipeline.model.untrusted import excerpt, one_line, short_line

_REPLIES = 20
_TESTS_IN_THE_THREAD = 25
_MESSAGE_LIMIT = 1_500
_TEST_MESSAGE_LIMIT = 600


def thread_messages(
    report: Report, links: Links = NO_LINKS, background: Background = NO_BACKGROUND
) -> dict[str, Message]:
    """Details for the message's thread: a message for each incident, and for each cell with another problem.

    Returns:
        What the message is about (`incident-4f1c`, `vllm/amd64`), which stays the same when it is updated ->
        the message. At most 20; the last of more says how many are left out.
    """
    who, known = told(report), incidents(report)
    # An incident without tests is one of steps: the reply of their cell says all of it.
    found = {
        f"incident-{incident.id}": incident_message(incident, report, links, background.mentions)
        for incident in ordered(one for one in known if one.tests)
    }
    held = frozenset(test for incident in known for test in incident.tests)
    known_of = {label: _known(one, background) for label, one in first_steps(who).items()}
    for cell in dict.fromkeys(item.cell for item in who.steps):
        own = [item for item in who.steps if item.cell == cell]
        found[cell] = _cell_message(cell, own, held, links, known_of)
    return _first(found)


def _first(found: dict[str, Message]) -> dict[str, Message]:
    if len(found) <= _REPLIES:
        return found
    kept = dict(list(found.items())[: _REPLIES - 1])
    text = f"… {len(found) - len(kept):,} more replies: see the night's page."
    return {**kept, "more": (text, [context([text])])}


def _cell_message(
    cell: str,
    problems: Sequence[Item],
    held: Container[TestIdentity],
    links: Links,
    known_of: Mapping[str, Sequence[str]],
) -> Message:
    words = ", ".join(f"{item.name} {item.word}" for item in problems)
    head = [section([f"*{escape_mrkdwn(one_line(cell))}*"])]
    body = [block for item in problems for block in _details(item, held, links, known_of.get(item.label, ()))]
    return escape_mrkdwn(short_line(f"{cell}: {words}", 500)), fitted(head, body, [], noun="detail")


def _details(
    item: Item, held: Container[TestIdentity], links: Links, known: Sequence[str]
) -> Iterator[Block]:
    runner = f" on {escape_mrkdwn(one_line(item.runner))}" if item.runner else ""
    took = f", {duration_text(item.outcome.duration_s)}" if item.outcome.duration_s else ""
    lines = [
        f"{item.symbol} *{escape_mrkdwn(one_line(item.name))}* {item.word}{tests_text(item)}{runner}{took}"
    ]
    linked = [link(name, links.artifact(key)) for name, key in sorted(item.outcome.artifacts.items())]
    if linked:
        lines.append(" · ".join(linked))
    yield section(lines)
    if item.outcome.message:
        yield section(
            [preformatted(excerpt(item.outcome.message, lines=25, characters=_MESSAGE_LIMIT), limit=2_500)]
        )
    if known:
        yield context(known)
    stage = item.outcome
    if isinstance(stage, StageOutcome):
        yield from _failing([one for one in item.failures if identity_of(stage, one) not in held])


def _known(incident: Incident, background: Background) -> list[str]:
    """What the nights before say of a step. Its owners are called here, for an update of the message calls nobody.

    Those of an incident of tests are called by its own reply.
    """
    call = is_first_time(incident)
    owners = "" if incident.tests else owners_text(incident.owners, background.mentions, call=call)
    said = [escape_mrkdwn(short_line(lead, 400)) for lead in leads(incident)]
    return [owners, *said] if owners else said


def _failing(failures: Sequence[TestFailure]) -> Iterator[Block]:
    for failure in failures[:_TESTS_IN_THE_THREAD]:
        lines = [f"• {code(failure.test, limit=500)}{verdict_text(failure)}"]
        if failure.message.strip():
            lines.append(
                preformatted(excerpt(failure.message, lines=10, characters=_TEST_MESSAGE_LIMIT), limit=1_200)
            )
        yield section(lines)
    left_out = len(failures) - _TESTS_IN_THE_THREAD
    if left_out > 0:
        yield context([f"… {plural(left_out, 'more test')}: see the JUnit file"])
