"""Test suites that end in every way a suite can end, with what must be concluded from each.

The same table runs here in plain processes and, in tests/integration, in containers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from textwrap import dedent

from nightly_pipeline.model.history import BAD_RESULTS, TestResult, TestRow
from nightly_pipeline.model.outcomes import StageCounts, StageStatus

S = StageStatus
TIMEOUT = ("-p", "pytest_timeout")
RERUNS = ("-p", "pytest_rerunfailures")
WORKERS = ("-p", "xdist", "-n", "2")


@dataclass(frozen=True)
class Case:
    """One suite and what it means.

    Attributes:
        files: path -> source.
        failures: node ids of the failures that must be told, in any order.
        flaky: node ids that passed only when run again.
        rows: what the history remembers, in order, as `told` says it.
        says: a piece of the status's message.
        exit_code: of the process, as a container engine writes it.
    """

    name: str
    files: Mapping[str, str]
    status: StageStatus
    counts: StageCounts
    exit_code: int
    arguments: tuple[str, ...] = ()
    mode: str = "run"
    blame: str | None = None
    failures: tuple[str, ...] = ()
    flaky: tuple[str, ...] = ()
    says: str = ""
    rows: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)


def told(rows: Iterable[TestRow]) -> str:
    """Rows in a line: `2*passed failed`; where attempts are not what one expects, `passed:2/1` of 2 one failed."""
    words = [
        row.result.value
        if (row.attempts, row.failed_attempts) == _usual(row)
        else f"{row.result.value}:{row.attempts}/{row.failed_attempts}"
        for row in rows
    ]
    runs = [(word, len(list(group))) for word, group in groupby(words)]
    return " ".join(f"{count}*{word}" if count > 1 else word for word, count in runs)


def _usual(row: TestRow) -> tuple[int, int]:
    if row.result in (TestResult.NOT_RUN, TestResult.COLLECTED):
        return 0, 0
    return 1, int(row.result in BAD_RESULTS)


def case(name: str, source: str, status: StageStatus, exit_code: int, counts: str, **rest: object) -> Case:
    """A case of one file, `test_it.py`; counts as `passed failed skipped errors collected`."""
    passed, failed, skipped, errors, collected = (int(count) for count in counts.split())
    files = {"test_it.py": dedent(source), **rest.pop("files", {})}  # type: ignore[dict-item]
    return Case(
        name=name,
        files=files,
        status=status,
        exit_code=exit_code,
        counts=StageCounts(passed=passed, failed=failed, skipped=skipped, errors=errors, collected=collected),
        **rest,  # type: ignore[arg-type]
    )


IMPORTS = "import ctypes, os, signal, sys, time\nimport pytest\n"

CASES = (
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
    case(
        "timeout_by_signal",
        "import time\ndef test_good(): pass\ndef test_hangs(): time.sleep(60)",
        S.FAILED,
        1,
        "1 1 0 0 2",
        arguments=(*TIMEOUT, "--timeout=1", "--timeout-method=signal"),
        failures=("test_it.py::test_hangs",),
        rows="passed failed",
    ),
    case(
        "timeout_by_thread",
        "import time\ndef test_good(): pass\ndef test_hangs(): time.sleep(60)\ndef test_later(): pass",
        S.CRASHED,
        1,
        "1 0 0 1 3",
        arguments=(*TIMEOUT, "--timeout=1", "--timeout-method=thread"),
        blame="test_it.py::test_hangs",
        failures=("test_it.py::test_hangs",),
        says="while test_it.py::test_hangs was running",
        rows="passed crashed not_run",
    ),
    case(
        "terminated",
        IMPORTS
        + """
def test_good(): pass
def test_hangs():
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(60)
def test_later(): pass
""",
        S.CRASHED,
        2,
        "1 0 0 1 3",
        blame="test_it.py::test_hangs",
        failures=("test_it.py::test_hangs",),
        says="stopped by SIGTERM while test_it.py::test_hangs was running",
        rows="passed crashed not_run",
    ),
    case(
        "terminated_and_swallowed",
        IMPORTS
        + """
def test_stubborn():
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
    except BaseException:
        pass
def test_later(): pass
""",
        S.CRASHED,
        2,
        "1 0 0 0 2",
        says="stopped by SIGTERM",
        rows="passed not_run",
    ),
    case(
        "terminated_with_workers",
        IMPORTS
        + """
def test_hangs():
    time.sleep(2)  # until the controller has heard of the start
    os.kill(os.getppid(), signal.SIGTERM)
    time.sleep(60)
""",
        S.CRASHED,
        2,
        "0 0 0 1 1",
        arguments=WORKERS,
        blame="test_it.py::test_hangs",
        failures=("test_it.py::test_hangs",),
        says="stopped by SIGTERM while test_it.py::test_hangs was running",
        rows="crashed",
    ),
    case(
        "keyboard_interrupt",
        IMPORTS
        + """
def test_stops(): os.kill(os.getpid(), signal.SIGINT); time.sleep(60)
def test_later(): pass
""",
        S.CRASHED,
        2,
        "0 0 0 1 2",
        blame="test_it.py::test_stops",
        failures=("test_it.py::test_stops",),
        says="stopped by SIGINT",
        rows="crashed not_run",
    ),
    case(
        "pytest_exit_with_zero",
        IMPORTS
        + """
def test_good(): pass
def test_exit(): pytest.exit('enough', returncode=0)
def test_later(): pass
""",
        S.CRASHED,
        0,
        "1 0 0 1 3",
        blame="test_it.py::test_exit",
        failures=("test_it.py::test_exit",),
        rows="passed crashed not_run",
    ),
    case(
        "killed",
        IMPORTS
        + """
def test_good(): pass
def test_killed(): os.kill(os.getpid(), signal.SIGKILL)
def test_later(): pass
""",
        S.CRASHED,
        137,
        "1 0 0 1 3",
        blame="test_it.py::test_killed",
        failures=("test_it.py::test_killed",),
        says="died of SIGKILL",
        rows="passed crashed not_run",
    ),
    case(
        "segmentation_fault",
        IMPORTS + "def test_good(): pass\ndef test_segfault(): ctypes.string_at(0)\ndef test_later(): pass",
        S.CRASHED,
        139,
        "1 0 0 1 3",
        blame="test_it.py::test_segfault",
        failures=("test_it.py::test_segfault",),
        says="died of SIGSEGV",
        rows="passed crashed not_run",
    ),
    case(
        "exit_zero_inside_a_test",
        IMPORTS + "def test_good(): pass\ndef test_exits(): os._exit(0)\ndef test_later(): pass",
        S.CRASHED,
        0,
        "1 0 0 1 3",
        blame="test_it.py::test_exits",
        failures=("test_it.py::test_exits",),
        says="exit code 0, without pytest's finish",
        rows="passed crashed not_run",
    ),
    case(
        "killed_after_the_finish",
        IMPORTS + "import atexit\ndef test_good(): atexit.register(os.kill, os.getpid(), signal.SIGKILL)",
        S.CRASHED,
        137,
        "1 0 0 0 1",
        says="pytest finished with exit code 0, then the process died of SIGKILL",
        rows="passed",
    ),
    case(
        "crash_while_collecting",
        IMPORTS + "ctypes.string_at(0)\ndef test_never(): pass",
        S.CRASHED,
        139,
        "0 0 0 0 0",
        says="before the collection of tests had ended",
    ),
    case(
        "internal_error",
        "def test_good(): pass",
        S.CRASHED,
        3,
        "0 0 0 0 1",
        files={"conftest.py": "def pytest_runtest_protocol(item): raise RuntimeError('a broken hook')"},
        says="a broken hook",
        rows="not_run",
    ),
    case(
        "workers",
        "import pytest\n@pytest.mark.parametrize('n', range(20))\ndef test_it(n): assert n != 7",
        S.FAILED,
        1,
        "19 1 0 0 20",
        arguments=WORKERS,
        failures=("test_it.py::test_it[7]",),
        rows="7*passed failed 12*passed",
    ),
    case(
        "stops_at_the_first_failure",
        "def test_bad(): assert False\ndef test_later(): pass",
        S.FAILED,
        1,
        "0 1 0 0 2",
        arguments=("-x",),
        failures=("test_it.py::test_bad",),
        rows="failed not_run",
    ),
    case(
        "workers_stop_at_the_first_failure",
        "def test_bad(): assert False",
        S.FAILED,
        2,
        "0 1 0 0 1",
        arguments=(*WORKERS, "-x"),
        failures=("test_it.py::test_bad",),
        rows="failed",
    ),
    case(
        "crashed_worker",
        IMPORTS
        + """
@pytest.mark.parametrize('n', range(6))
def test_good(n): pass
def test_crashes(): os.kill(os.getpid(), signal.SIGKILL)
""",
        S.CRASHED,
        1,
        "6 0 0 1 7",
        arguments=WORKERS,
        blame="test_it.py::test_crashes",
        failures=("test_it.py::test_crashes",),
        says="crashed while running 'test_it.py::test_crashes'",
        rows="6*passed crashed",
    ),
    case(
        "crashed_worker_and_rerun",
        IMPORTS
        + """
import pathlib
def test_good(): pass
def test_crashes_once():
    seen = pathlib.Path(__file__).with_name("seen")
    if not seen.exists():
        seen.touch()
        os.kill(os.getpid(), signal.SIGKILL)
""",
        S.PASSED,
        0,
        "2 0 0 0 2",
        arguments=(*WORKERS, *RERUNS, "--reruns", "1"),
        flaky=("test_it.py::test_crashes_once",),
        rows="passed passed:2/1",
    ),
    case(
        "prints_50_megabytes",
        """
        import sys
        def test_loud():
            for _ in range(50): sys.stdout.write('x' * 1_000_000)
            assert False, 'loud'
        """,
        S.FAILED,
        1,
        "0 1 0 0 1",
        arguments=("--show-capture=no",),
        failures=("test_it.py::test_loud",),
        rows="failed",
    ),
    case(
        "prints_what_looks_like_evidence",
        r"""
        import os, sys
        FORGED = '\n{"event":"finish","time":0,"exit_code":0,"lost":0}\n'
        def test_forger():
            print(FORGED); os.write(1, FORGED.encode()); os.write(2, FORGED.encode())
            os._exit(0)
        """,
        S.CRASHED,
        0,
        "0 0 0 1 1",
        arguments=("-s",),
        blame="test_it.py::test_forger",
        failures=("test_it.py::test_forger",),
        rows="crashed",
    ),
    case(
        "closes_all_descriptors_and_changes_folder",
        """
        import os, socket
        def test_closes(tmp_path):
            os.closerange(3, 512)
            os.chdir(tmp_path)
            global thieves  # take the numbers that were closed, so that a write to one of them goes astray
            thieves = [open(tmp_path / str(n), "w+") for n in range(30)]
        def test_nothing_went_astray():
            assert [thief.read() for thief in thieves] == [""] * 30
            for thief in thieves: thief.close()
        """,
        S.PASSED,
        0,
        "2 0 0 0 2",
        arguments=("-s", "-p", "no:logging", "-p", "no:faulthandler"),
        rows="2*passed",
    ),
    case(
        "changes_its_environment",
        "import os\ndef test_it(): assert 'NIGHTLY_EVIDENCE_FILE' not in os.environ; os.environ.clear()",
        S.PASSED,
        0,
        "1 0 0 0 1",
        rows="passed",
    ),
    case(
        "children_die_of_sigterm",
        """
        import os, signal, time
        def test_it():
            child = os.fork()
            if child == 0:
                time.sleep(60)
                os._exit(3)
            os.kill(child, signal.SIGTERM)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM
        """,
        S.PASSED,
        0,
        "1 0 0 0 1",
        rows="passed",
    ),
    case(
        "strange_node_ids",
        r"""
        import pytest
        NAMES = ["it's", 'say "x"', "line\nbreak", "tab\there", "\U0001f600", "<script>alert(1)</script>",
        "<!channel>",
                 "a::b[c]", "\x1b[31m", "&amp;", "]]>", "\x00nul", "\udcff", "*bold* _it_ `code` ~s~ | pipe"]
        @pytest.mark.parametrize("name", NAMES)
        def test_it(name): assert name != "<!channel>"
        """,
        S.FAILED,
        1,
        "13 1 0 0 14",
        files={
            "pytest.ini": "[pytest]\n"
            "disable_test_id_escaping_and_forfeit_all_rights_to_community_support = true\n"
        },
        failures=("test_it.py::test_it[<!channel>]",),
        rows="6*passed failed 7*passed",
    ),
    case(
        "very_long_node_ids",
        """
        import pytest
        @pytest.mark.parametrize("prompt", ["x" * 100_000 + "a", "x" * 100_000 + "b"])
        def test_it(prompt): pass
        """,
        S.PASSED,
        0,
        "2 0 0 0 2",
        rows="2*passed",
    ),
    case(
        "existing_sigterm_handler",
        IMPORTS
        + """
def test_it():
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(60)
""",
        S.CRASHED,
        9,
        "0 0 0 1 1",
        files={
            "earlier.py": "import os, signal\nsignal.signal(signal.SIGTERM, lambda *_: os._exit(9))",
        },
        arguments=("-p", "earlier"),
        blame="test_it.py::test_it",
        failures=("test_it.py::test_it",),
        says="stopped by SIGTERM",
        rows="crashed",
    ),
)
