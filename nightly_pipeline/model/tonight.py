"""The results of a night that is judged: what is remembered of it, and what only its report knows."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from nightly_pipeline.model.history import TestResult, TestRow
from nightly_pipeline.model.outcomes import StageOutcome, StageStatus, TestFailure
from nightly_pipeline.model.report import Report, identity_of
from nightly_pipeline.model.signature import signature_of

_CAME_TO_ITS_END = frozenset({StageStatus.PASSED, StageStatus.FAILED})


def rows_of_tonight(report: Report, remembered: Iterable[TestRow]) -> list[TestRow]:
    """The rows of the runs that the report shows, and of failures of which nothing is remembered."""
    shown = {run.run_id for run in report.runs} or {report.run_id}
    rows = [row for row in remembered if row.source != "night" or row.run_id in shown]
    rows = _still_there(rows, report)
    known = {row.identity for row in rows} if any(stage.failures for stage in report.stages) else set()
    return [
        *rows,
        *(
            _row(report, stage, failure)
            for stage in report.stages
            for failure in stage.failures
            if identity_of(stage, failure) not in known
        ),
    ]


def _still_there(rows: list[TestRow], report: Report) -> list[TestRow]:
    """Without the tests that the newest run of their stage, which came to its end, does not have any more.

    A test that was removed between two runs of a night has no result that counts. Where a run was stopped before it
    came to a test, the earlier result stands.
    """
    newest = {
        (stage.framework, stage.arch, stage.stage): stage.run_id
        for stage in report.stages
        if stage.status in _CAME_TO_ITS_END
    }
    there = {_name(row) for row in rows if newest.get(_place(row)) == row.run_id}
    known = {name[:3] for name in there}
    return [row for row in rows if _name(row) in there or _place(row) not in known]


def _name(row: TestRow) -> tuple[str, str, str, str]:
    """Its identity, as what is quick to make: a night has ten thousand rows."""
    return row.framework, row.arch, row.stage, row.node_id


def _place(row: TestRow) -> tuple[str, str, str]:
    return row.framework, row.arch, row.stage


def _row(report: Report, stage: StageOutcome, failure: TestFailure) -> TestRow:
    return TestRow(
        date=report.date,
        run_id=stage.run_id,
        framework=stage.framework,
        arch=stage.arch,
        stage=stage.stage,
        node_id=failure.test,
        result=TestResult.FAILED,
        failed_attempts=1,
        signature=signature_of(failure.message),
        message=failure.message,
        image_digest=stage.image_digest,
        source_revision=report.source_revision,
        runner=stage.runner,
        engine_kind=stage.engine.kind if stage.engine else report.engine,
        finished_at=stage.started_at and stage.started_at + timedelta(seconds=stage.duration_s),
    )
