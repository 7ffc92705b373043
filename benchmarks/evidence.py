"""From a night's evidence to what is remembered of it: folding 24 stages of 13,500 tests in all, and their rows."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from io import BytesIO

from benchmarks.memory import peak_mb
from nightly_pipeline.model.evidence import fold_events
from nightly_pipeline.model.evidence_rows import rows_of_stage
from nightly_pipeline.model.outcomes import StageOutcome, StageStatus

ROUNDS = 5
STAGES, TESTS = 24, 13_500
PHASES = ("setup", "call", "teardown")


def measure(_frameworks: list[str]) -> None:
    """Print medians and the peak of memory, of a process of its own."""
    subprocess.run([sys.executable, "-m", "benchmarks.evidence"], check=True)


def _measure() -> None:
    stages = [b"".join(_lines(stage)) for stage in range(STAGES)]
    rounds = [_seconds(stages) for _ in range(ROUNDS)]
    fold, rows = (statistics.median(seconds) for seconds in zip(*rounds, strict=True))
    print(f"{TESTS:,} tests, {sum(map(len, stages)) / 1e6:.0f} MB of evidence, median of {ROUNDS}")
    print(f"folding: {fold:.2f} s")
    print(f"rows:    {rows:.2f} s")
    print(f"peak:    {peak_mb():.0f} MB, the evidence included")


def _seconds(stages: list[bytes]) -> tuple[float, float]:
    fold = rows = 0.0
    for stage in stages:
        start = time.perf_counter()
        evidence = fold_events(BytesIO(stage))
        folded = time.perf_counter()
        count = len(rows_of_stage(evidence, _outcome(), "9c1d5e0f"))
        fold, rows = fold + folded - start, rows + time.perf_counter() - folded
        assert count == len(evidence.tests)  # noqa: S101 - a benchmark of something that did its work
    return fold, rows


def _outcome() -> StageOutcome:
    return StageOutcome(
        date="2026-11-20",
        run_id="run",
        framework="vllm",
        arch="amd64",
        stage="unit",
        status=StageStatus.FAILED,
        runner="gpu",
    )


def _lines(stage: int) -> Iterator[bytes]:
    tests = range(TESTS * stage // STAGES, TESTS * (stage + 1) // STAGES)
    yield _line("session", schema=1, python="3.12.1", pytest="8.3.4", machine="x86_64", pid=1)
    for begin in range(tests.start, tests.stop, 500):
        chunk = range(begin, min(begin + 500, tests.stop))
        yield _line("collected", tests=[{"node_id": _node(n), "markers": ["nightly", "unit"]} for n in chunk])
    yield _line("collection", collected=len(tests), deselected=0)
    for number in tests:
        yield _line("start", node_id=_node(number), attempt=1)
        for when in PHASES:
            yield _line("phase", node_id=_node(number), attempt=1, when=when, **_end(number, when))
    yield _line("finish", exit_code=1, lost=0)


def _end(number: int, when: str) -> dict[str, object]:
    if when != "call" or number % 100:
        return {"outcome": "passed", "duration_s": 0.012}
    message = f"assert {number} == 0"
    traceback = "tests/unit/test_module.py:7: in call\n" * 50 + f"E   {message}\n"
    told = {"message": message, "exception": "AssertionError", "longrepr": traceback}
    return {"outcome": "failed", "duration_s": 0.012, **told}


def _node(number: int) -> str:
    return f"tests/unit/test_module_{number // 40}.py::TestIt::test_case[{number}-prompt]"


def _line(event: str, **fields: object) -> bytes:
    return json.dumps({"event": event, "time": 1.0, **fields}).encode() + b"\n"


if __name__ == "__main__":
    _measure()
