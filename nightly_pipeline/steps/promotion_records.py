"""The record of every promotion, over the artifact store: written once, kept for good."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ValidationError

from nightly_pipeline.model.promotion import PromotionRecord
from nightly_pipeline.model.tags import short_run_id
from nightly_pipeline.steps.ports import ArtifactStore

FOLDER = "promotions"
"""Beside the nights' folders, not in one: pruning, which goes by nights, never touches it."""


@dataclass(frozen=True)
class PromotionRecords:
    """Keys are `promotions/{framework}/{instant}-{run}.json`, so they sort by time.

    A record that cannot be read counts as absent; the registries' own annotations still say what was promoted.
    """

    store: ArtifactStore

    def write(self, record: PromotionRecord) -> str:
        """Write a record down and return its key. Two of one instant both stay."""
        instant = record.when.strftime("%Y%m%dT%H%M%S.%fZ")
        stem = f"{FOLDER}/{record.framework}/{instant}-{short_run_id(record.run_id)}"
        content, attempt, key = record.model_dump_json(indent=2).encode(), 0, f"{stem}.json"
        while not self.store.write_once(key, content):
            attempt += 1
            key = f"{stem}-{attempt}.json"
        return key

    def of(self, framework: str) -> list[PromotionRecord]:
        """Every promotion of a framework, oldest first."""
        found = (self._read(key) for key in self.store.keys(f"{FOLDER}/{framework}"))
        return sorted((record for record in found if record is not None), key=lambda record: record.when)

    def current(self, framework: str) -> PromotionRecord | None:
        """The last promotion that was seen to be complete; None when there is none."""
        return next((record for record in reversed(self.of(framework)) if record.complete), None)

    def of_night(self, framework: str, date: str) -> PromotionRecord | None:
        """The newest complete promotion of this night's images; None when it never was promoted."""
        done = [record for record in self.of(framework) if record.complete and record.date == date]
        return done[-1] if done else None

    def _read(self, key: str) -> PromotionRecord | None:
        try:
            return PromotionRecord.model_validate_json(self.store.read(key) or b"")
        except ValidationError:
            return None
