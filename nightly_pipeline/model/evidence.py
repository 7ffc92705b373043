"""What a test run in a container left behind, test by test, and what follows from it.

The plugin in the container writes JSON Lines as things happen (`nightly_pipeline.evidence_plugin`). Here they
become one frozen value, `StageEvidence`, and one word, the stage's status. All of it is pure, and all text in
it comes from
inside a container: show it escaped.
"""

from __future__ import annotations

from nightly_pipeline.model.evidence_failures import failures_of
from nightly_pipeline.model.evidence_fold import fold_events
from nightly_pipeline.model.evidence_lines import bounded_lines
from nightly_pipeline.model.evidence_records import (
    Attempt,
    CollectError,
    Gpu,
    Interruption,
    SessionFacts,
    StageEvidence,
    TestOutcome,
    TestRecord,
)
from nightly_pipeline.model.evidence_rule import stage_status

__all__ = [
    "Attempt",
    "CollectError",
    "Gpu",
    "Interruption",
    "SessionFacts",
    "StageEvidence",
    "TestOutcome",
    "TestRecord",
    "bounded_lines",
    "failures_of",
    "fold_events",
    "stage_status",
]
