"""Incidents in the team's message: a line each in the message, a reply each in its thread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from nightly_pipeline.model.history import TestIdentity
from nightly_pipeline.model.judgement import Incident, Verdict
from nightly_pipeline.model.links import Links
from nightly_pipeline.model.mentions import is_first_time, owners_text
from nightly_pipeline.model.message_blocks import Message, code, context, fitted, link, preformatted, section
from nightly_pipeline.model.mrkdwn import escape_mrkdwn
from nightly_pipeline.model.outcomes import StageOutcome
from nightly_pipeline.model.quantities import plural
from nightly_pipeline.model.report import Report
from nightly_pipeline.model.untrusted import excerpt, one_line, short_line

_ORDER = (
    Verdict.NEW,
    Verdict.UNKNOWN,
    Verdict.ENVIRONMENT,
    Verdict.RECURRING,
    Verdict.FLAKY,
    Verdict.QUARANTINED,
)
_CELLS_NAMED = 4
_TESTS_NAMED = 15
_SUSPECTS_NAMED = 5
_MESSAGE_LIMIT = 1_500


def ordered(incidents: Iterable[Incident]) -> tuple[Incident, ...]:
    """New ones first, the quarantined last; among equals the one with more tests first."""
    return tuple(sorted(incidents, key=lambda one: (_rank(one.verdict), -len(one.tests), one.id)))


def incident_line(incident: Incident, mentions: Mapping[str, str]) -> Iterator[str]:
    """An incident in two lines."""
    yield f"*{_word(incident)}* {code(incident.title, limit=160)} {_what(incident)}"
    owners = owners_text(incident.owners, mentions, call=is_first_time(incident))
    yield " · ".join(part for part in (f"  {_cells(incident)}", _since(incident), owners) if part)


def incidents_in_short(incidents: Iterable[Incident]) -> str:
    """`2 new incidents, 1 recurring, 1 flaky`; empty where there is none."""
    counted = Counter(incident.verdict for incident in incidents)
    compared = [(counted[verdict], verdict.value) for verdict in _ORDER if verdict is not Verdict.UNKNOWN]
    parts = [f"{count} {word}" for count, word in compared if count]
    if parts:
        parts[0] += " incident" if parts[0].startswith("1 ") else " incidents"
    if counted[Verdict.UNKNOWN]:
        parts.append(f"{plural(counted[Verdict.UNKNOWN], 'incident')} with no past to compare with")
    return ", ".join(parts)


def incident_message(
    incident: Incident, report: Report, links: Links, mentions: Mapping[str, str]
) -> Message:
    """The reply in the thread: what it is, who is asked, the error, the tests, where to go on."""
    head = [section(incident_line(incident, mentions))]
    if incident.message.strip():
        text = excerpt(incident.message, lines=25, characters=_MESSAGE_LIMIT)
        head.append(section([preformatted(text, limit=2_500)]))
    tests = [section(_tests(incident))] if incident.tests else []
    facts = list(_facts(incident, report, links))
    tail = [context(facts)] if facts else []
    return _notification(incident), fitted(head, tests, tail, noun="detail")


def _notification(incident: Incident) -> str:
    word = "Incident" if incident.verdict is Verdict.UNKNOWN else f"{_word(incident)} incident"
    text = f"{word}: {one_line(incident.title)}, {_extent(incident)}"
    return escape_mrkdwn(short_line(text, 500))


def _word(incident: Incident) -> str:
    return "Not compared" if incident.verdict is Verdict.UNKNOWN else incident.verdict.value.capitalize()


def _what(incident: Incident) -> str:
    """The test where there is one alone, else how many there are."""
    if len(incident.tests) != 1:
        return _extent(incident)
    path, separator, name = incident.tests[0].node_id.partition("::")
    return f"in {code(name if separator and name.strip() else path, limit=120)}"


def _extent(incident: Incident) -> str:
    return f"{plural(len(incident.tests), 'test')} in {plural(len(incident.cells), 'cell')}"


def stage_of_only_test(incident: Incident) -> str | None:
    """Where the one test ran, as `vllm/amd64/unit`; None where there are several, or none."""
    if len(incident.tests) != 1:
        return None
    [test] = incident.tests
    return f"{test.framework}/{test.arch}/{test.stage}"


def _cells(incident: Incident) -> str:
    alone = stage_of_only_test(incident)
    named = [alone] if alone else ["/".join(cell) for cell in incident.cells]
    left_out = len(named) - _CELLS_NAMED
    shown = escape_mrkdwn(short_line(", ".join(named[:_CELLS_NAMED]), 300))
    return shown + (f" and {left_out} more" if left_out > 0 else "")


def _since(incident: Incident) -> str:
    if incident.since is None or incident.nights <= 1:
        return ""
    return escape_mrkdwn(f"{incident.nights} nights, since {short_line(incident.since, 20)}")


def _tests(incident: Incident) -> Iterator[str]:
    for test in incident.tests[:_TESTS_NAMED]:
        where = escape_mrkdwn(short_line(f"{test.framework}/{test.arch}/{test.stage}", 120))
        yield f"• {code(test.node_id, limit=160)} {where}"
    left_out = len(incident.tests) - _TESTS_NAMED
    if left_out > 0:
        yield f"• {plural(left_out, 'more test')}"


def _facts(incident: Incident, report: Report, links: Links) -> Iterator[str]:
    if incident.last_good:
        yield f"Good last on {escape_mrkdwn(short_line(incident.last_good, 20))}{_range(incident)}"
    if incident.suspects:
        named = ", ".join(code(name, limit=60) for name in incident.suspects[:_SUSPECTS_NAMED])
        left_out = len(incident.suspects) - _SUSPECTS_NAMED
        yield f"Commits since then by {named}{f' and {left_out} more' if left_out > 0 else ''}"
    linked = list(_links(incident.tests, report.stages, links))
    if linked:
        yield " · ".join(linked)


def _range(incident: Incident) -> str:
    good, bad = incident.last_good_revision, incident.first_bad_revision
    return f": {code(good[:12])} to {code(bad[:12])}" if good and bad else ""


def _links(tests: Sequence[TestIdentity], stages: Iterable[StageOutcome], links: Links) -> Iterator[str]:
    """The artifacts of the first stage it was seen in, and that stage's run."""
    for stage in stages:
        if tests and (stage.framework, stage.arch, stage.stage) == (*tests[0].cell, tests[0].stage):
            yield from (link(name, links.artifact(key)) for name, key in sorted(stage.artifacts.items()))
            yield link("Dagster run", links.run(stage.run_id))


def _rank(verdict: Verdict) -> int:
    return _ORDER.index(verdict) if verdict in _ORDER else len(_ORDER)
