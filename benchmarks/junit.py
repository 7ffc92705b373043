"""Merging the JUnit files of a night's 24 stages: ours, and junitparser's as far as it goes, each in its own process.

Then reading a file of 200 MB that somebody else may have written. One case in a hundred failed, with a traceback of
2 kB; files are what `write_junit` writes, in size and shape.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STAGES = 24
SIZES = (13_500, 162_000, 1_000_000)
PARSED_UP_TO = 162_000
"""junitparser holds every file as a tree; a million cases would take it minutes and gigabytes."""
FRAME = "".join(
    f"tests/unit/test_module.py:{line}: in call\n    engine.generate(prompt)\n" for line in range(36)
)
MEASURED = """
import json, sys, time
from pathlib import Path
from benchmarks.memory import peak_mb
{imports}
files, merged = sorted(Path(sys.argv[1]).glob("*.xml")), Path(sys.argv[2])
before, start = peak_mb(), time.perf_counter()
{work}
print(json.dumps([time.perf_counter() - start, peak_mb(), before]))
"""
OURS = MEASURED.format(
    imports="from nightly_pipeline.model.merging import SuiteFile\n"
    "from nightly_pipeline.tools.junit import merge_suites",
    work="merge_suites([SuiteFile(file.stem, file) for file in files], merged)",
)
READING = MEASURED.format(
    imports="from nightly_pipeline.tools.junit import read_junit", work="read_junit(files[0])"
)
JUNITPARSERS = MEASURED.format(
    imports="from junitparser import JUnitXml",
    work="document = JUnitXml()\nfor file in files: document += JUnitXml.fromfile(str(file))\n"
    "document.update_statistics(); document.write(str(merged))",
)


def measure(_frameworks: list[str]) -> None:
    """Print seconds, peaks of memory, and ratios."""
    print(f"{'cases':>9} {'size':>8} {'ours':>9} {'peak':>8} {'junitparser':>13} {'peak':>8} {'ratio':>7}")
    for cases in SIZES:
        with tempfile.TemporaryDirectory(prefix="nightly-bench-") as name:
            _print(cases, Path(name))
    with tempfile.TemporaryDirectory(prefix="nightly-bench-") as name:
        _print_reading(Path(name))


def _print(cases: int, folder: Path) -> None:
    sources = folder / "stages"
    size = _write_stages(cases, sources)
    seconds, peak, _ = _run(OURS, sources, folder / "ours.xml")
    line = f"{cases:>9,} {size / 1e6:>5.0f} MB {seconds:>7.2f} s {peak:>5.0f} MB"
    if cases <= PARSED_UP_TO:
        theirs, their_peak, _ = _run(JUNITPARSERS, sources, folder / "theirs.xml")
        line += f" {theirs:>11.2f} s {their_peak:>5.0f} MB {theirs / seconds:>6.1f}x"
    print(line, flush=True)


def _print_reading(folder: Path) -> None:
    path = folder / "large" / "0.xml"
    path.parent.mkdir()
    text = FRAME * 20
    with path.open("w", encoding="utf-8") as file:
        file.write('<testsuite name="large">')
        for number in range(200_000_000 // len(text)):
            file.write(f'<testcase name="{number}" classname="c"><failure>{text}</failure></testcase>')
        file.write("</testsuite>")
    seconds, peak, before = _run(READING, path.parent, folder / "unused")
    print(
        f"reading {path.stat().st_size / 1e6:.0f} MB: {seconds:.2f} s, {peak - before:.0f} MB more than before"
    )


def _run(program: str, sources: Path, merged: Path) -> list[float]:
    command = [sys.executable, "-c", program, str(sources), str(merged)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return list(json.loads(done.stdout))


def _write_stages(cases: int, folder: Path) -> int:
    folder.mkdir()
    for stage in range(STAGES):
        begin, end = cases * stage // STAGES, cases * (stage + 1) // STAGES
        _write_stage(folder / f"{stage:02}.xml", f"framework.arch.stage_{stage}", range(begin, end))
    return sum(path.stat().st_size for path in folder.iterdir())


def _write_stage(path: Path, suite: str, numbers: range) -> None:
    failures = sum(number % 100 == 0 for number in numbers)
    counts = f'tests="{len(numbers)}" failures="{failures}" errors="0"'
    with path.open("w", encoding="utf-8") as file:
        file.write(f"<?xml version='1.0' encoding='UTF-8'?>\n<testsuites {counts} time=\"1.000\">")
        file.write(f'<testsuite name="{suite}" {counts} skipped="0" time="1.000">')
        file.write(f'<properties><property name="run_id" value="{time.time()}"/></properties>')
        for number in numbers:
            file.write(_case(number))
        file.write("</testsuite></testsuites>")


def _case(number: int) -> str:
    module = f"tests/unit/test_module_{number // 40}.py"
    opened = (
        f'<testcase name="test_case[{number}-prompt]" classname="{module[:-3].replace("/", ".")}.TestIt" '
        f'time="0.012" file="{module}" line="{number % 900}"'
    )
    if number % 100:
        return f"{opened}/>"
    failure = f'<failure message="assert {number} == 0" type="AssertionError">{FRAME}E   assert {number} == 0</failure>'
    return f"{opened}>{failure}</testcase>"
