"""The table of endings as docs/evidence.md shows it.

To write it there again: python -m tests.unit.evidence_plugin.table
"""

from __future__ import annotations

from pathlib import Path

from tests.unit.evidence_plugin.case import Case
from tests.unit.evidence_plugin.cases import CASES

PAGE = Path(__file__).parents[3] / "docs" / "evidence.md"
BEGIN, END = "<!-- endings -->\n", "<!-- /endings -->\n"
HEAD = "| ending | stage | passed | failed | skipped | errors | of | named | remembered |\n"
RULE = "|---|---|---:|---:|---:|---:|---:|---|---|\n"


def table() -> str:
    """One row for each case, in the order of the cases."""
    return HEAD + RULE + "".join(map(_row, CASES))


def shown(page: str) -> str:
    """The table a page shows."""
    return page.partition(BEGIN)[2].partition(END)[0]


def _row(case: Case) -> str:
    counts = case.counts
    named = sorted({*case.failures, *case.flaky, *([case.blame] if case.blame else ())})
    cells = (
        case.name.replace("_", " "),
        f"`{case.status.value}`",
        *(str(n) for n in (counts.passed, counts.failed, counts.skipped, counts.errors, counts.collected)),
        ", ".join(f"`{name.removeprefix('test_it.py::')}`" for name in named),
        case.rows and f"`{case.rows}`",
    )
    return f"| {' | '.join(cells)} |\n"


def main() -> None:
    """Write the table into the page."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}{table()}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
