"""What a night's steps and tests add up to, in numbers and in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from nightly_pipeline.model.outcomes import ImageStatus, StageCounts, StageOutcome
from nightly_pipeline.model.report import Report
from nightly_pipeline.model.verdict import Status


def tally(statuses: Iterable[Status]) -> str:
    """`10 built, 1 failed` in the vocabulary's order, of statuses of one kind; `none` when there are none."""
    counted = Counter(statuses)
    vocabulary = type(next(iter(counted), ImageStatus.BUILT))
    return ", ".join(f"{counted[word]} {word.value}" for word in vocabulary if counted[word]) or "none"


def counts_run(report: Report) -> StageCounts:
    """Counts of the stages that ran, added up."""
    return _sum(stage.counts for stage in report.stages if stage.mode == "run")


def count_collected(report: Report) -> int:
    """How many tests dry runs collected."""
    return sum(stage.counts.collected for stage in report.stages if stage.mode == "collect")


def counts_line(stage: StageOutcome) -> str:
    """What a stage's tests did: `36 passed, 2 failed, 1 skipped`; a dry run's is `40 collected`."""
    if stage.mode == "collect":
        return f"{stage.counts.collected:,} collected"
    return counts_words(stage.counts)


def counts_words(counts: StageCounts) -> str:
    """Counts in words, without the zeros; `no tests ran` when all are zero."""
    named = (
        ("passed", counts.passed),
        ("failed", counts.failed),
        ("errors", counts.errors),
        ("skipped", counts.skipped),
    )
    return ", ".join(f"{count:,} {word}" for word, count in named if count) or "no tests ran"


def _sum(counts: Iterable[StageCounts]) -> StageCounts:
    rows = list(counts)
    return StageCounts(**{name: sum(getattr(row, name) for row in rows) for name in StageCounts.model_fields})
