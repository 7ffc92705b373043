"""Bulk output goes to standard output, which Dagster keeps as the step's log: one context.log call is a database row."""

from __future__ import annotations

import sys


def print_line(line: str) -> None:
    """Write one line to the step's log at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
