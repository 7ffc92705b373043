"""What is done again when a run is repeated."""

from __future__ import annotations

from nightly_pipeline.model.plan import Key, Plan
from nightly_pipeline.model.report import Outcome, Report, key_of
from nightly_pipeline.model.verdict import is_good


def keys_to_repeat(plan: Plan, report: Report, *, failed_only: bool) -> list[Key]:
    """Keys of what a run is repeated with, in the order of the plan.

    Args:
        plan: the whole table's.
        report: of the run.
        failed_only: only what was not good, and what waits for it; else everything the run had.
    """
    outcomes: list[Outcome] = [*report.images, *report.publications, *report.stages]
    chosen = {key_of(outcome) for outcome in outcomes if not failed_only or not is_good(outcome.status)}
    planned = {key_of(outcome) for outcome in outcomes}
    for entry in plan.entries:  # in the order it can happen, so what waits for a repeated one is repeated too
        if entry.key in planned and chosen.intersection(entry.depends_on):
            chosen.add(entry.key)
    return [entry.key for entry in plan.entries if entry.key in chosen]
