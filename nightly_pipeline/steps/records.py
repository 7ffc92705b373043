"""What a night writes down as it happens, over the artifact store: outcomes, the revision, logs.

Keys are `{date}/{run_id}/{framework}/{arch}/{image or stage}/...`; an index's folder is `multi_arch`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from nightly_pipeline.errors import RecordError
from nightly_pipeline.model.outcomes import (
    GOOD_IMAGE,
    GOOD_PUBLICATION,
    ImageOutcome,
    PublicationOutcome,
    StageOutcome,
)
from nightly_pipeline.model.plan import Key, image_key, publication_key
from nightly_pipeline.model.report import Outcome, key_of
from nightly_pipeline.model.requests import Revision
from nightly_pipeline.model.verdict import is_good
from nightly_pipeline.steps.ports import ArtifactStore

OUTCOME_FILE = "outcome.json"
SOURCE_FILE = "source.json"
SOURCE_PROBLEM_FILE = "source_problem.txt"
BASES_FILE = "bases.json"
_REVISION = TypeAdapter(Revision)
_DOCUMENT = TypeAdapter(dict[str, Any])
_BASES = TypeAdapter(dict[str, str])
_KINDS: dict[str, type[ImageOutcome | StageOutcome | PublicationOutcome]] = {
    "image": ImageOutcome,
    "stage": StageOutcome,
    "publication": PublicationOutcome,
}


@dataclass(frozen=True)
class NightRecords:
    """The records of every night, typed.

    A record that cannot be read (cut short, of another version) counts as absent: unknown is never green.
    """

    store: ArtifactStore

    def folder(self, date: str, run_id: str, key: Key) -> str:
        """Where everything about one entry of one run is kept."""
        *cell, name = key
        where = "/".join(cell) if len(cell) == _CELL_PARTS else f"{'/'.join(cell)}/multi_arch"
        return f"{date}/{run_id}/{where}/{name.removesuffix('_tests')}"

    def write_outcome(self, outcome: Outcome) -> None:
        """Write an outcome down; the last one written for an entry of a run counts."""
        kind = next(name for name, cls in _KINDS.items() if isinstance(outcome, cls))
        document = {"record": kind, **outcome.model_dump(mode="json")}
        folder = self.folder(outcome.date, outcome.run_id, key_of(outcome))
        self.store.write(f"{folder}/{OUTCOME_FILE}", json.dumps(document, indent=2).encode())

    def outcomes(self, date: str, run_id: str) -> dict[Key, Outcome]:
        """Every outcome of one run."""
        found = (self._read(key) for key in self._outcome_keys(f"{date}/{run_id}"))
        return {key_of(outcome): outcome for outcome in found if outcome is not None}

    def outcome(self, date: str, run_id: str, key: Key) -> Outcome | None:
        """The outcome of one entry of one run, or None when none is on record."""
        return self._read(f"{self.folder(date, run_id, key)}/{OUTCOME_FILE}")

    def run_ids(self, date: str) -> list[str]:
        """Runs that left anything on a date."""
        return sorted({key.split("/")[1] for key in self.store.keys(date) if key.count("/") > 1})

    def good_image(
        self, date: str, framework: str, arch: str, kind: str, *, prefer: Sequence[str] = ()
    ) -> ImageOutcome | None:
        """The newest good image of a night, or that of the first of the preferred runs that has one."""
        key = image_key(framework, arch, kind)
        found = [outcome for outcome in self._of(date, key) if isinstance(outcome, ImageOutcome)]
        good = [image for image in found if image.status in GOOD_IMAGE and image.digest]
        return _preferred(good, prefer) or max(good, key=_started, default=None)

    def published(
        self, date: str, framework: str, arch: str, *, prefer: Sequence[str] = ()
    ) -> PublicationOutcome | None:
        """The newest good publication of a cell, or that of the first preferred run that has one."""
        key = publication_key(framework, arch)
        found = [outcome for outcome in self._of(date, key) if isinstance(outcome, PublicationOutcome)]
        good = [outcome for outcome in found if outcome.status in GOOD_PUBLICATION]
        return _preferred(good, prefer) or max(good, key=_started, default=None)

    def newer_night(self, date: str, key: Key) -> str | None:
        """The first later night with a good result of this entry: what moves with the newest night stays there."""
        later = (night.isoformat() for night in self.store.dates() if night.isoformat() > date)
        return next((night for night in later if any(map(_is_good, self._of(night, key)))), None)

    def write_revision(self, date: str, run_id: str, revision: Revision) -> None:
        """Write down the commit a run is built from, unless another step of the run was faster."""
        self.store.write_once(f"{date}/{run_id}/{SOURCE_FILE}", _REVISION.dump_json(revision, indent=2))

    def revision(self, date: str, run_id: str) -> Revision | None:
        """The commit a run is built from, or None when it is not on record.

        Raises:
            RecordError: there is a record, but it cannot be read.
        """
        content = self.store.read(f"{date}/{run_id}/{SOURCE_FILE}")
        if content is None:
            return None
        try:
            return _REVISION.validate_json(content)
        except ValidationError as error:
            raise RecordError(f"the revision on record for run {run_id} cannot be read: {error}") from None

    def write_bases(self, date: str, run_id: str, pinned: Mapping[str, str]) -> None:
        """Write down which digests the base images of a run are pinned to, unless another step was faster."""
        self.store.write_once(f"{date}/{run_id}/{BASES_FILE}", _BASES.dump_json(dict(pinned), indent=2))

    def bases(self, date: str, run_id: str) -> dict[str, str] | None:
        """The digests a run's base images are pinned to, by reference; None when none are on record."""
        content = self.store.read(f"{date}/{run_id}/{BASES_FILE}")
        try:
            return None if content is None else _BASES.validate_json(content)
        except ValidationError:
            return None

    def write_source_problem(self, date: str, run_id: str, message: str) -> None:
        """Write down why the commit of a run could not be had: nothing of the run can start then."""
        self.store.write(f"{date}/{run_id}/{SOURCE_PROBLEM_FILE}", message.encode(errors="backslashreplace"))

    def source_problem(self, date: str, run_id: str) -> str | None:
        """Why the commit of a run could not be had; None when that is not what happened."""
        content = self.store.read(f"{date}/{run_id}/{SOURCE_PROBLEM_FILE}")
        return content.decode(errors="replace") if content else None

    def write_text(self, date: str, run_id: str, key: Key, name: str, text: str) -> str:
        """Keep a text of an entry; return its key in the store."""
        path = f"{self.folder(date, run_id, key)}/{name}"
        self.store.write(path, text.encode(errors="backslashreplace"))
        return path

    def keep_file(self, date: str, run_id: str, key: Key, path: Path) -> str:
        """Keep a file of an entry under its own name; return its key in the store."""
        target = f"{self.folder(date, run_id, key)}/{path.name}"
        self.store.write_file(target, path)
        return target

    def _of(self, date: str, key: Key) -> Iterator[Outcome]:
        """Every outcome of one entry, over all runs of a night."""
        for run_id in self.run_ids(date):
            outcome = self.outcome(date, run_id, key)
            if outcome is not None:
                yield outcome

    def _outcome_keys(self, prefix: str) -> Iterator[str]:
        return (key for key in self.store.keys(prefix) if key.endswith(f"/{OUTCOME_FILE}"))

    def _read(self, key: str) -> Outcome | None:
        content = self.store.read(key)
        try:
            document = _DOCUMENT.validate_json(content or b"")
            return _KINDS[str(document.pop("record"))].model_validate(document)
        except (ValidationError, KeyError):
            return None


_CELL_PARTS = 2
_OutcomeT = TypeVar("_OutcomeT", ImageOutcome, PublicationOutcome)


def _is_good(outcome: Outcome) -> bool:
    return is_good(outcome.status)


def _started(outcome: ImageOutcome | PublicationOutcome) -> float:
    return outcome.started_at.timestamp() if outcome.started_at else 0.0


def _preferred(outcomes: Sequence[_OutcomeT], run_ids: Sequence[str]) -> _OutcomeT | None:
    by_run = {outcome.run_id: outcome for outcome in outcomes}
    return next((by_run[run_id] for run_id in run_ids if run_id in by_run), None)
