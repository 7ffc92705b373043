"""How right the verdicts are, on labelled months of nights; and how long they take against a year of history.

The months are made up, seeded, by tests/labelled: the labels come from hidden causes (breaks, flakes, services that are
away), never from the rules. Thresholds were chosen on the tuned seeds alone; the figures that count are those of the
held-out ones. The harder set has what no rule can tell apart for certain: errors without words that several causes
share, two causes in one test, flakes that come in bursts, nights slow for no reason, nights without reruns.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

from benchmarks import history
from benchmarks.memory import peak_mb
from nightly_pipeline.model.history import NightRow, TestResult, TestRow
from nightly_pipeline.model.judgement import Verdict
from nightly_pipeline.model.quarantine import Quarantine, QuarantineEntry
from nightly_pipeline.model.signature import signature_of
from nightly_pipeline.steps.judge import Rules, judge
from nightly_pipeline.tools.history import ParquetHistory
from tests.labelled.causes import make_scenario
from tests.labelled.history import LabelledHistory
from tests.labelled.nights import play
from tests.labelled.score import CLASSES, FIRST_JUDGED, Score, report_of, score

TUNED = tuple(range(201, 206))
HELD_OUT = (*range(11, 16), *range(101, 111))
"""No seed is in both, and no rule was changed for one of these."""
NIGHTS = 30
CASES = 13_500
MOST_SECONDS, MOST_MEGABYTES = 1.0, 500
ROUNDS = 3
BROKEN = history.LAST + timedelta(days=1)
ONE_ERROR = "RuntimeError: engine core died"
BAD_NIGHTS: dict[str, Callable[[TestRow, int], str | None]] = {
    "a whole framework is broken": lambda row, _: ONE_ERROR if row.framework == "vllm" else None,
    "every test fails, one error": lambda _row, _: ONE_ERROR,
    "every test fails, each its own": lambda _row, number: f"KeyError: no {_in_letters(number)}",
}
"""Name -> the error of a test, by its row of the night before and its number; None: it ends as it did then."""


def measure(_frameworks: list[str]) -> None:
    """Print precision and recall of each class, then times."""
    _quality("tuned", TUNED, hard=False)
    for hard in (False, True):
        _quality("held out", HELD_OUT, hard=hard)
    with tempfile.TemporaryDirectory() as folder:
        _year(Path(folder))


def _quality(name: str, seeds: Sequence[int], *, hard: bool) -> None:
    """Precision and recall over some seeds: of all there is, and of what left a trace in the history."""
    began, total = time.perf_counter(), Score()
    for seed in seeds:
        played = play(make_scenario(seed, nights=NIGHTS, hard=hard))
        total.add(score(played, LabelledHistory(played)))
    print(f"{'harder set' if hard else 'set'}, {name}: seeds {', '.join(map(str, seeds))};")
    print(f"{NIGHTS} nights each of {CASES:,} cases, judged from night {FIRST_JUDGED + 1} on;", end=" ")
    print(f"{time.perf_counter() - began:.0f} s in all")
    print(f"  {'':<15} {'':>9} {'':>7} {'':>8} {'':>6} {'':>7}   of what could be known")
    print(
        f"  {'class':<15} {'precision':>9} {'recall':>7} {'right':>8} {'wrong':>6} {'missed':>7} {'precision':>11} "
        f"{'recall':>7}"
    )
    for what in CLASSES:
        counts = f"{total.right[what]:>8} {total.wrong[what]:>6} {total.missed[what]:>7}"
        print(f"  {what:<15} {_figures(total, what, 9)} {counts} {_figures(total.knowable, what, 11)}")


def _figures(total: Score, what: str, width: int) -> str:
    return f"{total.precision(what):>{width}.3f} {total.recall(what):>7.3f}"


def _year(root: Path) -> None:
    """A year in real files, and nights of it, each judged by fresh processes."""
    history.store(root, CASES)
    print(
        f"{history.NIGHTS} nights of {CASES:,} cases in Parquet; median of {ROUNDS}, "
        f"held to {MOST_SECONDS:.0f} s and {MOST_MEGABYTES} MB"
    )
    print(
        f"  {'night':<30} {'bad':>6} {'incidents':>9} {'seconds':>8} {'of the CPU':>10} {'MB':>5} {'MB before':>10}"
    )
    _tell("an ordinary one", root, history.LAST.isoformat())
    for name, error_of in BAD_NIGHTS.items():
        _write_night(root, error_of)
        _tell(name, root, BROKEN.isoformat())


def _tell(name: str, root: Path, night: str) -> None:
    argv = [sys.executable, "-m", "benchmarks.verdicts", str(root), night]
    rounds = [
        json.loads(
            subprocess.run(
                argv, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[1]
            ).stdout
        )
        for _ in range(ROUNDS)
    ]
    bad, incidents, seconds, cpu, peak, before = map(statistics.median, zip(*rounds, strict=True))
    over = "" if seconds <= MOST_SECONDS and peak <= MOST_MEGABYTES else "   over"
    print(
        f"  {name:<30} {bad:>6} {incidents:>9} {seconds:>8.2f} {cpu:>10.2f} {peak:>5.0f} {before:>10.0f}{over}",
        flush=True,
    )


def _write_night(root: Path, error_of: Callable[[TestRow, int], str | None]) -> None:
    """One night more, in the place of the one that was written before it."""
    past = ParquetHistory(root)
    tonight = {"date": BROKEN.isoformat(), "run_id": f"run-{BROKEN}"}
    rows = [
        row.model_copy(update=tonight | _broken(error_of(row, number)))
        for number, row in enumerate(past.tests(history.LAST.isoformat()))
    ]
    night = NightRow(**tonight, status="red", engine_kind="mock", profile="local", partial=False)
    past.write(night, [], rows)


def _broken(error: str | None) -> dict[str, object]:
    if error is None:
        return {}
    ended = {"result": TestResult.FAILED, "failed_attempts": 1, "image_digest": "sha256:broken"}
    return {**ended, "message": error, "signature": signature_of(error)}


def _in_letters(number: int) -> str:
    """A word of its own for each number: of numbers as such an error's signature says nothing."""
    return "".join(chr(ord("g") + int(digit)) for digit in f"{number:06}")


def _judge() -> None:
    """Judge one night in this process: bad tests, incidents, seconds (also of the CPU), peak memory, that before it."""
    root, night = Path(sys.argv[1]), sys.argv[2]
    quarantine = Quarantine(entries=tuple(_entry(number) for number in range(20)))
    report = report_of(night, [f"run-{night}"], profile="local")
    before, start, cpu = peak_mb(), time.perf_counter(), _cpu_s()
    judgement = judge(report, ParquetHistory(root), Rules(quarantine=quarantine))
    seconds, cpu = time.perf_counter() - start, _cpu_s() - cpu
    bad = sum(one.verdict is not Verdict.FIXED for one in judgement.verdicts)
    print(json.dumps([bad, len(judgement.incidents), seconds, cpu, peak_mb(), before]))


def _cpu_s() -> float:
    """The CPU's time that this process has had for its own code, DuckDB's threads included."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_utime


def _entry(number: int) -> QuarantineEntry:
    return QuarantineEntry(
        test=f"tests/unit/test_module_0.py::TestThing::test_case_{number}",
        owner="@team",
        reason="known",
        issue="#1",
        since=history.LAST - timedelta(days=60),
        expires=history.LAST + timedelta(days=60),
    )


if __name__ == "__main__":
    _judge()
