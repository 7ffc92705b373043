"""Runs a suite with the plugin in a process of its own, and folds what it wrote."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from nightly_pipeline.evidence_plugin import EVIDENCE_FILE_VARIABLE, PLUGIN_MODULE, plugin_files
from nightly_pipeline.model.evidence import StageEvidence, bounded_lines, fold_events
from nightly_pipeline.model.requests import ContainerResult
from tests.unit.evidence_plugin.cases import Case

BASE_ARGUMENTS = ("-q", "-p", PLUGIN_MODULE, "-p", "no:cacheprovider", "-W", "error")


def lay_out(case: Case, folder: Path) -> Path:
    """Write the suite and the plugin below a folder; return the suite's."""
    suite = folder / "suite"
    for name, content in plugin_files(str(folder / "plugin")).items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(content)
    for name, source in case.files.items():
        path = suite / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8", errors="surrogateescape")
    return suite


def run_case(
    case: Case, folder: Path, *, arguments: tuple[str, ...] = ()
) -> tuple[StageEvidence, ContainerResult, str]:
    """Run a case; return its evidence, the end of its process as a container's, and its output."""
    suite = lay_out(case, folder)
    evidence_file = folder / "evidence.jsonl"
    finished = subprocess.run(
        [sys.executable, "-m", "pytest", *BASE_ARGUMENTS, *case.arguments, *arguments],
        cwd=suite,
        env=environment(folder, evidence_file) | dict(case.environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=550,
        check=False,
    )
    code = finished.returncode if finished.returncode >= 0 else 128 - finished.returncode
    result = ContainerResult(code, timed_out=False, out_of_memory=False, duration_s=1.0, collected=folder)
    return read(evidence_file), result, finished.stdout.decode(errors="replace")


def environment(folder: Path, evidence_file: Path) -> dict[str, str]:
    """The environment a suite runs in: nothing of the test run around it."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{folder / 'plugin'}:{folder / 'suite'}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        EVIDENCE_FILE_VARIABLE: str(evidence_file),
    }


def read(evidence_file: Path) -> StageEvidence:
    """Fold an evidence file; none is an empty evidence."""
    if not evidence_file.exists():
        return fold_events(())
    with evidence_file.open("rb") as stream:
        return fold_events(bounded_lines(stream))
