"""Bulk output goes to standard output, which Dagster keeps as the step's log.

One `context.log` call, in contrast, is one row in the database.
"""

from __future__ import annotations

import sys


def print_line(line: str) -> None:
    """Write one line to the step's log at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
