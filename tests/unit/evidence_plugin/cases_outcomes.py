"""What tests and their collection come to."""

from __future__ import annotations

from tests.unit.evidence_plugin.case import RERUNS, WORKERS, S, case

OUTCOMES = (
    case(
        "clean_pass", "def test_one(): pass\ndef test_two(): pass", S.PASSED, 0, "2 0 0 0 2", rows="2*passed"
    ),
    case(
        "failure",
        "def test_good(): pass\ndef test_bad(): assert 1 == 2, 'one is not two'",
        S.FAILED,
        1,
        "1 1 0 0 2",
        failures=("test_it.py::test_bad",),
        says="1 failed of 2 tests",
        rows="passed failed",
    ),
    case(
        "error_in_setup",
        """
        import pytest
        @pytest.fixture
        def engine(): raise RuntimeError("no engine")
        def test_it(engine): pass
        def test_good(): pass
        """,
        S.FAILED,
        1,
        "1 0 0 1 2",
        failures=("test_it.py::test_it",),
        says="1 with an error in set-up or tear-down",
        rows="error passed",
    ),
    case(
        "failure_and_error_in_teardown",
        """
        import pytest
        @pytest.fixture
        def engine():
            yield
            raise RuntimeError("still running")
        def test_it(engine): assert False
        """,
        S.FAILED,
        1,
        "0 1 0 0 1",
        failures=("test_it.py::test_it",),
        rows="failed",
    ),
    case(
        "error_in_teardown",
        """
        import pytest
        @pytest.fixture
        def engine():
            yield
            raise RuntimeError("still running")
        def test_it(engine): pass
        """,
        S.FAILED,
        1,
        "0 0 0 1 1",
        failures=("test_it.py::test_it",),
        rows="error",
    ),
    case(
        "expected_failures",
        """
        import pytest
        def test_good(): pass
        @pytest.mark.xfail(reason="known")
        def test_xfail(): assert False
        @pytest.mark.xfail(reason="known", run=False)
        def test_not_run(): assert False
        @pytest.mark.xfail(reason="fixed?")
        def test_xpass(): pass
        """,
        S.PASSED,
        0,
        "2 0 2 0 4",
        rows="passed 2*xfailed xpassed",
    ),
    case(
        "unexpected_pass_strict",
        """
        import pytest
        @pytest.mark.xfail(reason="known", strict=True)
        def test_xpass(): pass
        """,
        S.FAILED,
        1,
        "0 1 0 0 1",
        failures=("test_it.py::test_xpass",),
        rows="failed",
    ),
    case(
        "subtests",
        """
        import unittest
        class TestIt(unittest.TestCase):
            def test_parts(self):
                with self.subTest("good"): pass
                with self.subTest("bad"): self.fail("this part")
        """,
        S.FAILED,
        1,
        "0 1 0 0 1",
        failures=("test_it.py::TestIt::test_parts",),
        rows="failed",
    ),
    case(
        "rerun_passes",
        """
        import pathlib
        def test_flaky():
            seen = pathlib.Path(__file__).with_name("seen")
            if not seen.exists():
                seen.touch()
                assert False, "the first time"
        """,
        S.PASSED,
        0,
        "1 0 0 0 1",
        arguments=(*RERUNS, "--reruns", "2"),
        flaky=("test_it.py::test_flaky",),
        says="1 test passed only when run again",
        rows="passed:2/1",
    ),
    case(
        "rerun_fails_hard",
        "def test_bad(): assert False",
        S.FAILED,
        1,
        "0 1 0 0 1",
        arguments=(*RERUNS, "--reruns", "2"),
        failures=("test_it.py::test_bad",),
        rows="failed:3/3",
    ),
    case(
        "collection_error",
        "import nowhere_to_be_found",
        S.COLLECT_ERROR,
        2,
        "0 0 0 0 1",
        files={"test_good.py": "def test_good(): pass"},
        failures=("test_it.py",),
        says="No module named 'nowhere_to_be_found'",
        rows="error not_run",
    ),
    case(
        "collection_error_in_workers",
        "import nowhere_to_be_found",
        S.COLLECT_ERROR,
        1,
        "1 0 0 0 1",
        files={"test_good.py": "def test_good(): pass"},
        arguments=WORKERS,
        failures=("test_it.py",),
        says="No module named 'nowhere_to_be_found'",
        rows="error passed",
    ),
    case(
        "broken_conftest",
        "def test_good(): pass",
        S.COLLECT_ERROR,
        4,
        "0 0 0 0 0",
        files={"conftest.py": "import nowhere_to_be_found"},
        says="No module named 'nowhere_to_be_found'",
        rows="error",
    ),
    case(
        "broken_conftest_below",
        "def test_good(): pass",
        S.COLLECT_ERROR,
        2,
        "0 0 0 0 1",
        files={
            "below/conftest.py": "import nowhere_to_be_found",
            "below/test_below.py": "def test_below(): pass",
        },
        failures=("below",),
        says="No module named 'nowhere_to_be_found'",
        rows="error not_run",
    ),
    case(
        "unknown_argument",
        "def test_good(): pass",
        S.COLLECT_ERROR,
        4,
        "0 0 0 0 0",
        arguments=("--no-such-argument",),
        says="refused its arguments",
    ),
    case(
        "missing_path",
        "def test_good(): pass",
        S.COLLECT_ERROR,
        4,
        "0 0 0 0 0",
        arguments=("no_such_folder",),
        says="a path is not there",
    ),
    case(
        "nothing_selected",
        "def test_one(): pass\ndef test_two(): pass",
        S.NO_TESTS,
        5,
        "0 0 0 0 0",
        arguments=("-k", "nothing_of_this_name"),
        says="fits none of 2 tests",
    ),
    case(
        "everything_skipped",
        """
        import pytest
        def test_one(): pytest.skip("no GPU here")
        @pytest.mark.skip(reason="later")
        def test_two(): pass
        """,
        S.NO_TESTS,
        0,
        "0 0 2 0 2",
        says="no GPU here",
        rows="2*skipped",
    ),
    case(
        "whole_file_skipped",
        "import pytest\npytest.importorskip('nowhere_to_be_found')\ndef test_one(): pass",
        S.NO_TESTS,
        5,
        "0 0 0 0 0",
        says="test_it.py skipped itself",
    ),
    case(
        "collect_only",
        "def test_one(): pass\ndef test_two(): pass",
        S.COLLECTED,
        0,
        "0 0 0 0 2",
        arguments=("--collect-only",),
        mode="collect",
        says="2 tests collected",
        rows="2*collected",
    ),
    case(
        "collect_only_where_a_run_was_asked",
        "def test_one(): pass\ndef test_two(): pass",
        S.CRASHED,
        0,
        "0 0 0 0 2",
        arguments=("--collect-only",),
        says="2 of 2 tests never ran",
        rows="2*not_run",
    ),
    case(
        "collect_only_nothing",
        "def helper(): pass",
        S.NO_TESTS,
        5,
        "0 0 0 0 0",
        arguments=("--collect-only",),
        mode="collect",
    ),
)
