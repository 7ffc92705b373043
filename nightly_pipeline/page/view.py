"""What the page shows of a report, made ready for templates that decide nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from nightly_pipeline.model.links import Links, safe_address
from nightly_pipeline.model.outcomes import StageOutcome, TestFailure
from nightly_pipeline.model.reading import (
    Item,
    Tone,
    causes,
    consequences,
    counts_line,
    counts_words,
    duration_s,
    headline,
    items,
    mock_note,
    night_tone,
    notes,
    short_revision,
    tally,
    tests_collected,
    tests_run,
)
from nightly_pipeline.model.report import Report
from nightly_pipeline.model.untrusted import clip, excerpt, visible

_INDEX = "multi_arch_image"
_WHOLE_MESSAGES = 1_000
_LONG_MESSAGE, _SHORT_MESSAGE = 8_000, 600
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


@dataclass(frozen=True)
class Problem:
    """Something that is not good by itself, with its failing tests, those that say the same together."""

    shown: Shown
    message: str
    groups: tuple[SameMessage, ...]
    failing: int


@dataclass(frozen=True)
class Row:
    """One cell of the night in the matrix. `index` is its framework's multi-arch index, on the first row only."""

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
    linked = [Linked(name, safe_address(links.artifact(key))) for name, key in sorted(outcome.artifacts.items())]
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
    """Long messages in full, until there are so many failures that the page would become slow."""
    many = sum(len(item.failures) for item in found) > _WHOLE_MESSAGES
    limit = _SHORT_MESSAGE if many else _LONG_MESSAGE
    return tuple(
        Problem(
            shown=_shown(item, links),
            message=excerpt(item.outcome.message or "", lines=200, characters=_LONG_MESSAGE),
            groups=_grouped(item.failures, limit),
            failing=len(item.failures),
        )
        for item in found
    )


def _grouped(failures: Sequence[TestFailure], limit: int) -> tuple[SameMessage, ...]:
    by_message: dict[str, list[TestFailure]] = {}
    for failure in failures:
        by_message.setdefault(failure.message, []).append(failure)
    return tuple(
        SameMessage(
            excerpt(message, lines=100, characters=limit),
            tuple(one.model_copy(update={"test": clip(visible(one.test), _LONGEST_TEST)}) for one in tests),
        )
        for message, tests in by_message.items()
    )


def _counts(report: Report) -> tuple[tuple[str, str], ...]:
    return (
        ("Images", tally(image.status for image in report.images)),
        ("Publications", tally(publication.status for publication in report.publications)),
        ("Stages", tally(stage.status for stage in report.stages)),
        ("Tests run", counts_words(tests_run(report))),
        ("Tests collected only", f"{tests_collected(report):,}"),
    )
