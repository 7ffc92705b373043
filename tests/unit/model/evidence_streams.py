"""Builds lines of evidence by hand, for tests of what is concluded from them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nightly_pipeline.model.requests import ContainerResult

FILE = "tests/test_it.py"


def line(event: str, **fields: Any) -> str:
    return json.dumps({"event": event, "time": 1.5, **fields})


def session(**fields: Any) -> str:
    return line("session", schema=1, python="3.12.1", pytest="8.3.4", machine="x86_64", pid=7, **fields)


def node(name: str) -> str:
    return f"{FILE}::{name}"


def collected(*names: str) -> list[str]:
    tests = [{"node_id": node(name), "file": FILE, "line": 3, "markers": ["unit"]} for name in names]
    return [line("collected", tests=tests), line("collection", collected=len(names), deselected=0)]


def start(name: str, attempt: int = 1) -> str:
    return line("start", node_id=node(name), attempt=attempt)


def phase(name: str, when: str, outcome: str = "passed", attempt: int = 1, **fields: Any) -> str:
    return line(
        "phase", node_id=node(name), attempt=attempt, when=when, outcome=outcome, duration_s=0.25, **fields
    )


def ran(name: str, outcome: str = "passed", attempt: int = 1, **fields: Any) -> list[str]:
    """A whole run of a test: its set-up, a call that ended so, its tear-down."""
    return [
        start(name, attempt),
        phase(name, "setup", attempt=attempt),
        phase(name, "call", outcome, attempt, **fields),
        phase(name, "teardown", attempt=attempt),
    ]


def finish(exit_code: int, lost: int = 0) -> str:
    return line("finish", exit_code=exit_code, lost=lost)


def passing(*names: str) -> list[str]:
    """A whole run in which everything passes."""
    names = names or ("test_one", "test_two")
    runs = [text for name in names for text in ran(name)]
    return [session(), *collected(*names), *runs, finish(0)]


def without(lines: Iterable[str], event: str) -> list[str]:
    return [text for text in lines if json.loads(text)["event"] != event]


def container(
    exit_code: int | None = 0, *, timed_out: bool = False, out_of_memory: bool = False
) -> ContainerResult:
    return ContainerResult(
        exit_code, timed_out=timed_out, out_of_memory=out_of_memory, duration_s=9.0, collected=Path("unused")
    )
