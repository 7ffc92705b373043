"""What is exported validates, says what the evidence says, and survives whatever tests call themselves."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from junitparser import JUnitXml
from lxml import etree

from nightly_pipeline.model.evidence import StageEvidence, TestOutcome, fold_events
from nightly_pipeline.tools import junit
from nightly_pipeline.tools.junit import read_junit, write_junit
from tests.unit.model.evidence_streams import (
    collected,
    finish,
    line,
    node,
    passing,
    phase,
    ran,
    session,
    start,
)
from tests.unit.tools.junit_schema import validate

Export = Callable[..., Path]


@pytest.fixture
def export(tmp_path: Path) -> Export:
    """Exports evidence to a file that is validated before anybody looks into it."""

    def write(
        evidence: StageEvidence,
        suite: str = "vllm.amd64.unit",
        problem: str | None = None,
        **properties: str,
    ) -> Path:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.xml"
        write_junit(evidence, path, suite=suite, properties=properties, problem=problem)
        validate(path)
        return path

    return write


def everything() -> StageEvidence:
    """A run with every kind of end in it."""
    names = ["good", "bad", "both", "setup", "skip", "xfail", "flaky", "hard", "hang", "later"]
    return fold_events(
        [
            session(
                image={"engine": {"kind": "mock", "name": "vllm", "version": "0.9"}},
                gpus=[{"device": "/dev/nvidia0"}],
            ),
            line(
                "collect_error",
                node_id="tests/test_x.py",
                message="No module named 'x'",
                longrepr="Traceback",
            ),
            *collected(*names),
            *ran("good"),
            *ran(
                "bad",
                "failed",
                message="assert 1 == 2",
                exception="AssertionError",
                longrepr="def..",
                stdout="out",
                stderr="err",
            ),
            phase("both", "setup"),
            phase("both", "call", "failed", message="assert 0", longrepr="call's"),
            phase("both", "teardown", "failed", message="still running", longrepr="teardown's"),
            phase("setup", "setup", "failed", message="no engine"),
            phase("setup", "teardown"),
            *ran("skip", "skipped", message="no GPU"),
            *ran("xfail", "skipped", message="known", wasxfail="known"),
            *ran("flaky", "rerun", message="the first time", exception="OSError", stdout="o", stderr="e"),
            *ran("flaky", attempt=2),
            *ran("hard", "rerun", message="again"),
            *ran("hard", "failed", attempt=2, message="and again"),
            start("hang"),
        ]
    )


def test_every_kind_of_end_is_one_test_case_that_says_so(export: Export):
    report = read_junit(export(everything()))

    assert [(case.name, case.outcome, case.message) for case in report.cases] == [
        ("tests.test_x", TestOutcome.ERROR, "could not be collected: No module named 'x'"),
        ("good", TestOutcome.PASSED, None),
        ("bad", TestOutcome.FAILED, "assert 1 == 2"),
        ("both", TestOutcome.FAILED, "assert 0"),
        ("setup", TestOutcome.ERROR, "no engine"),
        ("skip", TestOutcome.SKIPPED, "no GPU"),
        ("xfail", TestOutcome.SKIPPED, "known"),
        ("flaky", TestOutcome.PASSED, None),
        ("hard", TestOutcome.FAILED, "and again"),
        ("hang", TestOutcome.ERROR, "never ended: the process ended while it was running"),
        ("later", TestOutcome.SKIPPED, "selected, and never started"),
        (junit.THE_RUN, TestOutcome.ERROR, f"the run broke off before its end; {node('hang')} was running"),
    ]
    assert report.cases[3].detail == "call's\n\n[teardown]\nteardown's"


def test_counts_are_those_of_the_test_cases(export: Export):
    suite = next(iter(JUnitXml.fromfile(str(export(everything())))))

    assert (suite.tests, suite.failures, suite.errors, suite.skipped) == (12, 3, 4, 3)
    assert suite.timestamp == "1970-01-01T00:00:01+00:00"


def test_reruns_are_told_as_other_tools_read_them(export: Export):
    root = etree.parse(export(everything()))
    flaky, hard = (root.find(f".//testcase[@name='{name}']") for name in ("flaky", "hard"))

    assert flaky is not None
    assert hard is not None
    assert [child.tag for child in flaky] == ["flakyFailure"]
    assert flaky[0].attrib == {"message": "the first time", "type": "OSError"}
    assert [child.tag for child in flaky[0]] == ["stackTrace", "system-out", "system-err"]
    assert [child.tag for child in hard] == ["failure", "rerunFailure"]
    assert [
        case.repeats for case in read_junit(export(everything())).cases if case.name in ("flaky", "hard")
    ] == [1, 1]


def test_properties_tell_the_run_the_image_and_the_engine(export: Export):
    path = export(everything(), run_id="1f3a9c02", image="localhost:5000/nightly@sha256:0")

    assert dict(read_junit(path).properties) == {
        "engine": "mock vllm 0.9",
        "gpu.0": "/dev/nvidia0",
        "image": "localhost:5000/nightly@sha256:0",
        "machine": "x86_64",
        "pytest": "8.3.4",
        "python": "3.12.1",
        "run_id": "1f3a9c02",
    }


def test_a_run_without_evidence_is_a_file_with_an_error(export: Export):
    [case] = read_junit(export(fold_events(()))).cases

    assert (case.name, case.outcome, case.message) == (
        junit.THE_RUN,
        TestOutcome.ERROR,
        "the run left no evidence",
    )


def test_a_run_that_stopped_itself_says_what_it_left_out(export: Export):
    lines = [session(), *collected("one", "two"), *ran("one"), finish(0)]

    assert read_junit(export(fold_events(lines))).cases[-1].message == "1 selected tests never ran"


def test_a_dry_run_is_a_file_of_skipped_tests_without_an_error(export: Export):
    cases = read_junit(export(fold_events([session(), *collected("one", "two"), finish(0)]))).cases

    assert [case.outcome for case in cases] == [TestOutcome.SKIPPED] * 2


@pytest.mark.parametrize(
    "node_id",
    [
        "tests/test_it.py::test_one",
        "tests/test_it.py::TestIt::test_one[a-b]",
        "test_it.py::test_one[tests/x.py::y]",
        "a.b/test_it.py::TestIt::TestInner::test_one[[x]]",
        "tests/test_it.py::test_one[\U0001f600 <script> & 'quotes\" ]]> tab\tend]",
    ],
)
def test_node_ids_come_back(export: Export, node_id: str):
    [case] = read_junit(export(fold_events([*_as(node_id), finish(0)]))).cases

    assert case.node_id == node_id


def _as(node_id: str) -> list[str]:
    tests = [{"node_id": node_id}]
    phases = [
        line("phase", node_id=node_id, attempt=1, when=when, outcome="passed")
        for when in ("setup", "call", "teardown")
    ]
    return [session(), line("collected", tests=tests), line("collection", collected=1), *phases]


@given(st.lists(st.text(min_size=1, max_size=40), unique=True, max_size=4), st.text(max_size=200))
def test_any_text_at_all_makes_a_valid_file(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], text: str
):
    lines = [session(), *collected(*names)]
    for name in names:
        lines += ran(name, "failed", message=text, exception=text, longrepr=text, stdout=text, stderr=text)
        lines += ran(name, "rerun", attempt=2, message=text, longrepr=text, stdout=text)
    path = tmp_path_factory.mktemp("any") / "junit.xml"

    write_junit(fold_events([*lines, finish(1)]), path, suite=text, properties={"run_id": text})

    validate(path)
    assert len(read_junit(path).cases) == len(names)


def test_characters_that_xml_cannot_hold_are_spelt_out(export: Export):
    names = ["nul\x00", "esc\x1b[31m", "lone\udcff", "\ufffe"]
    lines = [session(), *collected(*names), *(text for name in names for text in ran(name)), finish(0)]

    names = [case.name for case in read_junit(export(fold_events(lines))).cases]

    assert names == ["nul\\x00", "esc#x1B[31m", "lone\\udcff", "#xFFFE"]


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "below" / "junit.xml"
    write_junit(fold_events(passing()), path, suite="s")
    before = path.read_bytes()

    def full_disk(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_junit(everything(), path, suite="s")

    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == ["junit.xml"]


def test_a_stage_that_is_not_good_says_so_where_no_test_does(export: Export):
    problem = "crashed: pytest finished with exit code 0, then the process died of SIGKILL"

    good, whole = read_junit(export(fold_events(passing("one")), problem=problem)).cases

    assert (good.outcome, whole.name, whole.message) == (TestOutcome.PASSED, junit.THE_RUN, problem)
    assert whole.outcome is TestOutcome.ERROR


def test_a_stage_whose_tests_say_that_it_is_not_good_needs_no_more(export: Export):
    evidence = fold_events([session(), *collected("bad"), *ran("bad", "failed"), finish(1)])

    assert [case.name for case in read_junit(export(evidence, problem="failed: 1 failed")).cases] == ["bad"]


def test_a_run_without_an_end_says_what_the_stage_makes_of_it(export: Export):
    evidence = fold_events([session(), *collected("one"), start("one")])

    last = read_junit(export(evidence, problem="timed_out: the deadline passed")).cases[-1]

    assert last.message == (
        f"the run broke off before its end; {node('one')} was running - timed_out: the deadline passed"
    )


WITHOUT_LXML = """
import sys
from pathlib import Path
sys.modules["lxml"] = None
from nightly_pipeline.model.evidence import fold_events
from nightly_pipeline.model.merging import SuiteFile
from nightly_pipeline.tools.junit import merge_suites, write_junit
one, other, merged = (Path(name) for name in sys.argv[1:4])
lines = sys.stdin.read().splitlines()
write_junit(fold_events(lines), one, suite="one", properties={"esc": chr(27), "emoji": chr(0x1F600)})
write_junit(fold_events(lines), other, suite="other")
merge_suites([SuiteFile("one", one), SuiteFile("other", other)], merged)
"""


def test_the_standard_library_will_do_where_lxml_is_not_installed(tmp_path: Path):
    """The library underneath prefers lxml, which only the tests install."""
    paths = [tmp_path / name for name in ("one.xml", "other.xml", "merged.xml")]
    lines = [
        *ran("test_\U0001f600\x1b", "failed", message="<a & b>"),
        *ran("flaky", "rerun"),
        *ran("flaky", attempt=2),
    ]

    subprocess.run(
        [sys.executable, "-c", WITHOUT_LXML, *paths], input="\n".join(lines), text=True, check=True
    )

    for path in paths:
        validate(path)
    assert [len(read_junit(path).cases) for path in paths] == [3, 3, 6]
