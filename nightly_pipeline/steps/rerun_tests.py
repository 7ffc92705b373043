"""Running some tests of a stage again, on any image: what confirming reruns and searches are made of.

Nothing of the night's own results is touched: what is found are rows for the history, with their own source.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

from nightly_pipeline.errors import NightlyError
from nightly_pipeline.model.absence import why_absent
from nightly_pipeline.model.evidence_rows import rows_of_stage
from nightly_pipeline.model.history import Source, TestRow
from nightly_pipeline.model.masking import masked
from nightly_pipeline.model.outcomes import StageOutcome, StageStatus
from nightly_pipeline.steps.ports import LineSink
from nightly_pipeline.steps.stages import EVIDENCE_FILE, LOG_FILE, StageRun, StageTools, conduct


@dataclass(frozen=True)
class Rerun:
    """What became of the tests that were run again.

    Attributes:
        rows: one for each test that was selected or run; none when nothing could be run.
        status: as a stage's: `infra_error` where nobody knows anything.
        artifacts: name -> key in the artifact store, of log and evidence.
        error: why nothing could be run; None where a container ran.
        absent: node id -> why it was not among the tests that were collected; the others ran all the same.
    """

    rows: tuple[TestRow, ...]
    status: StageStatus
    message: str | None
    artifacts: dict[str, str]
    error: NightlyError | None = None
    absent: Mapping[str, str] = field(default_factory=dict)

    def why_not(self, test: str) -> str:
        """Why there is no row that tells of a test that was asked for."""
        return self.absent.get(test) or self.message or self.status.value


@dataclass(frozen=True)
class Purpose:
    """Why tests run again.

    Attributes:
        source: the word for it; the rows say it.
        folder: where log and evidence are kept in the artifact store.
        revision: the commit the image was built from, as far as it is known.
    """

    source: Source
    folder: str
    revision: str | None = None


def rerun_tests(run: StageRun, tools: StageTools, log: LineSink, purpose: Purpose) -> Rerun:
    """Run the tests that `run.only` names in `run.image`, once.

    Args:
        run: with at least one node id, and an image that has a digest.
        tools: with a workspace of this rerun's own.
        log: takes the container's output.
        purpose: goes into the rows, and says where things are kept.
    """
    try:
        done = conduct(run, tools, log)
    except NightlyError as error:
        secrets = [value.get_secret_value() for value in tools.environment.values()]
        said = masked(str(error), secrets)
        return Rerun((), StageStatus.INFRA_ERROR, said, _kept(tools, purpose.folder), error)
    stage = _outcome(run, done.status, done.duration_s)
    found = rows_of_stage(done.evidence, stage, purpose.revision)
    rows = (row.model_copy(update={"source": purpose.source}) for row in found)
    absent = why_absent(run.only, done.evidence)
    return Rerun(tuple(rows), done.status, done.message, _kept(tools, purpose.folder), absent=absent)


def in_time(run: StageRun, seconds: float) -> StageRun:
    """The run with a deadline of its own, never later than its stage's."""
    planned = run.planned
    return replace(run, planned=planned.model_copy(update={"timeout_s": min(planned.timeout_s, seconds)}))


def _outcome(run: StageRun, status: StageStatus, duration_s: float) -> StageOutcome:
    planned, image = run.planned, run.image
    return StageOutcome(
        date=run.date,
        run_id=run.run_id,
        framework=planned.framework,
        arch=planned.arch,
        stage=planned.stage,
        status=status,
        runner=planned.runner,
        mode=planned.mode,
        duration_s=duration_s,
        image_digest=image.digest if image else None,
        engine=image.engine if image else None,
    )


def _kept(tools: StageTools, folder: str) -> dict[str, str]:
    """Keep log and evidence, as far as they are there and can be kept."""
    kept: dict[str, str] = {}
    for name, file in (("evidence", EVIDENCE_FILE), ("log", LOG_FILE)):
        path = tools.workspace / file
        if path.is_file():
            with suppress(NightlyError, OSError):
                tools.records.store.write_file(f"{folder}/{file}", path)
                kept[name] = f"{folder}/{file}"
    return kept
