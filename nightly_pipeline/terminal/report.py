"""A report in the terminal: the verdict, what is not good and why, then everything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from nightly_pipeline.model.counts import count_collected, counts_line, counts_run, counts_words, tally
from nightly_pipeline.model.findings import is_of_tests_alone
from nightly_pipeline.model.judgement import Incident
from nightly_pipeline.model.outcomes import StageOutcome, TestFailure
from nightly_pipeline.model.quantities import NOTHING, duration_text, minutes_text, plural
from nightly_pipeline.model.reading import (
    Item,
    causes,
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
from nightly_pipeline.model.told import first_steps, leads, standing, told
from nightly_pipeline.model.untrusted import excerpt, first_line, one_line, short_line
from nightly_pipeline.terminal.past import past_of
from nightly_pipeline.terminal.words import (
    STYLES,
    add_group,
    column_table,
    keep_whole,
    plain_text,
    status_text,
)

_FAILURES_SHOWN = 10
_MESSAGE_LINES, _MESSAGE_CHARACTERS = 12, 1_000


def report_tables(report: Report) -> RenderableType:
    """Everything first, then the problems, then the verdict: in a terminal the end is what is read first."""
    return Group(
        _everything(report),
        *_problems(report),
        *_following(consequences(report)),
        *past_of(report),
        *_counts(report),
        Text(),
        *_verdict(report),
    )


def _everything(report: Report) -> RenderableType:
    table = column_table("Stage", "Status", "Runner", "Min", "Tests")
    table.columns[3].justify = "right"
    keep_whole(table, 1, 3)
    for cell, group in groupby(items(report), key=lambda item: item.cell):
        add_group(table, cell)
        for item in group:
            table.add_row(
                plain_text(one_line(item.name)),
                status_text(item),
                plain_text(one_line(item.runner or NOTHING)),
                minutes_text(item.outcome.duration_s),
                _tests(item),
            )
    return table


def _tests(item: Item) -> str:
    stage = item.outcome
    return (
        counts_line(stage)
        if isinstance(stage, StageOutcome) and any(stage.counts.model_dump().values())
        else ""
    )


def _problems(report: Report) -> Iterator[RenderableType]:
    who = told(report)
    firsts = first_steps(who)
    for item in causes(report):
        known = who.by_step.get(item.label)
        yield Text()
        yield status_text(item).append(f"  {one_line(item.label)}", style="bold").append_text(_known(known))
        if item.outcome.message:
            yield _indented(plain_text(_cut(item.outcome.message)))
        for lead in leads(firsts.get(item.label)):
            yield _indented(plain_text(short_line(lead, 400)))
        if not (report.judgement and is_of_tests_alone(item)):  # else they are listed by verdict
            yield from _failing_tests(item.failures)


def _known(incident: Incident | None) -> Text:
    """Since when a step is not good and who is asked, where that is known."""
    owners = ", ".join(incident.owners) if incident else ""
    said = "  ".join(part for part in (standing(incident), owners) if part)
    return plain_text(f"  {short_line(said, 300)}" if said else "", style="default")


def _failing_tests(failures: Sequence[TestFailure]) -> Iterator[RenderableType]:
    for failure in failures[:_FAILURES_SHOWN]:
        known = " ".join(
            part for part in (failure.verdict, failure.since and f"since {failure.since}") if part
        )
        yield _indented(plain_text(short_line(failure.test, 300), style="bold"))
        if known:
            yield _indented(plain_text(known), by=4)
        if failure.message.strip():
            yield _indented(plain_text(_cut(failure.message)), by=4)
    left_out = len(failures) - _FAILURES_SHOWN
    if left_out > 0:
        yield _indented(Text(f"{plural(left_out, 'more failing test')}: see the JUnit file", style="italic"))


def _following(following: Sequence[Item]) -> Iterator[RenderableType]:
    if not following:
        return
    yield Text()
    yield Text("Not tried, because of the above", style="bold")
    for item in following:
        why = f"  {short_line(first_line(item.outcome.message), 200)}" if item.outcome.message else ""
        yield _indented(
            status_text(item).append_text(plain_text(f"  {one_line(item.label)}{why}", style="default"))
        )


def _counts(report: Report) -> Iterator[RenderableType]:
    yield Text()
    yield Text(f"Images        {tally(image.status for image in report.images)}")
    yield Text(f"Publications  {tally(publication.status for publication in report.publications)}")
    yield Text(f"Stages        {tally(stage.status for stage in report.stages)}")
    yield Text(
        f"Tests         {counts_words(counts_run(report))}; dry runs collected {count_collected(report):,}"
    )


def _verdict(report: Report) -> Iterator[RenderableType]:
    warning = mock_note(report)
    if warning:
        yield Text(warning, style="bold yellow")
    for note in notes(report):
        yield plain_text(note, style="yellow")
    facts = (
        f"run {short_run_id(report.run_id)}",
        f"revision {short_revision(report)}",
        f"engine {report.engine}",
        f"profile {report.profile}",
        f"took {duration_text(duration_s(report))}",
    )
    yield plain_text(f"Nightly {report.date}: ", style="bold").append(
        headline(report), style=STYLES[night_tone(report)]
    )
    yield plain_text(", ".join(facts))


def _cut(message: str) -> str:
    return excerpt(message, lines=_MESSAGE_LINES, characters=_MESSAGE_CHARACTERS)


def _indented(text: Text, by: int = 2) -> Padding:
    return Padding(text, (0, 0, 0, by))
