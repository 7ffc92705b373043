"""A stage's evidence after its night: fetched from the artifacts, folded, turned into what is remembered."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from nightly_pipeline.model.evidence import StageEvidence, fold_events
from nightly_pipeline.model.evidence_rows import rows_of_stage
from nightly_pipeline.model.history import TestRow
from nightly_pipeline.model.outcomes import StageOutcome
from nightly_pipeline.steps.ports import ArtifactStore

EVIDENCE_ARTIFACT = "evidence"
"""The name of the evidence among an outcome's artifacts."""


def kept_evidence(outcome: StageOutcome, store: ArtifactStore) -> StageEvidence | None:
    """A stage's evidence, folded in memory that does not grow with what its tests printed.

    Returns:
        None when it is not kept: the stage never ran, or its artifacts have been pruned since. An empty evidence, in
        contrast, is that of a stage that ran and wrote nothing down.

    Raises:
        NightlyError: the store could not be asked.
    """
    key = outcome.artifacts.get(EVIDENCE_ARTIFACT)
    if key is None:
        return None
    with TemporaryDirectory(prefix="nightly-evidence-") as folder:
        copy = Path(folder) / "evidence.jsonl"
        if not store.read_file(key, copy):
            return None
        with copy.open("rb") as lines:
            return fold_events(lines)


def remembered_tests(
    outcome: StageOutcome, store: ArtifactStore, revision: str | None
) -> list[TestRow] | None:
    """What the history remembers of a stage's tests; None when its evidence is not kept (see `kept_evidence`).

    Args:
        outcome: the stage.
        store: where its evidence is.
        revision: the commit its image was built from.

    Raises:
        NightlyError: the store could not be asked.
    """
    evidence = kept_evidence(outcome, store)
    return None if evidence is None else rows_of_stage(evidence, outcome, revision)
