"""A whole night by the pipeline against the same work by hand: cold (no layer in any cache), then warm.

Cold is made by a line in the Dockerfiles that no build has seen; downloaded packages stay in the engine's cache for
both. The two take turns, so that what else the machine does meets both.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import yaml

from benchmarks.by_hand import run_by_hand
from nightly_pipeline.model.selection import select
from nightly_pipeline.planning import make_plan
from nightly_pipeline.settings import load_settings

ROOT = Path(__file__).parents[1]
NIGHTLY = ROOT / ".venv" / "bin" / "nightly"


def measure(frameworks: list[str]) -> None:
    """Print seconds and ratios, cold and warm."""
    with tempfile.TemporaryDirectory(prefix="nightly-bench-") as name:
        sides = {side: _Side(Path(name) / side, frameworks) for side in ("pipeline", "by hand")}
        print(f"{'':8}{'pipeline':>12}{'by hand':>12}{'ratio':>8}")
        for round_ in ("cold", "warm"):
            pipeline = _seconds(sides["pipeline"].pipeline)
            by_hand = _seconds(sides["by hand"].by_hand)
            print(f"{round_:8}{pipeline:>10.1f} s{by_hand:>10.1f} s{pipeline / by_hand:>8.2f}", flush=True)


def _seconds(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


class _Side:
    """A copy of the images' sources that shares no layer with the other side, and registries of its own."""

    def __init__(self, folder: Path, frameworks: list[str]) -> None:
        self._folder = folder
        self._source = folder / "source"
        shutil.copytree(
            ROOT / "docker", self._source / "docker", ignore=shutil.ignore_patterns("__pycache__")
        )
        self._salt()
        self._commit()
        self._profile = folder / "bench.yaml"
        self._profile.write_text(yaml.safe_dump(_profile(self._source, frameworks)))

    def pipeline(self) -> None:
        """The night by the pipeline. Its exit code must say green."""
        environment = {**os.environ, "NIGHTLY_HOME": str(self._folder / "home")}
        argv = [str(NIGHTLY), "run", "--profile", str(self._profile), "--plain"]
        subprocess.run(argv, check=True, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)

    def by_hand(self) -> None:
        """The same by hand."""
        settings = load_settings(str(self._profile), root=ROOT)
        run_by_hand(
            settings, make_plan(settings, select(settings.table)), self._source, self._folder / "results"
        )

    def _salt(self) -> None:
        for dockerfile in self._source.glob("docker/*/Dockerfile"):
            text = dockerfile.read_text()
            salted = text.replace(" AS toolbox\n", f" AS toolbox\nENV NIGHTLY_BENCH={uuid.uuid4().hex}\n")
            dockerfile.write_text(salted)

    def _commit(self) -> None:
        identity = ["-c", "user.name=Bench", "-c", "user.email=bench@example.com"]
        for arguments in (
            ["init", "-q", "-b", "main"],
            ["add", "-A"],
            [*identity, "commit", "-q", "-m", "Start"],
        ):
            subprocess.run(["git", *arguments], cwd=self._source, check=True)


def _profile(source: Path, frameworks: list[str]) -> dict[str, object]:
    repository = f"bench-{uuid.uuid4().hex[:8]}"
    return {
        "extends": "local",
        "source": {"repository": str(source), "ref": "main"},
        "registries": {
            "ecr": {"repository": repository, "cache_repository": f"{repository}-cache"},
            "acr": {"repository": repository},
        },
        "table": {
            "frameworks": {name: None for name in ("vllm", "sglang", "trtllm") if name not in frameworks}
        },
    }
