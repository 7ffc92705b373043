"""Rows of the history for tests: plausible defaults, nothing random."""

from __future__ import annotations

from typing import Any

from nightly_pipeline.model.history import EntryRow, NightRow, TestResult, TestRow

DAY = "2026-11-20"
NEXT = "2026-11-21"


def row(
    node_id: str = "tests/test_a.py::test_b", result: TestResult = TestResult.PASSED, **fields: Any
) -> TestRow:
    """One test of one run."""
    defaults: dict[str, Any] = {
        "date": DAY,
        "run_id": "one",
        "framework": "vllm",
        "arch": "amd64",
        "stage": "unit",
    }
    return TestRow(node_id=node_id, result=result, **(defaults | fields))


def entry(name: str = "unit", status: str = "passed", **fields: Any) -> EntryRow:
    """One image or stage of one run."""
    defaults: dict[str, Any] = {
        "date": DAY, "run_id": "one", "framework": "vllm", "arch": "amd64", "good": status == "passed",
    }  # fmt: skip
    return EntryRow(name=name, status=status, **(defaults | fields))


def night(**fields: Any) -> NightRow:
    """One run of a night."""
    defaults: dict[str, Any] = {
        "date": DAY, "run_id": "one", "status": "red", "engine_kind": "mock", "profile": "local", "partial": False,
    }  # fmt: skip
    return NightRow(**(defaults | fields))
