"""Step processes are forked off a server that has imported what they need."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg

from nightly_pipeline.definitions import build_definitions
from nightly_pipeline.settings import load_settings

ROOT = Path(__file__).parents[2]
# What a step process does before its own work: opens the records, and makes the plan of its run.
STEP = """
import sys
import nightly_pipeline.step_server
there = set(sys.modules)
from pathlib import Path
import dagster as dg
from dagster._core.execution.api import create_execution_plan
from nightly_pipeline.definitions import nightly_job
with dg.DagsterInstance.from_config(sys.argv[1]) as instance:
    assert not instance.get_runs()
    create_execution_plan(dg.reconstructable(nightly_job))
print(*sorted(set(sys.modules) - there))
"""


def test_a_step_imports_nothing_of_weight_again(tmp_path: Path) -> None:
    configuration = (ROOT / "dagster.yaml").read_text().replace(".nightly/", f"{tmp_path}/")
    (tmp_path / "dagster.yaml").write_text(configuration)
    done = subprocess.run(
        [sys.executable, "-c", STEP, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "NIGHTLY_PROFILE": "local"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    imported = done.stdout.split()
    assert [name for name in imported if name.startswith(("sqlalchemy", "alembic", "nightly_pipeline"))] == []
    # Of Dagster's own some 150 otherwise.
    assert len([name for name in imported if name.startswith("dagster")]) < 10


def test_the_steps_of_a_run_are_forked_off_it() -> None:
    executor = build_definitions(load_settings("local")).executor
    assert isinstance(executor, dg.ExecutorDefinition)
    started = executor.apply_config_mapping({"config": {}}).value["config"]["start_method"]
    assert started == {"forkserver": {"preload_modules": ["nightly_pipeline.step_server"]}}
