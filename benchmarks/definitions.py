"""How long Dagster waits for the code location: a fresh process that imports the definitions and resolves the jobs."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

ROUNDS = 5
PROGRAM = "import nightly_pipeline.definitions as d; d.nightly_job()"
FLOOR = "import dagster"


def measure(_frameworks: list[str]) -> None:
    """Print medians, and how much of it is Dagster's own import."""
    ours, floor = _median(PROGRAM), _median(FLOOR)
    print(f"definitions loaded and resolved: {ours:.2f} s, median of {ROUNDS} fresh processes")
    print(f"importing Dagster alone:         {floor:.2f} s")
    print(f"ratio:                           {ours / floor:.2f}")


def _median(program: str) -> float:
    return statistics.median(_seconds(program) for _ in range(ROUNDS))


def _seconds(program: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True)
    return time.perf_counter() - start
