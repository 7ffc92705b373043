"""The night's page: from a year of history to HTML in a fresh process, then in Chromium until it is painted.

An ordinary night with some failures, and one in which every test fails, each in a year of nights of 13,500 tests and in
one of ten times as many. The bounds are those the project has set itself.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from benchmarks.history import CELLS, LAST, NIGHTS, TESTS, store
from benchmarks.memory import peak_mb
from nightly_pipeline.model.history import TestRow
from nightly_pipeline.model.outcomes import EngineFacts, NightStatus, StageCounts, StageOutcome, TestFailure
from nightly_pipeline.model.report import Report, with_judgement
from nightly_pipeline.page import render_page
from nightly_pipeline.steps.judge import Rules, judge
from nightly_pipeline.steps.past import gather_trends
from nightly_pipeline.tools.history import ParquetHistory

BOUNDS = {TESTS: (3.0, 500), 10 * TESTS: (10.0, None)}
OPENED_WITHIN_S, ROUNDS = 1.0, 5
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_MESSAGE = "AssertionError: assert {number} == 3\n  +  where {number} = measure()\ntests/test_it.py:88: AssertionError"
_PAINTED = """
() => new Promise((done) => requestAnimationFrame(() => setTimeout(() => done(performance.now()), 0)))
"""


def measure(_frameworks: list[str]) -> None:
    """Print seconds, memory, the page's size, and how long Chromium takes to show it."""
    with tempfile.TemporaryDirectory(prefix="nightly-bench-") as folder:
        for tests in BOUNDS:
            _open(_made(Path(folder), tests))


def _made(folder: Path, tests: int) -> list[Path]:
    root = folder / str(tests)
    store(root, tests)
    seconds, megabytes = BOUNDS[tests]
    bound = f"within {seconds:.0f} s" + (f" and {megabytes} MB" if megabytes else "")
    print(f"{NIGHTS} nights of {tests:,} tests; {bound}")
    return [_tell(root, tests, kind, folder / f"{kind}-{tests}.html") for kind in ("ordinary", "disaster")]


def _tell(root: Path, tests: int, kind: str, page: Path) -> Path:
    argv = [sys.executable, "-m", "benchmarks.page", str(root), str(tests), kind, str(page)]
    asked = subprocess.run(argv, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    said = json.loads(asked.stdout)
    print(
        f"  {kind:9} {said['failing']:>7,} failing: page in {said['seconds']:.2f} s "
        f"(judged {said['judged']:.2f}, trends {said['trends']:.2f}, HTML {said['html']:.2f}), "
        f"{said['peak_mb']:.0f} MB peak, {page.stat().st_size / 1e6:.1f} MB of HTML",
        flush=True,
    )
    return page


def _open(pages: list[Path]) -> None:
    """How long until Chromium has painted each page, from a file."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - the page is made without it

    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        print(f"opened in Chromium {browser.version}, within {OPENED_WITHIN_S:.0f} s; median of {ROUNDS}")
        for page in pages:
            times = []
            for _ in range(ROUNDS):
                tab = browser.new_page(viewport={"width": 1400, "height": 900})
                tab.goto(page.as_uri())
                times.append(tab.evaluate(_PAINTED) / 1000)
                elements = tab.evaluate("document.querySelectorAll('*').length")
                tab.close()
            print(f"  {page.stem:18} {statistics.median(times):.2f} s, {elements:,} elements", flush=True)
        browser.close()


def _ask(root: Path, tests: int, kind: str, page: Path) -> None:
    """Make one page in this process: seconds of its parts, and the peak of its memory."""
    history = ParquetHistory(root)
    report = _report(history, tests, kind)
    marks = [time.perf_counter()]
    report = with_judgement(report, judge(report, history, Rules()))
    marks.append(time.perf_counter())
    trends = gather_trends(report, history)
    marks.append(time.perf_counter())
    text = render_page(report, generated_at=datetime.now(UTC), trends=trends)
    marks.append(time.perf_counter())
    page.write_text(text, encoding="utf-8")
    judged, trended, rendered = (after - before for before, after in pairwise(marks))
    said = {
        "failing": sum(len(stage.failures) for stage in report.stages),
        "seconds": marks[-1] - marks[0],
        "judged": judged,
        "trends": trended,
        "html": rendered,
        "peak_mb": peak_mb(),
    }
    print(json.dumps(said))


def _report(history: ParquetHistory, tests: int, kind: str) -> Report:
    """The last night of the history, as it is, or with every test of it failing."""
    date = LAST.isoformat()
    rows = history.tests(date, bad_only=kind == "ordinary")
    by_stage: dict[tuple[str, str, str], list[TestRow]] = {cell: [] for cell in CELLS}
    for row in rows:
        by_stage[row.framework, row.arch, row.stage].append(row)
    each = tests // len(CELLS)
    return Report(
        date=date,
        run_id=f"run-{date}",
        source_revision="9c1d5e0f7a3b",
        status=NightStatus.RED,
        engine="mock",
        profile="local",
        partial=False,
        running=False,
        images=(),
        stages=tuple(_stage(date, cell, own, each) for cell, own in by_stage.items()),
        publications=(),
        started_at=datetime(2026, 11, 20, 8, tzinfo=UTC),
    )


def _stage(date: str, cell: tuple[str, str, str], failing: list[TestRow], each: int) -> StageOutcome:
    framework, arch, name = cell
    failures = tuple(
        TestFailure(test=row.node_id, message=_MESSAGE.format(number=number))
        for number, row in enumerate(failing)
    )
    return StageOutcome(
        date=date,
        run_id=f"run-{date}",
        framework=framework,
        arch=arch,
        stage=name,
        status="failed" if failures else "passed",
        runner="gpu-l40-amd64",
        counts=StageCounts(passed=each - len(failures), failed=len(failures), collected=each),
        failures=failures,
        duration_s=600.0,
        engine=EngineFacts(kind="mock", name="mock-engine", version="0.1.0"),
    )


if __name__ == "__main__":
    _ask(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], Path(sys.argv[4]))
