"""Which commit a night is built from: resolved once, written down, used by every build."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from nightly_pipeline.errors import RecordError
from nightly_pipeline.model.dates import source_instant
from nightly_pipeline.model.requests import Revision
from nightly_pipeline.steps.ports import SourceRepository
from nightly_pipeline.steps.records import NightRecords


@dataclass(frozen=True)
class NightRun:
    """Which run of which night a step belongs to.

    Attributes:
        revision: a commit asked for by name; None is the night's own.
        rerun_of: the run whose commit is repeated.
    """

    date: dt.date
    run_id: str
    today: dt.date
    revision: str | None = None
    rerun_of: str | None = None

    @property
    def partition(self) -> str:
        """The night's date as the records name it."""
        return self.date.isoformat()

    @property
    def image_runs(self) -> tuple[str, ...]:
        """Runs whose images this one prefers: its own, then those of the run it repeats."""
        return (self.run_id, self.rerun_of) if self.rerun_of else (self.run_id,)


def revision_of(run: NightRun, *, repository: SourceRepository, ref: str, records: NightRecords) -> Revision:
    """The commit this run is built from, written down the first time it is asked for.

    A commit asked for by name comes first, then the commit of the run that is repeated, then the head of
    `ref`: now for the current night, at 08:00 UTC of its date for a past one.

    Raises:
        SourceError: the repository or the commit cannot be had.
        RecordError: the run that is repeated has no commit on record.
    """
    on_record = records.revision(run.partition, run.run_id)
    if on_record is not None:
        return on_record
    revision = _decide(run, repository, ref, records)
    records.write_revision(run.partition, run.run_id, revision)
    # Another step of the run may have written first, and seen another head: then its commit is this run's.
    return records.revision(run.partition, run.run_id) or revision


def _decide(run: NightRun, repository: SourceRepository, ref: str, records: NightRecords) -> Revision:
    if run.revision is not None:
        return repository.resolve(run.revision, at=None)
    if run.rerun_of is not None:
        repeated = records.revision(run.partition, run.rerun_of)
        if repeated is None:
            raise RecordError(f"run {run.rerun_of} left no commit on record, so it cannot be repeated on it")
        return repeated
    return repository.resolve(ref, at=_instant(run))


def _instant(run: NightRun) -> dt.datetime | None:
    return source_instant(run.date, today=run.today)
