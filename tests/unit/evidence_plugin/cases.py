"""Test suites that end in every way a suite can end, with what must be concluded from each.

The same table runs here in plain processes and, in tests/integration, in containers.
"""

from __future__ import annotations

from tests.unit.evidence_plugin.case import Case, told
from tests.unit.evidence_plugin.cases_ends import ENDS
from tests.unit.evidence_plugin.cases_hostile import HOSTILE
from tests.unit.evidence_plugin.cases_outcomes import OUTCOMES
from tests.unit.evidence_plugin.cases_selection import SELECTION

__all__ = ["CASES", "Case", "told"]

CASES = (*OUTCOMES, *SELECTION, *ENDS, *HOSTILE)
