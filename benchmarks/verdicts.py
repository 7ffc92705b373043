"""How right the verdicts are, on labelled months of nights; and how long they take against a year of history.

The months are made up, seeded, by tests/labelled: the labels come from hidden causes (breaks, flakes, services that are
away), never from the rules. Thresholds were chosen on the tuned seeds alone; the figures that count are those of the
held-out ones. The harder set has what no rule can tell apart for certain: errors without words that several causes
share, two causes in one test, flakes that come in bursts, nights slow for no reason, nights without reruns.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from benchmarks import history
from benchmarks.memory import peak_mb
from nightly_pipeline.model.history import NightRow, TestResult
from nightly_pipeline.model.judgement import Verdict
from nightly_pipeline.model.quarantine import Quarantine, QuarantineEntry
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
BROKEN = history.LAST + timedelta(days=1)


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
    """A year in real files, and nights of it, each judged by a fresh process."""
    history.store(root, CASES)
    _break_a_framework(root)
    print(
        f"{history.NIGHTS} nights of {CASES:,} cases in Parquet; at most {MOST_SECONDS:.0f} s, {MOST_MEGABYTES} MB"
    )
    print(f"  {'night':<30} {'bad':>6} {'incidents':>9} {'seconds':>8} {'MB':>5} {'MB before':>10}")
    for name, night in (("an ordinary one", history.LAST), ("a whole framework is broken", BROKEN)):
        argv = [sys.executable, "-m", "benchmarks.verdicts", str(root), night.isoformat()]
        done = subprocess.run(argv, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[1])
        bad, incidents, seconds, peak, before = json.loads(done.stdout)
        print(f"  {name:<30} {bad:>6} {incidents:>9} {seconds:>8.2f} {peak:>5.0f} {before:>10.0f}")


def _break_a_framework(root: Path) -> None:
    """One night more, on which every test of one framework fails."""
    past = ParquetHistory(root)
    broken = {"result": TestResult.FAILED, "failed_attempts": 1, "image_digest": "sha256:broken"}
    broken |= {"message": "RuntimeError: engine core died", "signature": "0" * 12}
    tonight = {"date": BROKEN.isoformat(), "run_id": f"run-{BROKEN}"}
    rows = [
        row.model_copy(update=tonight | (broken if row.framework == "vllm" else {}))
        for row in past.tests(history.LAST.isoformat())
    ]
    night = NightRow(**tonight, status="red", engine_kind="mock", profile="local", partial=False)
    past.write(night, [], rows)


def _judge() -> None:
    """Judge one night in this process: bad tests, incidents, seconds, peak memory and that before it."""
    root, night = Path(sys.argv[1]), sys.argv[2]
    quarantine = Quarantine(entries=tuple(_entry(number) for number in range(20)))
    report = report_of(night, [f"run-{night}"], profile="local")
    before, start = peak_mb(), time.perf_counter()
    judgement = judge(report, ParquetHistory(root), Rules(quarantine=quarantine))
    seconds = time.perf_counter() - start
    bad = sum(one.verdict is not Verdict.FIXED for one in judgement.verdicts)
    print(json.dumps([bad, len(judgement.incidents), seconds, peak_mb(), before]))


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
