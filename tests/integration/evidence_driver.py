"""Runs inside a container: each suite in a pytest of its own, two at a time, and keeps how each one ended.

python3 evidence_driver.py CASES.json RESULTS_FOLDER
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import mkdtemp


def main(cases: Path, results: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda case: run(case, results / case["name"]), json.loads(cases.read_text())))


def run(case: dict, folder: Path) -> None:
    folder.mkdir()
    suite = Path(mkdtemp())
    for name, source in case["files"].items():
        (suite / name).parent.mkdir(parents=True, exist_ok=True)
        (suite / name).write_text(source)
    with (folder / "output").open("wb") as output:
        code = subprocess.run(
            [sys.executable, "-m", "pytest", *case["arguments"]],
            cwd=suite,
            env=environment(suite, folder) | case["environment"],
            stdout=output,
            stderr=output,
            check=False,
        ).returncode
    (folder / "exit_code").write_text(str(code if code >= 0 else 128 - code))


def environment(suite: Path, folder: Path) -> dict[str, str]:
    own = dict(os.environ)
    own["PYTHONPATH"] = f"{own['PYTHONPATH']}:{suite}"
    own["NIGHTLY_EVIDENCE_FILE"] = str(folder / "evidence.jsonl")
    return own


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
