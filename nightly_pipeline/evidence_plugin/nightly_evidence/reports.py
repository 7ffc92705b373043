"""What pytest's reports and items say, as plain values."""

from __future__ import annotations

import re
from typing import Any

from .texts import identity, one_line

_marked = re.compile(r"^E\s+(\S.*)$", re.MULTILINE).findall


def message(longrepr: Any) -> str | None:
    """What a person would say about it in one line: the exception, or the reason of a skip."""
    if longrepr is None:
        return None
    if isinstance(longrepr, tuple):
        return one_line(str(longrepr[-1]).removeprefix("Skipped: "))
    crash = getattr(getattr(longrepr, "reprcrash", None), "message", None)
    if crash:
        return one_line(str(crash))
    text = str(longrepr)
    marked = _marked(text[-20_000:])
    return one_line(marked[-1] if marked else text)


def captured(report: Any, stream: str) -> str:
    """What pytest caught of `stdout` or `stderr` in this phase."""
    name = f"Captured {stream} {report.when}"
    return "".join(text for title, text in report.sections if title == name)


def subtest(report: Any) -> str | None:
    """What a subtest calls itself; None for a whole test."""
    context = getattr(report, "context", None)
    return None if context is None else one_line(str(getattr(context, "msg", None) or context)) or "subtest"


def worker(report: Any) -> str | None:
    """The worker process of pytest-xdist a report comes from; None when there is none."""
    worker = getattr(getattr(getattr(report, "node", None), "gateway", None), "id", None)
    return None if worker is None else str(worker)


def markers(item: Any) -> list[str]:
    """Names of a test's markers, its classes' and modules' among them."""
    return sorted({one_line(marker.name, 100) for marker in item.iter_markers()})[:100]


def place(location: Any) -> dict[str, Any]:
    """Where a test's code is; lines count from 1."""
    file, line, _ = location
    return {"file": identity(str(file)), "line": None if line is None else line + 1}


def collected(item: Any) -> dict[str, Any]:
    """A test that was selected."""
    return {"node_id": identity(item.nodeid), **place(item.location), "markers": markers(item)}


def qualified_name(kind: type) -> str:
    """An exception's class, with its module where it is not Python's own."""
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
