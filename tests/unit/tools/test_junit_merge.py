"""One file of many: everything in it that was in them, and what could not be had named."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from junitparser import JUnitXml
from lxml import etree

from nightly_pipeline.errors import RecordError
from nightly_pipeline.model.evidence import StageEvidence, TestOutcome, fold_events
from nightly_pipeline.model.merging import SuiteFile
from nightly_pipeline.tools.junit import THE_RUN, merge_suites, read_junit, write_junit
from tests.unit.model.evidence_streams import collected, finish, passing, ran, session
from tests.unit.tools.junit_schema import validate

Export = Callable[..., Path]
FAILING = [
    session(),
    *collected("good", "bad", "skipped", "broken"),
    *ran("good"),
    *ran("bad", "failed", message="assert 1 == 2", longrepr="<a> & ]]>\r\n\tb", stdout="out"),
    *ran("skipped", "skipped", message="no GPU"),
    *ran("flaky", "rerun", message="first"),
    *ran("flaky", attempt=2),
    finish(1),
]


@pytest.fixture
def export(tmp_path: Path) -> Export:
    def write(lines: list[str], suite: str = "vllm.amd64.unit", **properties: str) -> Path:
        path = tmp_path / "exports" / f"{suite}.xml"
        write_junit(fold_events(lines), path, suite=suite, properties=properties)
        return path

    return write


@pytest.fixture
def merged(tmp_path: Path) -> Path:
    return tmp_path / "merged" / "junit.xml"


def merge(paths: Iterable[Path], merged: Path) -> None:
    """The files of suites that have nothing else to say."""
    merge_suites([SuiteFile(path.stem, path) for path in paths], merged)


def test_every_suite_is_kept_and_the_counts_are_added_up(export: Export, merged: Path):
    merge([export(passing(), engine="mock"), export(FAILING, "sglang.amd64.unit")], merged)
    validate(merged)
    document = JUnitXml.fromfile(str(merged))

    assert [(suite.name, suite.tests, suite.time) for suite in document] == [
        ("vllm.amd64.unit", 2, 1.5),
        ("sglang.amd64.unit", 6, 3.75),
    ]
    assert (document.tests, document.failures, document.errors, document.time) == (8, 1, 1, 5.25)
    assert {case.suite for case in read_junit(merged).cases} == {"vllm.amd64.unit", "sglang.amd64.unit"}


def test_nothing_of_a_file_is_lost(export: Export, merged: Path):
    one = export(FAILING, run_id="1f3a9c02")
    merge([one], merged)

    assert _tree(merged) == _tree(one)
    assert read_junit(merged) == read_junit(one)


def _tree(path: Path) -> list[object]:
    def told(element: etree._Element) -> list[object]:
        text = None if len(element) else element.text
        return [element.tag, dict(element.attrib), text, [told(child) for child in element]]

    return told(etree.parse(path).getroot()[0])


def test_what_was_merged_can_be_merged(export: Export, merged: Path, tmp_path: Path):
    one, other = export(passing("one"), "one"), export(passing("two"), "two")
    merge([one, other], merged)
    merge([merged], tmp_path / "second.xml")

    assert [case.name for case in read_junit(tmp_path / "second.xml").cases] == ["one", "two"]
    assert (tmp_path / "second.xml").read_bytes() == merged.read_bytes()


def test_merging_nothing_is_an_empty_file(merged: Path):
    merge([], merged)

    validate(merged)
    assert read_junit(merged).cases == ()


@pytest.mark.parametrize(
    "content", [None, b"", b"<testsuites><testsuite", b"<html/>", b"<!DOCTYPE x><testsuite/>"]
)
def test_a_damaged_file_is_named_and_the_others_are_there(
    export: Export, merged: Path, tmp_path: Path, content: bytes | None
):
    damaged = tmp_path / "damaged.xml"
    if content is not None:
        damaged.write_bytes(content)

    merge([export(passing("one"), "before"), damaged, export(passing("two"), "after")], merged)
    validate(merged)

    before, error, after = read_junit(merged).cases
    assert [(case.suite, case.name) for case in (before, after)] == [("before", "one"), ("after", "two")]
    assert (error.suite, error.name, error.outcome) == ("damaged", THE_RUN, TestOutcome.ERROR)
    assert str(damaged) in (error.message or "")


def test_a_merge_that_breaks_off_leaves_nothing(export: Export, merged: Path):
    def suites() -> Iterator[SuiteFile]:
        yield SuiteFile("one", export(passing()))
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        merge_suites(suites(), merged)

    assert list(merged.parent.iterdir()) == []


FOREIGN = """<testsuites><properties><property name="outside" value="of any suite"/></properties>stray
<testsuite name="Outer" tests="1" id="7"> stray <testsuite name="Inner &lt;&quot;&#10;é" tests="1"><testcase name="a"
classname="C" time="1,000.5"><failure message="x&#9;y"><![CDATA[<cut> & paste]]></failure><error>late</error></testcase>
<testcase name="b"><skipped/><!-- a comment --></testcase><?php echo 1 ?><testcase name="c"/></testsuite>
<system-out>two
lines&#13;</system-out></testsuite></testsuites>"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_files_of_any_origin_and_encoding(merged: Path, tmp_path: Path, encoding: str):
    declared = "utf-8" if encoding == "utf-8-sig" else encoding
    one = tmp_path / "foreign.xml"
    one.write_bytes(f'<?xml version="1.0" encoding="{declared}"?>{FOREIGN}'.encode(encoding))

    merge([one], merged)

    root = etree.parse(merged).getroot()
    assert dict(root.attrib) == {"tests": "3", "failures": "1", "errors": "0", "time": "1000.500"}
    [outer] = root
    assert (outer.get("id"), outer[0].get("name"), outer[1].text) == ("7", 'Inner <"\né', "two\nlines\r")
    assert [(case.get("name"), [(part.tag, part.text) for part in case]) for case in outer[0]] == [
        ("a", [("failure", "<cut> & paste"), ("error", "late")]),
        ("b", [("skipped", None)]),
        ("c", []),
    ]


@given(st.text(max_size=100), st.text(max_size=100))
def test_any_text_survives(tmp_path_factory: pytest.TempPathFactory, name: str, text: str):
    folder = tmp_path_factory.mktemp("any")
    lines = [session(), *collected("one"), *ran("one", "failed", message=name, longrepr=text, stdout=text)]
    write_junit(fold_events(lines), folder / "one.xml", suite=name)

    merge([folder / "one.xml"], folder / "merged.xml")

    assert _tree(folder / "merged.xml") == _tree(folder / "one.xml")


def test_suites_that_cannot_be_had_are_named_with_their_reason(export: Export, merged: Path, tmp_path: Path):
    cut = tmp_path / "cut.xml"
    cut.write_bytes(export(FAILING, "sglang.amd64.unit").read_bytes()[:-40])

    merge_suites(
        [
            SuiteFile("vllm.amd64.unit", export(passing("one"))),
            SuiteFile("sglang.amd64.unit", cut),
            SuiteFile("trtllm.amd64.unit", None, "blocked: there is no <image>\x1b"),
            SuiteFile("trtllm.arm64.unit", None),
        ],
        merged,
    )
    validate(merged)

    assert [(case.suite, case.name, case.message) for case in read_junit(merged).cases] == [
        ("vllm.amd64.unit", "one", None),
        ("sglang.amd64.unit", THE_RUN, f"the JUnit file {cut} is cut off or not XML: {_cause(cut)}"),
        ("trtllm.amd64.unit", THE_RUN, "blocked: there is no <image>#x1B"),
        ("trtllm.arm64.unit", THE_RUN, "it left no results"),
    ]
    assert dict(etree.parse(merged).getroot().attrib) == {
        "tests": "4",
        "failures": "0",
        "errors": "3",
        "time": "0.750",
    }


def _cause(path: Path) -> str:
    with pytest.raises(RecordError) as caught:
        read_junit(path)
    return caught.value.message.rpartition("not XML: ")[2]


def test_a_suite_that_is_not_good_says_so_where_no_test_does(export: Export, merged: Path):
    skipped = [session(), *collected("one"), *ran("one", "skipped", message="no GPU"), finish(0)]
    merge_suites(
        [
            SuiteFile("a", export(skipped, "a"), "no_tests: all of 1 test skipped"),
            SuiteFile("b", export(FAILING, "b"), "failed: 1 failed of 5 tests"),
        ],
        merged,
    )
    validate(merged)

    told = [(case.suite, case.message) for case in read_junit(merged).cases if case.name == THE_RUN]
    assert told == [("a", "no_tests: all of 1 test skipped"), ("b", "1 selected tests never ran")]


def test_an_empty_evidence_merges_as_an_error(merged: Path, tmp_path: Path):
    write_junit(StageEvidence(), tmp_path / "one.xml", suite="a")

    merge([tmp_path / "one.xml"], merged)

    [case] = read_junit(merged).cases
    assert (case.outcome, case.message) == (TestOutcome.ERROR, "the run left no evidence")


def test_memory_does_not_grow_with_what_is_merged(merged: Path, tmp_path: Path):
    def peak(cases: int) -> int:
        one = tmp_path / f"{cases}.xml"
        body = "".join(
            f"<testcase classname='c' name='t{n}' time='0.1'><failure>{'x' * 500}</failure></testcase>"
            for n in range(cases)
        )
        one.write_text(f"<testsuite name='s'>{body}</testsuite>")
        del body
        tracemalloc.start()
        try:
            merge([one], merged)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(10)
    assert peak(20_000) < peak(5_000) * 1.2
