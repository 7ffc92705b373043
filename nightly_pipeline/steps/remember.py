"""Puts what became of a night into the history: for each of its runs that ended, the rows of everything it did.

Made from the records alone, so that a summary that is repeated writes the same again, and so that nights can be
remembered later as long as their artifacts are kept.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from nightly_pipeline.errors import NightlyError
from nightly_pipeline.model.history import EntryRow, TestRow
from nightly_pipeline.model.metrics import BuildMetrics, step_seconds
from nightly_pipeline.model.night_rows import entry_rows_of, night_row_of
from nightly_pipeline.model.outcomes import ImageOutcome, StageCounts, StageOutcome
from nightly_pipeline.model.plan import Key, Plan
from nightly_pipeline.model.report import Outcome, Report, RunFacts, RunState, key_of
from nightly_pipeline.steps.evidence import EVIDENCE_ARTIFACT, remembered_tests
from nightly_pipeline.steps.ports import History
from nightly_pipeline.steps.records import NightRecords
from nightly_pipeline.steps.report import gather_report

METRICS_ARTIFACT = "metrics"


@dataclass(frozen=True)
class Remembered:
    """What was put into the history.

    Attributes:
        runs: ids of the runs.
        tests: rows of tests, all runs together.
        gone: runs and stages whose artifacts have been pruned since: what was remembered of them before is kept.
        problems: what could not be remembered, and why; each a sentence.
    """

    runs: tuple[str, ...] = ()
    tests: int = 0
    gone: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    def __str__(self) -> str:
        said = [f"{self.tests} tests of {len(self.runs)} runs are remembered"]
        if self.gone:
            said.append(f"the artifacts of {', '.join(self.gone)} are not kept any more")
        return "; ".join([*said, *self.problems])


def remember(
    date: str, runs: Sequence[RunFacts], plan: Plan, records: NightRecords, history: History
) -> Remembered:
    """Write down each of these runs of a night that has ended.

    A history that cannot be written to is no error: nothing else about a night depends on it. It is told.

    Args:
        date: the night.
        runs: what the orchestrator knows of its runs; one that is still running is left for later.
        plan: of the whole table.
        records: what the runs left behind.
        history: where the rows go.
    """
    done, rows, gone, problems = [], 0, list[str](), list[str]()
    before = _remembered_runs(date, history)
    for run in runs:
        if run.state is RunState.RUNNING or not run.planned:
            continue
        try:
            if run.run_id in before and not records.outcomes(date, run.run_id):
                gone.append(f"run {run.run_id}")
                continue
            tests, missing, unkept = _remember_run(date, run, plan, records, history)
        except NightlyError as error:
            problems.append(f"run {run.run_id} could not be remembered: {error.message}")
        else:
            done.append(run.run_id)
            rows += tests
            gone += missing
            problems += [
                f"the tests of {stage} are not remembered: its evidence could not be kept" for stage in unkept
            ]
    return Remembered(tuple(done), rows, tuple(gone), tuple(problems))


def _remembered_runs(date: str, history: History) -> set[str]:
    try:
        return {night.run_id for night in history.nights(since=date, until=date)}
    except NightlyError:  # writing will say why
        return set()


def _remember_run(
    date: str, run: RunFacts, plan: Plan, records: NightRecords, history: History
) -> tuple[int, list[str], list[str]]:
    """Write one run down; return how many tests that were, stages whose evidence is gone, and where none was kept."""
    report = gather_report(date, plan, [run], records)
    known = set(records.outcomes(date, run.run_id))
    tests, gone, unkept = list[TestRow](), list[StageOutcome](), list[StageOutcome]()
    for stage in report.stages:
        found = remembered_tests(stage, records.store, report.source_revision)
        if found is not None:
            tests += found
        elif EVIDENCE_ARTIFACT in stage.artifacts:
            gone.append(stage)
        elif stage.counts != StageCounts():
            unkept.append(stage)
    tests += _known_before(date, run.run_id, gone, history)
    history.write(night_row_of(report), _entries(report, run, known, records), tests)
    return len(tests), [_label(stage) for stage in gone], [_label(stage) for stage in unkept]


def _label(stage: StageOutcome) -> str:
    return f"{stage.framework}/{stage.arch}/{stage.stage}"


def _known_before(
    date: str, run_id: str, stages: Iterable[StageOutcome], history: History
) -> Iterable[TestRow]:
    """What the history says already of stages whose evidence is gone: artifacts are pruned, the history never."""
    cells = {(stage.framework, stage.arch, stage.stage) for stage in stages}
    if not cells:
        return []
    rows = history.tests(date, run_id=run_id)
    return [row for row in rows if row.source == "night" and (*row.identity.cell, row.stage) in cells]


def _entries(report: Report, run: RunFacts, known: set[Key], records: NightRecords) -> list[EntryRow]:
    outcomes: list[Outcome] = [*report.images, *report.publications, *report.stages]
    by_name = {(one.framework, one.arch, _name(key_of(one))): one for one in outcomes}
    rows = []
    for row in entry_rows_of(report):
        outcome = by_name[row.framework, row.arch, row.name]
        key = key_of(outcome)
        facts: dict[str, object] = {"seen": key in known or key in run.started}
        engine = getattr(outcome, "engine", None)
        if engine is not None:
            facts |= {"engine": f"{engine.name} {engine.version or ''}".strip(), "engine_kind": engine.kind}
        if isinstance(outcome, ImageOutcome):
            facts |= _build_facts(outcome, records)
        rows.append(row.model_copy(update=facts))
    return rows


def _name(key: Key) -> str:
    return key[-1].removesuffix("_tests")


def _build_facts(image: ImageOutcome, records: NightRecords) -> dict[str, object]:
    """What the build's metrics tell; nothing of an image that was not built by this run, or without metrics."""
    key = image.artifacts.get(METRICS_ARTIFACT)
    content = records.store.read(key) if key and image.built_by_run in {None, image.run_id} else None
    if content is None:
        return {}
    try:
        metrics = BuildMetrics.model_validate_json(content)
    except ValidationError:  # cut short, or of another version: the outcome stands without it
        return {}
    return {
        "pushed_bytes": metrics.pushed_bytes,
        "build_wall_s": metrics.wall_s,
        "cache_hit_rate": metrics.hit_rate,
        "build_steps": json.dumps(step_seconds(metrics.build_steps), ensure_ascii=False),
    }
