"""The report of a night: gathered from the records, kept beside them, told to the team."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

from nightly_pipeline.errors import RecordError
from nightly_pipeline.model.plan import Plan
from nightly_pipeline.model.report import Known, Report, RunFacts, build_report
from nightly_pipeline.steps.merged_junit import merged_junit
from nightly_pipeline.steps.records import NightRecords

REPORT_JSON = "report.json"
REPORT_MARKDOWN = "report.md"
REPORT_PAGE = "report.html"


def gather_report(date: str, plan: Plan, runs: Sequence[RunFacts], records: NightRecords) -> Report:
    """The report of these runs of one night, oldest first.

    Raises:
        RecordError: no run of that date is on record, or the runs planned nothing of the table.
    """
    relevant = [run for run in runs if run.planned]
    if not relevant:
        raise RecordError(
            f"no run is on record for the night of {date}", next_step=f"Start one: nightly run --date {date}"
        )
    known = Known(
        runs=relevant,
        outcomes={run.run_id: records.outcomes(date, run.run_id) for run in relevant},
        source_revision=_revision(date, relevant, records),
        source_problems=_source_problems(date, relevant, records),
    )
    report = build_report(date, plan, known)
    return report.model_copy(update={"artifacts": merged_junit(date, report.run_id, records.store)})


def keep_documents(report: Report, documents: Mapping[str, str], records: NightRecords) -> dict[str, str]:
    """Keep the report's documents (name -> text) in the run's folder; return where a person finds each."""
    folder = f"{report.date}/{report.run_id}"
    for name, text in documents.items():
        records.store.write(f"{folder}/{name}", text.encode())
    return {name: records.store.location(f"{folder}/{name}") for name in documents}


def _source_problems(date: str, runs: Sequence[RunFacts], records: NightRecords) -> dict[str, str]:
    found = ((run.run_id, records.source_problem(date, run.run_id)) for run in runs)
    return {run_id: problem for run_id, problem in found if problem}


def _revision(date: str, runs: Sequence[RunFacts], records: NightRecords) -> str | None:
    """The commit of the newest run that has one on record. A damaged record leaves the report as it is."""
    for run in reversed(runs):
        with suppress(RecordError):
            revision = records.revision(date, run.run_id)
            if revision is not None:
                return revision.label
    return None
