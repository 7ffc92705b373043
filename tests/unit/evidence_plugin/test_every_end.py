"""Every end a suite can have, run for real in a process, is given its right name."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.evidence_plugin.cases import CASES, Case
from tests.unit.evidence_plugin.checking import check
from tests.unit.evidence_plugin.running import run_case


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_end_has_its_name(case: Case, tmp_path: Path):
    evidence, container, output = run_case(case, tmp_path)

    check(case, evidence, container, tmp_path, output)
