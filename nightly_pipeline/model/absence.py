"""Tests that were asked for by name and were not there, and why."""

from __future__ import annotations

from collections.abc import Iterable

from nightly_pipeline.model.evidence_records import CollectError, StageEvidence

NOT_THERE = "the image has no such test, or the stage's markers leave it out"
_EVERYTHING = frozenset({".", "(the whole collection)"})


def why_absent(asked: Iterable[str], evidence: StageEvidence) -> dict[str, str]:
    """Why tests were not even selected: node id -> one line.

    Nothing is said where the collection was not seen whole: what is not in the evidence may have been there.

    Args:
        asked: node ids.
        evidence: of the run that was to select them and no others.
    """
    if evidence.announced is None or evidence.announced != evidence.collected or evidence.overflow:
        return {}
    seen = {test.node_id for test in evidence.tests}
    return {test: _why(test, evidence) for test in asked if test not in seen}


def _why(test: str, evidence: StageEvidence) -> str:
    for error in evidence.collect_errors:
        if _holds(error, test):
            return f"{error.node_id} could not be collected: {error.message}"
    for skip in evidence.collect_skips:
        if _holds(skip, test):
            return f"{skip.node_id} skipped itself: {skip.message}"
    return NOT_THERE


def _holds(place: CollectError, test: str) -> bool:
    """Whether a test is in a class, file or folder."""
    # Older versions of pytest name a package by its `__init__.py`.
    name = place.node_id.removesuffix("/__init__.py")
    return name in _EVERYTHING or test.startswith((f"{name}::", f"{name}/"))
