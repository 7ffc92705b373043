"""`make bench`: run the benchmarks and print what they found, with the machine they ran on.

Examples:
    python -m benchmarks.run                           all of them; minutes
    python -m benchmarks.run definitions               one
    python -m benchmarks.run night --framework vllm    a night of one framework instead of all
"""

from __future__ import annotations

import argparse
import os
import platform
from pathlib import Path

from benchmarks import copy, definitions, evidence, history, junit, night, page, verdicts

BENCHMARKS = {
    "definitions": definitions.measure,
    "copy": copy.measure,
    "evidence": evidence.measure,
    "junit": junit.measure,
    "history": history.measure,
    "verdicts": verdicts.measure,
    "page": page.measure,
    "night": night.measure,
}


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("benchmarks", nargs="*", help=f"of {', '.join(BENCHMARKS)}; all when none is named")
    parser.add_argument("--framework", action="append", help="of the night; repeat for more")
    arguments = parser.parse_args()
    unknown = set(arguments.benchmarks) - set(BENCHMARKS)
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    print(f"machine: {os.cpu_count()} cores, {_memory_gib()} GiB, {platform.platform()}")
    for name in arguments.benchmarks or BENCHMARKS:
        print(f"\n== {name}", flush=True)
        BENCHMARKS[name](arguments.framework or ["vllm", "sglang", "trtllm"])


def _memory_gib() -> int:
    lines = (
        Path("/proc/meminfo").read_text().splitlines()
        if Path("/proc/meminfo").exists()
        else ["MemTotal: 0 kB"]
    )
    return round(int(lines[0].split()[1]) / 1024**2)


if __name__ == "__main__":
    main()
