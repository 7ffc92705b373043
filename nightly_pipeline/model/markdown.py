"""A report as GitHub-flavoured Markdown: for pull requests, CI summaries, terminals and Dagster's metadata.

Text from containers goes into code spans and code blocks only, with fences longer than any in the text. In
table cells every character that could mean something is written as a number. So no text can break a table,
start a tag, make a link or mention a person.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from nightly_pipeline.model.counts import count_collected, counts_run, counts_words, tally
from nightly_pipeline.model.findings import counts_text, findings, is_of_tests_alone, stage_counts
from nightly_pipeline.model.judgement import Incident
from nightly_pipeline.model.links import NO_LINKS, Links, safe_address
from nightly_pipeline.model.markdown_past import past_markdown
from nightly_pipeline.model.markdown_text import code_block, code_span, escape_cell
from nightly_pipeline.model.outcomes import TestFailure
from nightly_pipeline.model.quantities import NOTHING, duration_text, instant_text, minutes_text, plural
from nightly_pipeline.model.reading import (
    Item,
    causes,
    consequences,
    duration_s,
    headline,
    items,
    mock_note,
    notes,
    short_revision,
)
from nightly_pipeline.model.report import Report
from nightly_pipeline.model.tags import short_run_id
from nightly_pipeline.model.told import first_steps, leads, standing, told
from nightly_pipeline.model.untrusted import excerpt, short_line

__all__ = ["code_block", "code_span", "escape_cell", "report_markdown", "summary_table"]

TABLE_COLUMNS = ("Stage", "Status", "Runner", "Duration (min)", "Artifacts")
CHARACTERS = 60_000
"""A pull request's comment takes 65,536."""

_FAILURES_SHOWN = 20
_TEST_CHARACTERS, _MESSAGE_LINES, _MESSAGE_CHARACTERS = 300, 15, 1_200


def summary_table(report: Report, links: Links = NO_LINKS) -> str:
    """The table of a night: a header, then one row for each image, publication and stage, with links."""
    header = [f"| {' | '.join(TABLE_COLUMNS)} |", "| --- | --- | --- | ---: | --- |"]
    return "\n".join([*header, *(_row(item, links) for item in items(report))]) + "\n"


def report_markdown(report: Report, links: Links = NO_LINKS, *, characters: int = CHARACTERS) -> str:
    """The whole report: verdict, engine, what the past says of it, problems, table, counts.

    Args:
        report: what is shown.
        links: addresses of artifacts, runs and the page.
        characters: about how long it may get. Problems give way first, and a line says how many are left out;
            the verdict, the table and the counts always stand.
    """
    head, tail = _head(report, links), _tail(report, links)
    room = characters - len(head) - len(tail)
    past = past_markdown(report, room * 2 // 3)
    problems = _problems(report, links, room - len(past))
    return f"{head}{past}{problems}{tail}"


def _row(item: Item, links: Links) -> str:
    cells = (
        escape_cell(item.label),
        f"{item.symbol} {item.word}",
        escape_cell(item.runner or NOTHING),
        minutes_text(item.outcome.duration_s),
        _artifacts(item, links),
    )
    return f"| {' | '.join(cells)} |"


def _artifacts(item: Item, links: Links) -> str:
    found = [_link(name, links.artifact(key)) for name, key in sorted(item.outcome.artifacts.items())]
    run = links.run(item.outcome.run_id)
    if run:
        found.append(_link(f"run {short_run_id(item.outcome.run_id)}", run))
    return ", ".join(found) or NOTHING


def _link(name: str, address: str | None) -> str:
    safe = safe_address(address)
    return f"[{escape_cell(name)}](<{_in_brackets(safe)}>)" if safe else escape_cell(name)


def _in_brackets(address: str) -> str:
    # None of these may stand bare: they end a cell, start a tag, or are read before the link is.
    return "".join(f"%{ord(char):02X}" if char in "|<>\\`" else char for char in address)


def _head(report: Report, links: Links) -> str:
    lines = [f"# Nightly {escape_cell(report.date)}: {headline(report)}", ""]
    warning = mock_note(report)
    if warning:
        lines += [f"> **{warning}**", ""]
    for note in notes(report):
        lines += [f"> {note}", ""]
    lines += [f"- {fact}" for fact in _facts(report, links)]
    return "\n".join(lines) + "\n\n"


def _facts(report: Report, links: Links) -> Iterator[str]:
    yield f"Engine: **{report.engine}**, profile {code_span(report.profile)}"
    yield f"Revision: {code_span(short_revision(report))}"
    runs = dict.fromkeys([*(run.run_id for run in report.runs), report.run_id])
    yield f"Run: {', '.join(_link(short_run_id(run), links.run(run)) for run in runs)}"
    yield f"Started: {instant_text(report.started_at)}, took {duration_text(duration_s(report))}"
    if report.artifacts:
        merged = ", ".join(_link(name, links.artifact(key)) for name, key in sorted(report.artifacts.items()))
        yield f"Whole night: {merged}"
    if links.page:
        is_path = links.page.startswith("/")  # of this machine: no link for who reads it elsewhere
        yield f"Page: {code_span(links.page)}" if is_path else _link("The night's page", links.page)


def _tail(report: Report, links: Links) -> str:
    counts = [
        f"- Images: {tally(image.status for image in report.images)}",
        f"- Publications: {tally(publication.status for publication in report.publications)}",
        f"- Stages: {tally(stage.status for stage in report.stages)}",
        f"- Tests: {counts_words(counts_run(report))}; dry runs collected {count_collected(report):,}",
    ]
    return "\n".join(["## Everything", "", summary_table(report, links), "## Counts", "", *counts]) + "\n"


def _problems(report: Report, links: Links, budget: int) -> str:
    found, following = causes(report), consequences(report)
    if not found and not following:
        return ""
    heading = f"## Problems ({len(found)})\n\n"
    after = _following(following)
    budget -= len(heading) + len(after) + 80
    verdicts, who = _verdicts(report), told(report)
    firsts = first_steps(who)
    shown: list[str] = []
    for item in found:
        opening = _opening(item, who.by_step.get(item.label), leads(firsts.get(item.label)))
        text = _problem(opening, item, links, budget, verdicts)
        if len(text) > budget:
            break
        shown.append(text)
        budget -= len(text)
    more = (
        f"{plural(len(found) - len(shown), 'more problem')}: see the table.\n\n"
        if len(shown) < len(found)
        else ""
    )
    return heading + "".join(shown) + more + after


def _verdicts(report: Report) -> dict[str, str]:
    """What the tests of each stage are, where the past was asked: then they are listed by verdict, once."""
    if report.judgement is None:
        return {}
    counted = stage_counts(findings(report))
    return {label: counts_text(found, judged=True) for label, found in counted.items()}


def _problem(opening: str, item: Item, links: Links, budget: int, verdicts: Mapping[str, str]) -> str:
    lines = [opening]
    if item.outcome.artifacts:
        lines.append(f"{_artifacts(item, links)}\n\n")
    if is_of_tests_alone(item) and item.label in verdicts:
        return "".join([*lines, f"{verdicts[item.label]}\n\n"])
    return "".join(lines) + _failing_tests(item.failures, budget - sum(len(line) for line in lines))


def _opening(item: Item, known: Incident | None, looked: Iterable[str]) -> str:
    """What happened to a step, since when, who is asked about it, and where to look for what broke it."""
    since = f", {standing(known)}" if standing(known) else ""
    owners = escape_cell(short_line(", ".join(known.owners), 400)) if known else ""
    facts = f"- owner: {owners}\n" if owners else ""
    facts += "".join(f"- {escape_cell(short_line(lead, 400))}\n" for lead in looked)
    message = item.outcome.message
    return (
        f"### {item.symbol} {escape_cell(item.label)}: {item.word}{since}\n\n"
        + (f"{code_block(_cut(message))}\n" if message else "")
        + (f"{facts}\n" if facts else "")
    )


def _failing_tests(failures: Sequence[TestFailure], budget: int) -> str:
    shown: list[str] = []
    for failure in failures[:_FAILURES_SHOWN]:
        text = _failure(failure)
        budget -= len(text)
        if budget < 80:  # noqa: PLR2004 - room for the line that says how many are left out
            break
        shown.append(text)
    left_out = len(failures) - len(shown)
    more = f"- {plural(left_out, 'more failing test')}: see the JUnit file.\n" if left_out else ""
    return "".join(shown) + more + ("\n" if failures else "")


def _failure(failure: TestFailure) -> str:
    known = [
        word
        for word in (failure.verdict, failure.since and f"since {failure.since}", failure.incident)
        if word
    ]
    suffix = f" ({escape_cell(', '.join(known))})" if known else ""
    block = code_block(_cut(failure.message), indent="  ") if failure.message.strip() else ""
    return f"- {code_span(short_line(failure.test, _TEST_CHARACTERS))}{suffix}\n{block}"


def _cut(message: str) -> str:
    return excerpt(message, lines=_MESSAGE_LINES, characters=_MESSAGE_CHARACTERS)


def _following(following: Sequence[Item]) -> str:
    if not following:
        return ""
    lines = [f"### {len(following)} not tried, because of the above\n"]
    lines += [f"- {escape_cell(item.label)}: {item.word}" + _why(item) for item in following]
    return "\n".join(lines) + "\n\n"


def _why(item: Item) -> str:
    return (
        f" ({code_span(short_line(item.outcome.message, _TEST_CHARACTERS))})" if item.outcome.message else ""
    )
