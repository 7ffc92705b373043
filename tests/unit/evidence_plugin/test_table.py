"""The page about evidence shows the endings that are tested, and no others."""

from __future__ import annotations

from tests.unit.evidence_plugin.table import PAGE, shown, table


def test_the_page_shows_every_ending_that_is_tested():
    assert shown(PAGE.read_text(encoding="utf-8")) == table(), "python -m tests.unit.evidence_plugin.table"
