"""How much memory a measured process has needed."""

from __future__ import annotations

from pathlib import Path


def peak_mb() -> float:
    """Of this process alone: what `getrusage` tells begins with what its parent had."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))
