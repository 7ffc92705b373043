"""Runs of tests that are named: which run, in what order, and what is not even read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightly_pipeline.evidence_plugin import SELECTION_FILE_VARIABLE, selection_file
from nightly_pipeline.evidence_plugin.nightly_evidence.selection import Selection, read, remembered
from nightly_pipeline.evidence_plugin.nightly_evidence.texts import identity
from nightly_pipeline.model.evidence_lines import clean_node_id
from tests.unit.evidence_plugin.case import WORKERS, S, case
from tests.unit.evidence_plugin.running import run_case


def ran(folder: Path, source: str, *asked: str, **rest: Any) -> tuple[str, ...]:
    """The tests of `test_it.py` and other files that run when these are asked for, in their order."""
    files = {"asked.json": selection_file(asked).decode(), **rest.pop("files", {})}
    environment = {SELECTION_FILE_VARIABLE: "asked.json"}
    suite = case("suite", source, S.PASSED, 0, "0 0 0 0 0", files=files, environment=environment, **rest)
    evidence, container, output = run_case(suite, folder)
    assert container.exit_code in (0, 5), output
    assert all(test.attempts for test in evidence.tests)
    return evidence.node_ids


def test_they_run_in_the_order_they_are_asked_for(tmp_path: Path):
    source = "def test_a(): pass\ndef test_b(): pass\ndef test_c(): pass\ndef test_d(): pass"
    asked = [f"test_it.py::test_{letter}" for letter in "dbad"]
    assert ran(tmp_path, source, *asked) == tuple(asked[:3])


def test_tests_that_share_what_is_dear_stay_together(tmp_path: Path):
    """As pytest keeps them in a whole run: or an engine is started again for each."""
    source = """
    import pytest
    @pytest.fixture(scope="module", params=["one", "two"])
    def engine(request): return request.param
    def test_a(engine): pass
    def test_b(engine): pass
    """
    asked = [f"test_it.py::test_{name}" for name in ("a[one]", "a[two]", "b[one]", "b[two]")]
    assert ran(tmp_path, source, *asked) == tuple(asked[index] for index in (0, 2, 1, 3))


@pytest.mark.parametrize("arguments", [(), WORKERS], ids=["alone", "workers"])
def test_long_names_and_names_that_cannot_be_stored_are_found_as_evidence_told_them(
    tmp_path: Path, arguments: tuple[str, ...]
):
    source = r"""
    import pytest
    @pytest.mark.parametrize("text", ["x" * 5000 + "a", "x" * 5000 + "b", "\x00", "\udcff", "new\nline"])
    def test_it(text): pass
    """
    verbatim = "disable_test_id_escaping_and_forfeit_all_rights_to_community_support"
    files = {"pytest.ini": f"[pytest]\n{verbatim} = true\n"}
    if arguments:  # pytest-xdist cannot send what is no text
        source = source.replace(r'"\udcff", ', "")
    whole = ran(tmp_path / "all", source, "test_it.py", files=files, arguments=arguments)
    assert whole == ()
    (tmp_path / "once").mkdir()
    suite = case("suite", source, S.PASSED, 0, "0 0 0 0 0", files=files)
    evidence, _, output = run_case(suite, tmp_path / "once")
    names = evidence.node_ids[1:]
    assert len(names) >= 3, output
    assert ran(tmp_path / "again", source, *names, files=files, arguments=arguments) == names


def test_a_package_is_still_one(tmp_path: Path):
    """Older versions of pytest know a package by its `__init__.py`."""
    files = {
        "pkg/__init__.py": "",
        "pkg/conftest.py": "import pytest\n@pytest.fixture(scope='package')\n"
        "def engine(request): return request.node.name",
        "pkg/below/__init__.py": "",
        "pkg/below/test_below.py": "def test_it(engine): assert 'pkg' in engine",
        "pkg/below/test_not_read.py": "raise SystemExit",
        "pkg/beside/test_not_read_either.py": "raise SystemExit",
    }
    asked = "pkg/below/test_below.py::test_it"
    assert ran(tmp_path, "raise SystemExit", asked, files=files) == (asked,)


def test_a_suite_below_pytests_root_is_found(tmp_path: Path):
    files = {"pytest.ini": "[pytest]\n", "deep/suite/test_deep.py": "def test_it(): pass"}
    asked = "deep/suite/test_deep.py::test_it"
    assert ran(tmp_path, "raise SystemExit", asked, files=files, arguments=("deep/suite",)) == (asked,)


def test_a_suite_outside_of_pytests_root_is_found(tmp_path: Path):
    files = {"conf/pytest.ini": "[pytest]\n", "tests/unit/test_there.py": "def test_it(): pass"}
    arguments = ("-c", "conf/pytest.ini", "tests")
    asked = "unit/test_there.py::test_it"
    assert ran(tmp_path, "raise SystemExit", asked, files=files, arguments=arguments) == (asked,)


def test_what_the_suite_leaves_out_itself_stays_out(tmp_path: Path):
    files = {
        "conftest.py": "collect_ignore = ['test_away.py']\n"
        "def pytest_collection_modifyitems(items): items[:] = [i for i in items if i.name != 'test_not']",
        "test_away.py": "raise SystemExit",
    }
    asked = ("test_away.py::test_it", "test_it.py::test_not", "test_it.py::test_yes")
    source = "def test_not(): pass\ndef test_yes(): pass"
    assert ran(tmp_path, source, *asked, files=files) == ("test_it.py::test_yes",)


def test_pytest_called_by_a_test_runs_what_it_likes(tmp_path: Path):
    source = """
    import os, subprocess, sys
    def test_it(tmp_path):
        assert "NIGHTLY_SELECTION_FILE" not in os.environ
        (tmp_path / "test_inner.py").write_text("def test_inner(): pass")
        subprocess.run([sys.executable, "-m", "pytest", "-p", "nightly_evidence", str(tmp_path)], check=True)
    """
    assert ran(tmp_path, source, "test_it.py::test_it") == ("test_it.py::test_it",)


@pytest.mark.parametrize("content", ["", "{}", "[1]", "null", '"test_it.py::test_it"', "\udcff"])
def test_what_is_no_list_of_names_is_refused(tmp_path: Path, content: str):
    path = tmp_path / "asked.json"
    path.write_text(content, errors="surrogateescape")
    with pytest.raises(pytest.UsageError, match="nightly_evidence cannot read"):
        read(str(path))


@given(st.lists(st.text()))
def test_names_come_through_the_file_as_they_are(names: list[str]):
    assert json.loads(selection_file(names)) == names
    assert list(Selection(names).places) == list(dict.fromkeys(names))


@given(st.text() | st.text("a\x00\udcff\n") | st.text(min_size=700).map(lambda text: text * 3))
def test_a_name_is_known_by_what_is_read_of_it_in_the_evidence(name: str):
    assert remembered(name) == clean_node_id(json.loads(json.dumps(identity(name))))
