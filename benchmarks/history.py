"""The history: a year of nights of 13,500 tests, then ten times the tests. Each question is asked in a fresh process.

The stored nights are made by SQL, as the pipeline leaves them: months that are over packed, the last one a file a run.
Asking includes finding and checking the files; importing the libraries is told apart.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from benchmarks.memory import peak_mb
from nightly_pipeline.model.history import NightRow, TestIdentity, TestResult, TestRow
from nightly_pipeline.tools.history import ParquetHistory
from nightly_pipeline.tools.history_files import ROWS_A_GROUP, run_path, write_parquet
from nightly_pipeline.tools.history_packing import ROWS_A_GROUP as PACKED_GROUP
from nightly_pipeline.tools.history_table import SCHEMA

NIGHTS, TESTS = 365, 13_500
LAST = date(2026, 11, 20)
TONIGHT = LAST + timedelta(days=1)
CELLS = [
    (framework, arch, stage)
    for framework in ("sglang", "trtllm", "vllm")
    for arch in ("amd64", "arm64")
    for stage in ("e2e_multi_gpu", "e2e_single_gpu", "integration", "unit")
]
_TESTS = """
SELECT 'test' AS record, 'night' AS part, day::DATE AS date, 'run-' || day AS run_id, framework, arch, stage,
    'tests/' || stage || '/test_module_' || (test // 40) || '.py::TestThing::test_case_' || test || '[float16]'
        AS node_id,
    CASE WHEN chance % 500 = 0 THEN 'failed' WHEN chance % 50 = 1 THEN 'skipped' ELSE 'passed' END AS result,
    'night' AS source, 1 AS attempts, (chance % 500 = 0)::BIGINT AS failed_attempts,
    (chance % 100000) / 10000.0 AS duration_s,
    CASE WHEN chance % 500 = 0 THEN md5((test % 7)::VARCHAR)[:12] END AS signature,
    CASE WHEN chance % 500 = 0 THEN 'AssertionError: assert ' || test || ' == 3' END AS message,
    'sha256:' || sha256(day || framework || arch) AS image_digest, sha1(day) AS source_revision,
    'gpu-l40-amd64' AS runner, 'mock-engine 0.1.0' AS engine, 'mock' AS engine_kind,
    (day || ' 09:30:00+00')::TIMESTAMPTZ AS finished_at
FROM (
    SELECT *, hash(day, framework, arch, stage, test) AS chance
    FROM (SELECT unnest(range(?)) AS test), cells, (SELECT unnest(?) AS day)
)
UNION ALL BY NAME SELECT * FROM nothing ORDER BY node_id, date
"""
_ENTRIES = """
SELECT 'entry' AS record, 'night' AS part, day::DATE AS date, 'run-' || day AS run_id, framework, arch,
    stage AS name, 'passed' AS status, true AS good, 600.0 AS duration_s, 'mock' AS engine_kind, ? AS passed
FROM cells, (SELECT unnest(?) AS day)
UNION ALL BY NAME SELECT * FROM nothing ORDER BY framework, arch, date
"""
_NIGHTS = """
SELECT 'night' AS record, 'night' AS part, day::DATE AS date, 'run-' || day AS run_id, 'green' AS status,
    'mock' AS engine_kind, 'local' AS profile, false AS partial, (day || ' 08:00:00+00')::TIMESTAMPTZ AS started_at,
    (day || ' 11:00:00+00')::TIMESTAMPTZ AS ended_at
FROM (SELECT unnest(?) AS day)
UNION ALL BY NAME SELECT * FROM nothing ORDER BY date
"""


def measure(_frameworks: list[str]) -> None:
    """Print sizes, seconds and memory, for a year and for ten times the tests."""
    for tests in (TESTS, 10 * TESTS):
        with tempfile.TemporaryDirectory(prefix="nightly-bench-") as folder:
            root = Path(folder)
            start = time.perf_counter()
            store(root, tests)
            files = list(root.rglob("*.parquet"))
            size = sum(path.stat().st_size for path in files) / 1e6
            print(
                f"{NIGHTS} nights of {tests:,} tests: {size:.0f} MB in {len(files)} files"
                f" (made in {time.perf_counter() - start:.0f} s)"
            )
            for name in QUESTIONS:
                _tell(name, root, tests)


def store(root: Path, tests: int) -> None:
    """A year of nights as the pipeline leaves them."""
    days = [(LAST - timedelta(days=ago)).isoformat() for ago in reversed(range(NIGHTS))]
    packed = [day for day in days if day[:7] < LAST.isoformat()[:7]]
    for month in sorted({day[:7] for day in packed}):
        own = [day for day in packed if day[:7] == month]
        write_parquet(root / f"month={month}" / "whole,1.parquet", _rows(own, tests), group=PACKED_GROUP)
    for day in days[len(packed) :]:
        write_parquet(run_path(root, day, f"run-{day}", "night"), _rows([day], tests), group=ROWS_A_GROUP)


def _rows(days: list[str], tests: int) -> Iterator[pa.RecordBatch]:
    """Every row of these nights in the history's order, a cell's stage at a time."""
    each = tests // len(CELLS)
    yield from _made(_ENTRIES, [each, days], CELLS)
    yield from _made(_NIGHTS, [days], CELLS)
    for cell in CELLS:
        yield from _made(_TESTS, [each, days], [cell])


def _made(query: str, values: list[Any], cells: list[tuple[str, str, str]]) -> Iterator[pa.RecordBatch]:
    connection = duckdb.connect(":memory:")
    names = ("framework", "arch", "stage")
    connection.register("cells", pa.table(dict(zip(names, zip(*cells, strict=True), strict=True))))
    connection.register("nothing", SCHEMA.empty_table())
    for batch in connection.sql(query, params=values).to_arrow_reader(65_536):
        yield from pa.Table.from_batches([batch]).select(SCHEMA.names).cast(SCHEMA).to_batches()
    connection.close()


def _tell(name: str, root: Path, tests: int) -> None:
    argv = [sys.executable, "-m", "benchmarks.history", name, str(root), str(tests)]
    asked = subprocess.run(argv, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    said = json.loads(asked.stdout)
    print(f"  {name:44}{said['seconds']:>8.3f} s{said['peak_mb']:>8.0f} MB peak  {said['what']}", flush=True)


def _identity(number: int) -> TestIdentity:
    framework, arch, stage = CELLS[number % len(CELLS)]
    node_id = f"tests/{stage}/test_module_{number // 40}.py::TestThing::test_case_{number}[float16]"
    return TestIdentity(framework=framework, arch=arch, stage=stage, node_id=node_id)


def _tonight(tests: int) -> list[TestRow]:
    return [
        TestRow(
            **_identity(number).model_dump(exclude={"node_id"}),
            node_id=f"{_identity(number % (tests // len(CELLS))).node_id}-{number}",
            date=TONIGHT.isoformat(),
            run_id="tonight",
            result=TestResult.PASSED,
            duration_s=number / 1000,
            image_digest=f"sha256:{number % 6:064}",
            engine_kind="mock",
            finished_at=datetime(2026, 11, 21, 9, 30, tzinfo=UTC),
        )
        for number in range(tests)
    ]


def _write(root: Path, tests: int) -> Callable[[], Any]:
    rows = _tonight(tests)
    night = NightRow(
        date=TONIGHT.isoformat(),
        run_id="tonight",
        status="green",
        engine_kind="mock",
        profile="local",
        partial=False,
    )

    def write() -> list[TestRow]:
        ParquetHistory(root).write(night, [], rows)
        return rows

    return write


def _page(root: Path, _tests: int) -> Callable[[], Any]:
    history, since = ParquetHistory(root), (LAST - timedelta(days=30)).isoformat()

    def ask() -> list[Any]:
        bad = history.tests(LAST.isoformat(), bad_only=True)
        strips = history.of_tests([row.identity for row in bad], since=since)
        return [*history.nights(since=since), *history.entries(since=since), *strips]

    return ask


def _recent(root: Path, _tests: int) -> Callable[[], Any]:
    history, last = ParquetHistory(root), LAST.isoformat()
    month, yesterday = ((LAST - timedelta(days=ago)).isoformat() for ago in (30, 1))
    return lambda: history.of_tests(history.bad_tests(since=yesterday, until=last), since=month)


QUESTIONS: dict[str, Callable[[Path, int], Callable[[], Any]]] = {
    "write tonight's rows": _write,
    "one test's year": lambda root, _tests: lambda: ParquetHistory(root).of_tests([_identity(17)]),
    "all of one night": lambda root, _tests: lambda: ParquetHistory(root).tests(LAST.isoformat()),
    "what the page asks (30 nights, every failure)": _page,
    "bad in two nights, with 30 nights of each": _recent,
    "every night and entry of the year": lambda root, _tests: lambda: ParquetHistory(root).entries(),
}


def _ask() -> None:
    """One question in this process: its seconds, its peak memory, how much came back."""
    name, root, tests = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    ask = QUESTIONS[name](root, tests)
    start = time.perf_counter()
    answer = ask()
    seconds = time.perf_counter() - start
    peak = peak_mb()
    print(json.dumps({"seconds": seconds, "peak_mb": peak, "what": f"{len(answer):,} rows"}))


if __name__ == "__main__":
    _ask()
