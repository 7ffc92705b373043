"""Our export beside the one pytest writes itself, for runs in which pytest's own tells the truth."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree

from nightly_pipeline.tools.junit import read_junit, write_junit
from tests.unit.evidence_plugin.cases import CASES, Case
from tests.unit.evidence_plugin.running import run_case

SCHEMA = etree.XMLSchema(etree.parse(Path(__file__).parents[1] / "tools" / "junit_xunit1.xsd"))
ALIKE = (
    "clean_pass",
    "failure",
    "error_in_setup",
    "error_in_teardown",
    "expected_failures",
    "everything_skipped",
)
CHOSEN = [case for case in CASES if case.name in ALIKE]


@pytest.mark.parametrize("case", CHOSEN, ids=lambda case: case.name)
def test_both_name_the_same_tests_with_the_same_ends(case: Case, tmp_path: Path):
    theirs, ours = tmp_path / "theirs.xml", tmp_path / "ours.xml"
    arguments = (f"--junitxml={theirs}", "-o", "junit_family=xunit1")
    evidence, _, output = run_case(case, tmp_path, arguments=arguments)
    write_junit(evidence, ours, suite="pytest")

    for path in (theirs, ours):
        SCHEMA.assertValid(etree.parse(path))
    assert _told(ours) == _told(theirs), output


@pytest.mark.parametrize("case", CHOSEN, ids=lambda case: case.name)
def test_an_import_of_what_pytest_writes_by_default_is_of_the_same_tests(case: Case, tmp_path: Path):
    theirs = tmp_path / "theirs.xml"
    evidence, _, output = run_case(case, tmp_path, arguments=(f"--junitxml={theirs}",))

    found = {read.node_id: read.outcome for read in read_junit(theirs).cases}
    assert found == {test.node_id: test.outcome for test in evidence.tests}, output


def _told(path: Path) -> list[tuple[str, str, str]]:
    return [(case.classname, case.name, case.outcome) for case in read_junit(path).cases]
