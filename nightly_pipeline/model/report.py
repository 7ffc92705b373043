"""The report of a night: everything that was planned, each with the newest thing known about it.

Built from two kinds of fact: the outcomes the steps wrote down as they ended, and what the orchestrator knows
of the runs (what was planned, what started, how the run ended). Where there is no outcome the status says
why, and it is never a good one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import Field

from nightly_pipeline.model.history import TestIdentity
from nightly_pipeline.model.judgement import Judgement, TestVerdict
from nightly_pipeline.model.outcomes import (
    GOOD_IMAGE,
    GOOD_PUBLICATION,
    ImageOutcome,
    ImageStatus,
    NightStatus,
    PublicationOutcome,
    PublicationStatus,
    Record,
    StageOutcome,
    StageStatus,
    TestFailure,
)
from nightly_pipeline.model.plan import (
    Key,
    Plan,
    PlannedEntry,
    PlannedImage,
    PlannedStage,
    image_key,
    index_key,
    publication_key,
    stage_key,
)
from nightly_pipeline.model.report_images import about_its_image
from nightly_pipeline.model.verdict import night_status

Outcome = ImageOutcome | StageOutcome | PublicationOutcome


class RunState(StrEnum):
    """How a run stands, whatever the orchestrator calls it."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class RunFacts(Record):
    """What the orchestrator knows about one run of a night.

    Attributes:
        planned: keys of the images, publications, indexes and stages this run set out to do.
        started: keys whose step began.
        rerun_of: the run this one repeats, or None.
        partial: less than the whole table was planned.
    """

    run_id: str
    date: str
    state: RunState
    planned: tuple[Key, ...]
    started: tuple[Key, ...] = ()
    started_at: datetime | None = None
    ended_at: datetime | None = None
    rerun_of: str | None = None
    partial: bool = False


class Report(Record):
    """One night, or one run of it.

    `run_id` is the newest run that is shown. `judgement`, and `incidents` as plain values from it, are there once
    history has been asked. `artifacts` are of the whole night (`junit`, `junit-vllm`, ...): name -> key in the store.
    """

    date: str
    run_id: str
    source_revision: str | None
    status: NightStatus
    engine: Literal["mock", "real"]
    profile: str
    partial: bool
    running: bool
    images: tuple[ImageOutcome, ...]
    stages: tuple[StageOutcome, ...]
    publications: tuple[PublicationOutcome, ...]
    incidents: tuple[dict[str, Any], ...] = ()
    judgement: Judgement | None = None
    runs: tuple[RunFacts, ...] = ()
    started_at: datetime | None = None
    ended_at: datetime | None = None
    artifacts: dict[str, str] = Field(default_factory=dict)


@dataclass(frozen=True)
class Known:
    """Everything on record about a night, oldest run first."""

    runs: Sequence[RunFacts]
    outcomes: Mapping[str, Mapping[Key, Outcome]]  # run id -> key -> outcome
    source_revision: str | None
    # run id -> why it had no commit to build
    source_problems: Mapping[str, str] = field(default_factory=dict)


def key_of(outcome: Outcome) -> Key:
    """The key of the planned entry an outcome belongs to."""
    if isinstance(outcome, ImageOutcome):
        return image_key(outcome.framework, outcome.arch, outcome.kind)
    if isinstance(outcome, StageOutcome):
        return stage_key(outcome.framework, outcome.arch, outcome.stage)
    if outcome.arch is None:
        return index_key(outcome.framework)
    return publication_key(outcome.framework, outcome.arch)


def build_report(date: str, plan: Plan, known: Known) -> Report:
    """Make the report of everything the known runs planned. Runs of other dates must not be among them."""
    newest = {
        entry.key: found for entry in plan.entries if (found := _newest(entry, date, known)) is not None
    }
    planned = {run.run_id: run.planned for run in known.runs}
    outcomes = [about_its_image(key, newest, planned) for key in newest]
    images = tuple(outcome for outcome in outcomes if isinstance(outcome, ImageOutcome))
    stages = tuple(outcome for outcome in outcomes if isinstance(outcome, StageOutcome))
    publications = tuple(outcome for outcome in outcomes if isinstance(outcome, PublicationOutcome))
    return Report(
        date=date,
        run_id=known.runs[-1].run_id,
        source_revision=known.source_revision,
        status=night_status(
            (image.status for image in images),
            (stage.status for stage in stages),
            (publication.status for publication in publications),
        ),
        engine=_engine(plan, (*images, *stages)),
        profile=plan.profile,
        partial=all(run.partial for run in known.runs),
        running=any(run.state is RunState.RUNNING for run in known.runs),
        images=images,
        stages=stages,
        publications=publications,
        runs=tuple(known.runs),
        started_at=_first(run.started_at for run in known.runs),
        ended_at=_last(run.ended_at for run in known.runs),
    )


def with_judgement(report: Report, judgement: Judgement) -> Report:
    """The report with what its past says: each failure gets its verdict, since and incident. No status changes."""
    known = {one.test: one for one in judgement.verdicts}
    return report.model_copy(
        update={
            "judgement": judgement,
            "incidents": tuple(one.model_dump(mode="json") for one in judgement.incidents),
            "stages": tuple(_judged(stage, known) for stage in report.stages),
        }
    )


def _judged(stage: StageOutcome, known: Mapping[TestIdentity, TestVerdict]) -> StageOutcome:
    if not stage.failures:
        return stage
    failures = tuple(_told(failure, known.get(identity_of(stage, failure))) for failure in stage.failures)
    return stage.model_copy(update={"failures": failures})


def _told(failure: TestFailure, verdict: TestVerdict | None) -> TestFailure:
    if verdict is None:
        return failure
    fields = {"verdict": verdict.verdict.value, "since": verdict.since, "incident": verdict.incident}
    return failure.model_copy(update=fields)


def identity_of(stage: StageOutcome, failure: TestFailure) -> TestIdentity:
    """Which test a failure of a stage is, over all nights."""
    return TestIdentity(framework=stage.framework, arch=stage.arch, stage=stage.stage, node_id=failure.test)


def _engine(plan: Plan, outcomes: Iterable[ImageOutcome | StageOutcome]) -> Literal["mock", "real"]:
    """What was in the images, whatever the profile of the reader says; one mock makes it a mock night."""
    kinds = {outcome.engine.kind for outcome in outcomes if outcome.engine}
    return "mock" if "mock" in kinds else "real" if kinds else plan.engine


def _newest(entry: PlannedEntry, date: str, known: Known) -> Outcome | None:
    """The newest result; where no run has one, why the newest run that planned it has none.

    A run that began the entry and ended without a result has one all the same, a bad one: an older, good
    result must not hide it.
    """
    planning = [run for run in reversed(known.runs) if entry.key in run.planned]
    for run in planning:
        outcome = known.outcomes.get(run.run_id, {}).get(entry.key)
        if outcome is not None:
            return outcome
        if entry.key in run.started and run.state is not RunState.RUNNING:
            return _absent(entry, date, run, known)
    return _absent(entry, date, planning[0], known) if planning else None


def _absent(entry: PlannedEntry, date: str, run: RunFacts, known: Known) -> Outcome:
    """An outcome for something planned that left none: it says why, and it is never a good one."""
    started = entry.key in run.started
    blocked_by = [key for key in entry.depends_on if _is_bad(key, run, known)]
    word, message = _why(run, started=started, blocked_by=blocked_by)
    message = known.source_problems.get(run.run_id, message)
    fields: dict[str, Any] = {
        "date": date,
        "run_id": run.run_id,
        "framework": entry.framework,
        "arch": entry.arch,
        "message": message,
    }
    if isinstance(entry, PlannedImage):
        image = ImageStatus({"blocked": "not_run", "died": "failed"}.get(word, word))
        return ImageOutcome(**fields, kind=entry.kind, runner=entry.runner, status=image)
    word = {"died": "infra_error"}.get(word, word)
    if isinstance(entry, PlannedStage):
        stage = StageStatus(word)
        return StageOutcome(**fields, stage=entry.stage, runner=entry.runner, mode=entry.mode, status=stage)
    return PublicationOutcome(**fields, status=PublicationStatus(word))


def _why(run: RunFacts, *, started: bool, blocked_by: Sequence[Key]) -> tuple[str, str]:
    """One word of the vocabulary (or `died`, which each kind spells its own way) and a sentence."""
    if blocked_by and not started:
        return "blocked", f"{'/'.join(blocked_by[0])} is not there"
    if run.state is RunState.RUNNING:
        return "not_run", "running now" if started else "not started yet"
    if run.state is RunState.CANCELLED:
        return "cancelled", "the run was cancelled"
    if started:
        return "died", "its process ended without writing a result"
    return "not_run", "never started; the run ended before it"


def _is_bad(key: Key, run: RunFacts, known: Known) -> bool:
    """Whether something this depends on is known to be not good (an unknown one is not known to be bad).

    What a cancelled run cancelled is not: then this was cancelled with it.
    """
    outcome = known.outcomes.get(run.run_id, {}).get(key)
    if outcome is not None and outcome.status.value == "cancelled" and run.state is RunState.CANCELLED:
        return False
    if isinstance(outcome, ImageOutcome):
        return outcome.status not in GOOD_IMAGE
    if isinstance(outcome, PublicationOutcome):
        return outcome.status not in GOOD_PUBLICATION
    ended = run.state in {RunState.SUCCEEDED, RunState.FAILED}
    return ended and key in run.planned  # ended without a result: what waited for it was blocked by it


def _first(instants: Iterable[datetime | None]) -> datetime | None:
    return min((instant for instant in instants if instant), default=None)


def _last(instants: Iterable[datetime | None]) -> datetime | None:
    return max((instant for instant in instants if instant), default=None)
