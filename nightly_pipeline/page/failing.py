"""Failing and fixed tests as the page lists them: by verdict, those that say the same together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nightly_pipeline.model.findings import LETTERS, MEANINGS, Finding, Findings, incident_anchor, since_text
from nightly_pipeline.model.judgement import TestVerdict, Verdict
from nightly_pipeline.model.links import Links
from nightly_pipeline.model.report import Report
from nightly_pipeline.model.strips import strip_text
from nightly_pipeline.model.untrusted import excerpt, first_line, one_line, short_line
from nightly_pipeline.page.links import Linked, outcome_links
from nightly_pipeline.page.strip import Strip, strip_of

_SHOWN_IN_FULL, _SHOWN_IN_FULL_ANYWAY = 400, 20
_TESTS_LISTED = 50
_TESTS_IN_A_BULK = 200
_LONG_MESSAGE, _SHORT_MESSAGE = 8_000, 300
_OUTPUT_LINES, _OUTPUT_CHARACTERS = 200, 10_000
_OUTPUTS, _STAGES_LINKED = 10, 24
_LONGEST_TEST = 1_000
_TITLES = {
    Verdict.NEW: "New",
    Verdict.UNKNOWN: "Failing, not compared",
    Verdict.RECURRING: "Recurring",
    Verdict.FLAKY: "Flaky",
    Verdict.ENVIRONMENT: "Environment",
    Verdict.FIXED: "Fixed",
    Verdict.QUARANTINED: "Quarantined",
}


@dataclass(frozen=True)
class TestShown:
    """One test in a line. `incident` leads to its incident on the same page."""

    __test__ = False

    name: str
    where: str
    since: str
    incident: Linked | None
    strip: Strip | None
    output: str = ""


@dataclass(frozen=True)
class StageLinks:
    """Where the log, the JUnit file and the run of a stage are; `where` is empty where only one is in question."""

    where: str
    links: tuple[Linked, ...]


@dataclass(frozen=True)
class SameMessage:
    """Tests of one verdict that all say the same.

    Attributes:
        more: further tests, one a line: a browser copes with thousands of lines, not with thousands of elements.
        output: what all of them left behind, where that is the same; else each of the first tests has its own.
        facts: what is known over time, of a test that stands alone.
        links: of the stages they ran in.
    """

    message: str
    first: str
    tests: tuple[TestShown, ...]
    more: str
    count: int
    output: str
    facts: tuple[tuple[str, str], ...]
    links: tuple[StageLinks, ...]


@dataclass(frozen=True)
class Bulk:
    """Tests of one file as plain text, where there are so many that the page would become slow."""

    file: str
    count: int
    text: str


@dataclass(frozen=True)
class VerdictGroup:
    """All tests of one verdict."""

    verdict: Verdict
    title: str
    letter: str
    meaning: str
    count: int
    groups: tuple[SameMessage, ...]
    bulks: tuple[Bulk, ...]

    @property
    def anchor(self) -> str:
        """A name for links inside the page."""
        return f"tests-{self.verdict.value}"


def verdict_groups(report: Report, found_by_verdict: Findings, links: Links) -> tuple[VerdictGroup, ...]:
    """The first tests of a page in full, of each verdict at least some; the rest in bulk."""
    anchors = {one.id: incident_anchor(one) for one in report.judgement.incidents} if report.judgement else {}
    told = report.judgement is not None
    shown, room = [], _SHOWN_IN_FULL
    for verdict, found in found_by_verdict.items():
        groups = list(_by_message(found).items())
        in_full = max(room, _SHOWN_IN_FULL_ANYWAY)
        room = max(0, room - len(groups))
        rest = [one for _, tests in groups[in_full:] for one in tests]
        shown.append(
            VerdictGroup(
                verdict=verdict,
                title=_TITLES[verdict] if told or verdict is not Verdict.UNKNOWN else "Failing",
                letter=LETTERS[verdict],
                meaning=MEANINGS[verdict] if told else "",
                count=len(found),
                groups=tuple(_group(message, tests, anchors, links) for message, tests in groups[:in_full]),
                bulks=tuple(_bulks(rest)),
            )
        )
    return tuple(shown)


def name_of(finding: Finding) -> str:
    """A node id, cut where it is longer than anybody reads."""
    return short_line(finding.test.node_id, _LONGEST_TEST)


def _by_message(found: Sequence[Finding]) -> dict[str, list[Finding]]:
    """Tests that ended well have no message and stand for themselves, in one list."""
    grouped: dict[str, list[Finding]] = {}
    for one in found:
        grouped.setdefault(one.message, []).append(one)
    return grouped


def _group(message: str, tests: Sequence[Finding], anchors: dict[str, str], links: Links) -> SameMessage:
    same = len({_output_of(one) for one in tests}) == 1
    return SameMessage(
        message=excerpt(message, lines=100, characters=_LONG_MESSAGE),
        first=short_line(first_line(message), 200),
        tests=tuple(
            _test(one, anchors, output=_output(one) if not same and position < _OUTPUTS else "")
            for position, one in enumerate(tests[:_TESTS_LISTED])
        ),
        more="\n".join(f"{one.where}  {name_of(one)}" for one in tests[_TESTS_LISTED:]),
        count=len(tests),
        output=_output(tests[0]) if same else "",
        facts=_facts(tests[0].story) if len(tests) == 1 else (),
        links=tuple(_stage_links(tests, links)),
    )


def _output_of(one: Finding) -> str:
    return (one.failure.output if one.failure else None) or ""


def _output(one: Finding) -> str:
    return excerpt(_output_of(one), lines=_OUTPUT_LINES, characters=_OUTPUT_CHARACTERS)


def _stage_links(tests: Sequence[Finding], links: Links) -> Iterator[StageLinks]:
    stages = {one.where: one.stage for one in tests}
    for where, stage in list(stages.items())[:_STAGES_LINKED]:
        if stage is not None:
            yield StageLinks(where if len(stages) > 1 else "", outcome_links(stage, links))


def _test(one: Finding, anchors: dict[str, str], *, output: str = "") -> TestShown:
    story, failure = one.story, one.failure
    incident = (story.incident if story else None) or (failure.incident if failure else None)
    since = story.since if story else failure.since if failure else None
    return TestShown(
        name=name_of(one),
        where=one.where,
        since=_since(one, since, story.nights if story else 0),
        incident=Linked(incident, f"#{anchors[incident]}" if incident in anchors else None)
        if incident
        else None,
        strip=strip_of(story.strip) if story else None,
        output=output,
    )


def _since(one: Finding, since: str | None, nights: int) -> str:
    if not since or (one.verdict is Verdict.UNKNOWN and nights <= 1):
        return ""
    if one.verdict is Verdict.FIXED:
        return f"was bad since {since}"
    return since_text(since, nights) if one.story else f"since {since}"


def _facts(story: TestVerdict | None) -> tuple[tuple[str, str], ...]:
    if story is None:
        return ()
    named = (
        ("Why", story.why),
        ("Owner", ", ".join(story.owners)),
        ("Last good", _night(story.last_good, story.last_good_revision)),
        ("First bad", _night(story.since, story.first_bad_revision)),
    )
    return tuple((name, short_line(text, 400)) for name, text in named if text)


def _night(date: str | None, revision: str | None) -> str:
    return " at ".join(part for part in (date, revision[:12] if revision else None) if part)


def _bulks(found: Sequence[Finding]) -> Iterator[Bulk]:
    by_file: dict[str, list[Finding]] = {}
    for one in found:
        by_file.setdefault(name_of(one).partition("::")[0], []).append(one)
    for file, tests in by_file.items():
        for start in range(0, len(tests), _TESTS_IN_A_BULK):
            part = tests[start : start + _TESTS_IN_A_BULK]
            yield Bulk(file, len(part), "\n".join(_in_bulk(one) for one in part))


def _in_bulk(one: Finding) -> str:
    story = one.story
    since = story.since if story else one.failure.since if one.failure else None
    incident = story.incident if story else one.failure.incident if one.failure else None
    known = " ".join(part for part in (since and f"since {since}", incident) if part)
    strip = strip_text(story.strip[-30:]) if story else ""
    head = "  ".join(part for part in (name_of(one), one.where, one_line(known), strip) if part)
    message = excerpt(one.message, lines=4, characters=_SHORT_MESSAGE).replace("\n", "\n    ")
    return f"{head}\n    {message}\n"
