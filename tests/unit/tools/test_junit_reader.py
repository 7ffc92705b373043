"""JUnit files of any origin: read when they can be, refused in plain words when not."""

from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightly_pipeline.errors import RecordError
from nightly_pipeline.model.evidence import TestOutcome
from nightly_pipeline.tools import junit_reader, junit_walk
from nightly_pipeline.tools.junit import THE_RUN, read_junit

PYTEST = """<?xml version="1.0" encoding="utf-8"?><testsuites name="pytest tests"><testsuite name="pytest"
errors="1" failures="1" skipped="1" tests="4" time="0.1" timestamp="2026-11-20T08:00:00+00:00" hostname="h">
<properties><property name="engine" value="mock"/></properties>
<testcase classname="tests.test_a.TestIt" name="test_ok[1]" file="tests/test_a.py" line="3"
time="0.001"/>
<testcase classname="tests.test_a" name="test_bad" time="0.001">
<failure message="assert 1 == 2">def test_bad</failure>
<system-out>noise</system-out></testcase>
<testcase classname="tests.test_a" name="test_err" time="0.1">
<error message="failed on setup">E</error></testcase>
<testcase classname="tests.test_a" name="test_skip" time="0">
<skipped type="pytest.skip" message="no GPU"/></testcase>
</testsuite></testsuites>"""
SUREFIRE = """<testsuite name="suite" tests="1"><testcase classname="C" name="flaky" time="1,234.5">
<flakyFailure message="first" type="E"><stackTrace>s</stackTrace><system-out>o</system-out></flakyFailure>
</testcase></testsuite>"""
GOOGLETEST = """<testsuites><testsuite name="Outer"><testsuite name="Inner"><testcase name="T" status="notrun"
classname="C"/><testcase name="U" status="run" time="x" classname="C"><failure>only text
second line</failure><failure message="second"/></testcase></testsuite></testsuite></testsuites>"""
FAILED_TWICE = """<testsuite name="s"><testcase name="t" classname="c"><error message="tear-down">late</error>
<failure message="the test">first</failure><skipped/></testcase></testsuite>"""
BOMB = """<!DOCTYPE lolz [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>
<testsuite name="&b;"/>"""
OUTSIDER = """<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><testsuite name="&e;"/>"""


def write(path: Path, content: str | bytes) -> Path:
    file = path / "junit.xml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def test_pytests_own(tmp_path: Path):
    report = read_junit(write(tmp_path, PYTEST))

    assert [(case.node_id, case.outcome, case.message, case.detail) for case in report.cases] == [
        ("tests/test_a.py::TestIt::test_ok[1]", TestOutcome.PASSED, None, None),
        ("tests/test_a.py::test_bad", TestOutcome.FAILED, "assert 1 == 2", "def test_bad"),
        ("tests/test_a.py::test_err", TestOutcome.ERROR, "failed on setup", "E"),
        ("tests/test_a.py::test_skip", TestOutcome.SKIPPED, "no GPU", None),
    ]
    assert dict(report.properties) == {"engine": "mock"}


def test_surefires_reruns_and_its_thousands(tmp_path: Path):
    [case] = read_junit(write(tmp_path, SUREFIRE)).cases

    assert (case.outcome, case.repeats, case.duration_s, case.suite) == (
        TestOutcome.PASSED,
        1,
        1234.5,
        "suite",
    )


def test_googletests_nesting_and_its_tests_that_did_not_run(tmp_path: Path):
    first, second = read_junit(write(tmp_path, GOOGLETEST)).cases

    assert (first.outcome, first.suite) == (TestOutcome.NOT_RUN, "Inner")
    assert (second.outcome, second.message, second.duration_s) == (TestOutcome.FAILED, "only text", 0.0)


CTEST = """<testsuite name="(empty)" tests="5" failures="1" disabled="1"><testcase name="run" status="run"/>
<testcase name="disabled" status="disabled"><disabled message="Disabled"/></testcase>
<testcase name="silent" status="fail"/><testcase name="told" status="fail"><failure message="why"/></testcase>
<testcase name="odd" status="undecided"/><testcase name="left" status="Skipped"/></testsuite>"""


def test_a_status_that_is_no_pass_is_none(tmp_path: Path):
    cases = read_junit(write(tmp_path, CTEST)).cases

    assert [(case.name, case.outcome, case.message) for case in cases] == [
        ("run", TestOutcome.PASSED, None),
        ("disabled", TestOutcome.NOT_RUN, "its status is 'disabled'"),
        ("silent", TestOutcome.FAILED, "its status is 'fail'"),
        ("told", TestOutcome.FAILED, "why"),
        ("odd", TestOutcome.NOT_RUN, "its status is 'undecided'"),
        ("left", TestOutcome.SKIPPED, "its status is 'Skipped'"),
    ]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('<testsuite name="s" errors="1"><testcase name="a"/></testsuite>', "counts 1 failures and errors"),
        ('<testsuite name="s"><error message="afterAll"/><testcase name="a"/></testsuite>', "afterAll"),
        (
            '<testsuite name="s"><testcase name="a"/><failure/></testsuite>',
            "a failure outside of any test case",
        ),
        (
            '<testsuites name="s" failures="2"><testsuite><testcase name="a"/></testsuite></testsuites>',
            "counts 2 failures and errors",
        ),
    ],
)
def test_a_suite_that_is_bad_though_no_test_case_says_so_is_not_good(tmp_path: Path, content: str, says: str):
    cases = {case.name: case for case in read_junit(write(tmp_path, content)).cases}

    assert cases["a"].outcome is TestOutcome.PASSED
    assert (cases[THE_RUN].outcome, cases[THE_RUN].suite) == (TestOutcome.ERROR, "s")
    assert says in (cases[THE_RUN].message or "")


@pytest.mark.parametrize(
    "content",
    [
        '<testsuite failures="2"><testsuite failures="1"><testcase><failure/></testcase></testsuite></testsuite>',
        '<testsuite failures="all" errors="0"><testcase name="a"/></testsuite>',
        '<testsuite failures="" errors="-1"><testcase name="a"/></testsuite>',
    ],
)
def test_what_a_suite_counts_adds_nothing_to_what_its_test_cases_say(tmp_path: Path, content: str):
    assert len(read_junit(write(tmp_path, content)).cases) == 1


@pytest.mark.parametrize("prefix", ["", "j:"])
def test_a_namespace_hides_no_failure(tmp_path: Path, prefix: str):
    space = f'xmlns{":j" if prefix else ""}="urn:junit"'
    text = f"""<{prefix}testsuites {space}><{prefix}testsuite><{prefix}testcase name="a">
        <{prefix}failure message="no"/></{prefix}testcase></{prefix}testsuite></{prefix}testsuites>"""

    [case] = read_junit(write(tmp_path, text)).cases

    assert (case.outcome, case.message) == (TestOutcome.FAILED, "no")


@pytest.mark.parametrize(
    ("attributes", "node_id"),
    [
        ('classname="tests.test_a.TestIt.TestIn" name="test_b[a.b]"', "tests/test_a.py::TestIt::TestIn::test_b[a.b]"),
        ('classname="test_suites.api_test" name="test_b"', "test_suites/api_test.py::test_b"),
        ('classname="" name="tests.test_a"', "tests/test_a.py"),
        ('name="test_alone"', "test_alone"),
        ('name="test_a.b c"', "test_a.b c"),
        ('classname="com.example.FooTest" name="bar"', "com.example.FooTest::bar"),
        ('classname="Foo bar" name="Foo bar"', "Foo bar::Foo bar"),
        ('classname="Suite" name="Case" file="/src/a.cc"', "/src/a.cc::Suite::Case"),
        ("", "s::(no name)"),
        ('file="a.py"', "a.py::s::(no name)"),
    ],
)  # fmt: skip
def test_names_as_the_nights_own_have_them(tmp_path: Path, attributes: str, node_id: str):
    [case] = read_junit(write(tmp_path, f'<testsuite name="s"><testcase {attributes}/></testsuite>')).cases

    assert case.node_id == node_id


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1.5", 1.5), ("1,234.5", 1234.5), ("1.234,5", 1234.5), ("0,123", 0.123), ("12,25", 12.25),
        ("1,234,567", 1234567.0), ("1,234,567.25", 1234567.25), ("1.234.567,25", 1234567.25), (" 2 ", 2.0),
        ("", 0.0), ("-1", 0.0), ("nan", 0.0), ("inf", 0.0), ("1e99", 0.0), ("PT1.5S", 0.0), (",", 0.0),
    ],
)  # fmt: skip
def test_seconds_in_every_countrys_hand(text: str, seconds: float):
    assert junit_walk.seconds_of(text) == seconds


def test_of_several_results_the_worst_counts_and_has_the_word(tmp_path: Path):
    [case] = read_junit(write(tmp_path, FAILED_TWICE)).cases

    assert (case.outcome, case.message, case.detail) == (TestOutcome.FAILED, "the test", "first")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_encodings(tmp_path: Path, encoding: str):
    declared = "utf-8" if encoding == "utf-8-sig" else encoding
    text = f'<?xml version="1.0" encoding="{declared}"?><testsuite name="é"><testcase name="ü"/></testsuite>'

    [case] = read_junit(write(tmp_path, text.encode(encoding))).cases

    assert (case.suite, case.name) == ("é", "ü")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"   ", "cut off or not XML"),
        (b"\x00" * 100, "cut off or not XML"),
        (b"plain text", "cut off or not XML"),
        (PYTEST[:-20], "cut off or not XML"),
        (PYTEST[:300], "cut off or not XML"),
        (b"<testsuite name='\xff'/>", "cut off or not XML"),
        (b'<?xml version="1.0" encoding="nonsense"?><testsuite/>', "cut off or not XML"),
        ("<html><body/></html>", "is not JUnit: it begins with <html>"),
        ("<testcase name='alone'/>", "is not JUnit"),
        ("<!DOCTYPE html><html><body>Log in</body></html>", "is not JUnit but a page of HTML"),
        (gzip.compress(PYTEST.encode(), mtime=0), "is compressed: unpack it first"),
        (BOMB, "has a document type"),
        (OUTSIDER, "has a document type"),
        ("<testsuite>" * 200, "nested too deeply"),
        ("<testsuite><testcase name='a'><testcase name='b'/></testcase></testsuite>", "within a test case"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_cannot_be_read_is_refused_in_plain_words(tmp_path: Path, content: str | bytes, says: str):
    path = write(tmp_path, content)

    with pytest.raises(RecordError) as caught:
        read_junit(path)

    assert str(path) in caught.value.message
    assert says in caught.value.message


def test_a_file_that_is_not_there_or_is_a_folder(tmp_path: Path):
    for path in (tmp_path / "absent.xml", tmp_path):
        with pytest.raises(RecordError, match="cannot be read"):
            read_junit(path)


def test_a_file_that_is_too_large_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(junit_walk, "BYTES_LIMIT", 1000)

    with pytest.raises(RecordError, match="larger than 1000 bytes"):
        read_junit(write(tmp_path, f"<testsuite><!--{'x' * 2000}--></testsuite>"))


def test_too_many_test_cases_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(junit_reader, "CASES_LIMIT", 3)

    with pytest.raises(RecordError, match="more than 3 test cases"):
        read_junit(write(tmp_path, f"<testsuite>{'<testcase/>' * 4}</testsuite>"))


def test_a_file_of_200_megabytes_is_read_in_little_memory(tmp_path: Path):
    path = tmp_path / "large.xml"
    text = "x" * 1_000_000
    with path.open("w", encoding="utf-8") as file:
        file.write("<testsuite name='large'>")
        for number in range(200):
            file.write(f"<testcase name='t{number}'><failure>{text}</failure></testcase>")
        file.write("</testsuite>")

    tracemalloc.start()
    try:
        cases = read_junit(path).cases
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert [case.outcome for case in cases] == [TestOutcome.FAILED] * 200
    assert {len(case.detail or "") for case in cases} == {junit_reader.TEXT_LIMIT}
    assert peak < 40_000_000


HUGE = "x" * 9_000_000


@pytest.mark.parametrize(
    "content",
    [
        f"<testsuite name='{HUGE}'/>",
        f"<testsuite><!--{HUGE}--></testsuite>",
        f"<testsuite><?{HUGE}?></testsuite>",
        f"<testsuite><{HUGE}/></testsuite>",
        "<testsuite><testcase "
        + " ".join(f"a{number}='{'x' * 90}'" for number in range(90_000))
        + "/></testsuite>",
    ],
    ids=["attribute", "comment", "instruction", "name", "attributes"],
)
def test_one_enormous_piece_is_refused_before_it_is_read_again_and_again(tmp_path: Path, content: str):
    with pytest.raises(RecordError, match="has a tag or a comment of more than 4194304 bytes"):
        read_junit(write(tmp_path, content))


def test_a_message_of_a_megabyte_is_none_of_those(tmp_path: Path):
    text = f"<testsuite><testcase name='t'><failure message='{'x' * 1_000_000}'/></testcase></testsuite>"

    [case] = read_junit(write(tmp_path, text)).cases

    assert len(case.message or "") == junit_reader.NAME_LIMIT


def test_names_are_bounded_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(junit_reader, "NAMES_BUDGET", 100)

    with pytest.raises(RecordError, match="names of more than 100 characters together"):
        read_junit(
            write(
                tmp_path,
                f"<testsuite>{f'<testcase name={chr(39)}{chr(120) * 30}{chr(39)}/>' * 4}</testsuite>",
            )
        )


def test_properties_are_bounded(tmp_path: Path):
    many = "".join(f"<property name='{number}' value='v'/>" for number in range(3_000))

    report = read_junit(write(tmp_path, f"<testsuite><properties>{many}</properties></testsuite>"))

    assert len(report.properties) == junit_reader.PROPERTIES_LIMIT


@given(st.binary(max_size=300))
def test_no_bytes_at_all_raise_anything_else(tmp_path_factory: pytest.TempPathFactory, content: bytes):
    path = write(tmp_path_factory.mktemp("any"), b"<testsuite>" + content)

    with pytest.raises(RecordError):
        read_junit(path)


@given(st.integers(0, len(PYTEST) - 1))
def test_a_file_cut_off_anywhere_is_refused(tmp_path_factory: pytest.TempPathFactory, kept: int):
    with pytest.raises(RecordError):
        read_junit(write(tmp_path_factory.mktemp("cut"), PYTEST[:kept]))
