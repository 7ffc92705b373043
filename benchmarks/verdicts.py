"""How right the verdicts are, on labelled months of nights; and how long they take against a year of history.

The months are made up, seeded, by tests/labelled: the labels come from hidden causes (breaks, flakes, services that are
away), never from the rules. The harder set has what no rule can tell apart for certain: errors without words that
several causes share, two causes in one test, services that are back before the rerun, nights slow for no reason.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from nightly_pipeline.model.history import EntryRow, NightRow
from nightly_pipeline.tools.history import ParquetHistory
from tests.labelled.causes import Cause, make_scenario
from tests.labelled.history import LabelledHistory
from tests.labelled.nights import Played, play
from tests.labelled.score import CLASSES, FIRST_JUDGED, Score, score

SEEDS = (11, 12, 13, 14, 15)
NIGHTS = 30
YEAR = 365
MOST_SECONDS, MOST_MEGABYTES = 1.0, 500
_JUDGE_ONE = """
import resource, sys, time
from pathlib import Path
from nightly_pipeline.steps.judge import Rules, judge
from nightly_pipeline.tools.history import ParquetHistory
from tests.labelled.score import report_of
night = int(sys.argv[2])
history = ParquetHistory(Path(sys.argv[1]))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
began = time.perf_counter()
judgement = judge(report_of(night), history, Rules())
seconds = time.perf_counter() - began
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
bad = sum(one.verdict.value != "fixed" for one in judgement.verdicts)
print(f"{bad},{len(judgement.incidents)},{seconds:.2f},{peak // 1024},{before // 1024}")
"""


def measure(_frameworks: list[str]) -> None:
    """Print precision and recall of each class, then times."""
    for hard in (False, True):
        _quality(hard=hard)
    with tempfile.TemporaryDirectory() as folder:
        _year(Path(folder))


def _quality(*, hard: bool) -> None:
    began, total = time.perf_counter(), Score()
    for seed in SEEDS:
        played = play(make_scenario(seed, nights=NIGHTS, hard=hard))
        total.add(score(played, LabelledHistory(played)))
    name = "harder set" if hard else "set"
    print(f"{name}: seeds {', '.join(map(str, SEEDS))}; {NIGHTS} nights each of 13,500 cases,")
    print(f"judged from night {FIRST_JUDGED + 1} on; {time.perf_counter() - began:.0f} s in all")
    print(f"  {'class':<12} {'precision':>9} {'recall':>7} {'right':>8} {'wrong':>6} {'missed':>7}")
    for what in CLASSES:
        figures = f"{total.precision(what):>9.3f} {total.recall(what):>7.3f}"
        print(f"  {what:<12} {figures} {total.right[what]:>8} {total.wrong[what]:>6} {total.missed[what]:>7}")


def _year(folder: Path) -> None:
    """A year in real files; nights judged by a fresh process each."""
    scenario = make_scenario(SEEDS[0], nights=YEAR)
    everything = frozenset(key for key in scenario.suite.keys if key[0] == "vllm")
    broken = Cause("vllm is broken", "break", everything, "RuntimeError: engine core died", begins=YEAR - 1)
    played = play(replace(scenario, causes=(*scenario.causes, broken), reused=frozenset()))
    _write(played, folder)
    print(
        f"{len(played.nights)} nights of 13,500 cases in Parquet; at most {MOST_SECONDS:.0f} s, {MOST_MEGABYTES} MB"
    )
    print("  night                       bad tests  incidents  seconds  MB at most  (before)")
    for name, night in (("an ordinary one", YEAR - 2), ("a whole framework is broken", YEAR - 1)):
        argv = [sys.executable, "-c", _JUDGE_ONE, str(folder), str(night)]
        done = subprocess.run(argv, check=True, capture_output=True, text=True)
        bad, incidents, seconds, peak, before = done.stdout.strip().split(",")
        print(f"  {name:<27} {bad:>9}  {incidents:>9}  {seconds:>7}  {peak:>10}  {before:>8}")


def _write(played: Played, folder: Path) -> None:
    made, history = LabelledHistory(played), ParquetHistory(folder)
    for row in made.nights():
        tests = made.tests(row.date)
        for run_id in sorted({test.run_id for test in tests}):
            entries: list[EntryRow] = (
                made.entries(since=row.date, until=row.date) if run_id == row.run_id else []
            )
            night = NightRow.model_copy(row, update={"run_id": run_id})
            history.write(night, entries, [test for test in tests if test.run_id == run_id])
