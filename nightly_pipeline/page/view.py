"""What the page shows of a report, made ready for templates that decide nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from nightly_pipeline.model.links import Links, safe_address
from nightly_pipeline.model.outcomes import StageOutcome, TestFailure
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
    short_revision,
    tally,
)
from nightly_pipeline.model.report import Report
from nightly_pipeline.model.untrusted import excerpt, one_line, short_line

_INDEX = "multi_arch_image"
_SHOWN_IN_FULL, _SHOWN_IN_FULL_ANYWAY = 400, 10
_TESTS_LISTED = 50
_TESTS_IN_A_BULK = 200
_LONG_MESSAGE, _SHORT_MESSAGE = 8_000, 300
_LONGEST_TEST = 1_000


@dataclass(frozen=True)
class Linked:
    """A name, and where it leads; None when that is not known."""

    name: str
    address: str | None


@dataclass(frozen=True)
class Shown:
    """One image, publication or stage, with its links."""

    item: Item
    counts: str
    links: tuple[Linked, ...]


@dataclass(frozen=True)
class SameMessage:
    """Failing tests of one stage that all say the same."""

    message: str
    tests: tuple[TestFailure, ...]
    more: str
    """Further tests, one a line: a browser copes with thousands of lines, not with thousands of elements."""
    count: int


@dataclass(frozen=True)
class Bulk:
    """Failing tests of one file as plain text, where there are so many that the page would become slow."""

    file: str
    count: int
    text: str


@dataclass(frozen=True)
class Problem:
    """Something that is not good by itself, with its failing tests, those that say the same together."""

    shown: Shown
    message: str
    groups: tuple[SameMessage, ...]
    bulks: tuple[Bulk, ...]
    failing: int


@dataclass(frozen=True)
class Row:
    """One cell of the night in the matrix. `index` is its framework's, on the first of its rows only."""

    framework: str
    arch: str
    steps: tuple[Shown | None, ...]
    index: Shown | None
    index_rows: int
    """How many rows the index reaches over; 0 where a row above already has it."""


@dataclass(frozen=True)
class NightView:
    """Everything the templates need."""

    report: Report
    headline: str
    tone: Tone
    mock_note: str | None
    notes: tuple[str, ...]
    revision: str
    duration_s: float | None
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    has_indexes: bool
    problems: tuple[Problem, ...]
    following: tuple[Shown, ...]
    everything: tuple[Shown, ...]
    counts: tuple[tuple[str, str], ...]
    runs: tuple[Linked, ...]
    """One for each of the report's runs, in their order."""

    @property
    def failing(self) -> int:
        """How many failing tests the page lists."""
        return sum(problem.failing for problem in self.problems)


def night_view(report: Report, links: Links) -> NightView:
    """Make a report ready to be shown."""
    everything = tuple(_shown(item, links) for item in items(report))
    columns, rows = _matrix(everything)
    return NightView(
        report=report,
        headline=headline(report),
        tone=night_tone(report),
        mock_note=mock_note(report),
        notes=notes(report),
        revision=short_revision(report),
        duration_s=duration_s(report),
        columns=columns,
        rows=rows,
        has_indexes=any(one.item.name == _INDEX for one in everything),
        problems=_problems(causes(report), links),
        following=tuple(_shown(item, links) for item in consequences(report)),
        everything=everything,
        counts=_counts(report),
        runs=tuple(Linked(run.run_id, safe_address(links.run(run.run_id))) for run in report.runs),
    )


def _shown(item: Item, links: Links) -> Shown:
    outcome = item.outcome
    counted = isinstance(outcome, StageOutcome) and any(outcome.counts.model_dump().values())
    linked = [
        Linked(name, safe_address(links.artifact(key))) for name, key in sorted(outcome.artifacts.items())
    ]
    run = safe_address(links.run(outcome.run_id))
    if run:
        linked.append(Linked("run", run))
    return Shown(
        item=item,
        counts=counts_line(outcome) if isinstance(outcome, StageOutcome) and counted else "",
        links=tuple(linked),
    )


def _matrix(everything: Sequence[Shown]) -> tuple[tuple[str, ...], tuple[Row, ...]]:
    columns = tuple(dict.fromkeys(one.item.name for one in everything if one.item.name != _INDEX))
    rows: list[Row] = []
    for framework, group in groupby(everything, key=lambda one: one.item.outcome.framework):
        members = list(group)
        index = next((one for one in members if one.item.name == _INDEX), None)
        arches = list(dict.fromkeys(one.item.outcome.arch for one in members if one.item.outcome.arch))
        for position, arch in enumerate(arches):
            by_name = {one.item.name: one for one in members if one.item.outcome.arch == arch}
            rows.append(
                Row(
                    framework=framework,
                    arch=arch,
                    steps=tuple(by_name.get(name) for name in columns),
                    index=index if position == 0 else None,
                    index_rows=len(arches) if position == 0 else 0,
                )
            )
    return columns, tuple(rows)


def _problems(found: Sequence[Item], links: Links) -> tuple[Problem, ...]:
    """The first failures of a page in full, of each problem at least some; the rest in bulk."""
    problems, room = [], _SHOWN_IN_FULL
    for item in found:
        groups = list(_by_message(item.failures).items())
        in_full = max(room, _SHOWN_IN_FULL_ANYWAY)
        room = max(0, room - len(groups))
        problems.append(
            Problem(
                shown=_shown(item, links),
                message=excerpt(item.outcome.message or "", lines=200, characters=_LONG_MESSAGE),
                groups=tuple(_group(message, tests) for message, tests in groups[:in_full]),
                bulks=tuple(_bulks([test for _, tests in groups[in_full:] for test in tests])),
                failing=len(item.failures),
            )
        )
    return tuple(problems)


def _by_message(failures: Sequence[TestFailure]) -> dict[str, list[TestFailure]]:
    grouped: dict[str, list[TestFailure]] = {}
    for failure in failures:
        grouped.setdefault(failure.message, []).append(failure)
    return grouped


def _group(message: str, tests: Sequence[TestFailure]) -> SameMessage:
    return SameMessage(
        message=excerpt(message, lines=100, characters=_LONG_MESSAGE),
        tests=tuple(one.model_copy(update={"test": _name(one)}) for one in tests[:_TESTS_LISTED]),
        more="\n".join(_name(one) for one in tests[_TESTS_LISTED:]),
        count=len(tests),
    )


def _bulks(failures: Sequence[TestFailure]) -> Iterator[Bulk]:
    by_file: dict[str, list[TestFailure]] = {}
    for failure in failures:
        by_file.setdefault(_name(failure).partition("::")[0], []).append(failure)
    for file, tests in by_file.items():
        for start in range(0, len(tests), _TESTS_IN_A_BULK):
            part = tests[start : start + _TESTS_IN_A_BULK]
            yield Bulk(file, len(part), "\n".join(_in_bulk(one) for one in part))


def _in_bulk(failure: TestFailure) -> str:
    known = " ".join(word for word in (failure.verdict, failure.since, failure.incident) if word)
    message = excerpt(failure.message, lines=4, characters=_SHORT_MESSAGE).replace("\n", "\n    ")
    return f"{_name(failure)}{'  ' + one_line(known) if known else ''}\n    {message}\n"


def _name(failure: TestFailure) -> str:
    return short_line(failure.test, _LONGEST_TEST)


def _counts(report: Report) -> tuple[tuple[str, str], ...]:
    return (
        ("Images", tally(image.status for image in report.images)),
        ("Publications", tally(publication.status for publication in report.publications)),
        ("Stages", tally(stage.status for stage in report.stages)),
        ("Tests run", counts_words(counts_run(report))),
        ("Tests collected only", f"{count_collected(report):,}"),
    )
