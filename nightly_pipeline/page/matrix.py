"""The night at a glance: a row for each cell, a column for each step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from nightly_pipeline.model.findings import counts_text
from nightly_pipeline.model.judgement import Verdict
from nightly_pipeline.model.outcomes import ImageOutcome, StageOutcome
from nightly_pipeline.model.quantities import bytes_text
from nightly_pipeline.model.reading import Item, Tone
from nightly_pipeline.model.untrusted import short_line
from nightly_pipeline.page.links import Linked

_INDEX = "multi_arch_image"


@dataclass(frozen=True)
class Shown:
    """One image, publication or stage, with what its tests did, its links, and a line for the matrix."""

    item: Item
    counts: str
    links: tuple[Linked, ...]
    brief: str


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
class Matrix:
    """The whole of it. `columns` are the names of the steps that are not the framework's index."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    has_indexes: bool


def brief_of(item: Item, counted: Mapping[str, Counter[Verdict]], *, judged: bool) -> str:
    """What is worth a second line in the matrix: the bad tests, else how many were good, else a size."""
    outcome = item.outcome
    if item.tone is Tone.PENDING:
        return short_line(outcome.message or "", 40)
    if isinstance(outcome, ImageOutcome):
        return bytes_text(outcome.size_bytes) if outcome.size_bytes else ""
    if not isinstance(outcome, StageOutcome):
        return ""
    if outcome.failures:
        bad = outcome.counts.failed + outcome.counts.errors or len(outcome.failures)
        verdicts = counted.get(item.label, Counter()) if judged else Counter()
        known: dict[Verdict, int] = {
            one: number for one, number in verdicts.items() if one is not Verdict.UNKNOWN
        }
        return counts_text(known, judged=True) if sum(known.values()) == bad else f"{bad:,} failing"
    if outcome.mode == "collect":
        return f"{outcome.counts.collected:,} tests" if outcome.counts.collected else ""
    return f"{outcome.counts.passed:,} tests" if outcome.counts.passed else ""


def matrix_of(everything: Sequence[Shown]) -> Matrix:
    """The matrix of a night's steps, in their order."""
    names = dict.fromkeys(one.item.name for one in everything)
    columns = tuple(name for name in names if name != _INDEX)
    return Matrix(columns, tuple(_rows(everything, columns)), has_indexes=_INDEX in names)


def _rows(everything: Sequence[Shown], columns: Sequence[str]) -> Iterator[Row]:
    for framework, group in groupby(everything, key=lambda one: one.item.outcome.framework):
        members = list(group)
        index = next((one for one in members if one.item.name == _INDEX), None)
        arches = list(dict.fromkeys(one.item.outcome.arch for one in members if one.item.outcome.arch))
        for position, arch in enumerate(arches):
            by_name = {one.item.name: one for one in members if one.item.outcome.arch == arch}
            yield Row(
                framework=framework,
                arch=arch,
                steps=tuple(by_name.get(name) for name in columns),
                index=index if position == 0 else None,
                index_rows=len(arches) if position == 0 else 0,
            )
