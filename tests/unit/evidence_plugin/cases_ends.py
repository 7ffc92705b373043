"""Ends of the process, by its own hand or another's, and of worker processes."""

from __future__ import annotations

from tests.unit.evidence_plugin.case import IMPORTS, RERUNS, TIMEOUT, WORKERS, S, case

# Only what hangs has a time to keep, and only from its own first line on: pytest itself may be slow.
HANGS = """
import time, pytest
def test_good(): pass
@pytest.mark.timeout(1, func_only=True)
def test_hangs(): time.sleep(600)
def test_later(): pass
"""

ENDS = (
    case(
        "timeout_by_signal",
        HANGS,
        S.FAILED,
        1,
        "2 1 0 0 3",
        arguments=(*TIMEOUT, "--timeout-method=signal"),
        failures=("test_it.py::test_hangs",),
        rows="passed failed passed",
    ),
    case(
        "timeout_by_thread",
        HANGS,
        S.CRASHED,
        1,
        "1 0 0 1 3",
        arguments=(*TIMEOUT, "--timeout-method=thread"),
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
    controller = f"/proc/{os.getppid()}/fd"
    paths = [os.path.join(controller, number) for number in os.listdir(controller)]
    [evidence] = [path for path in paths if os.path.realpath(path).endswith("evidence.jsonl")]
    while '"start"' not in open(evidence).read(): time.sleep(0.1)  # until the controller has heard of the start
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
def test_crashes_once(request):
    seen = pathlib.Path(__file__).with_name("seen")
    if not seen.exists():
        seen.touch()
        # An answer says that the controller has read what was sent before it: that this test may be repeated.
        request.config.failures_db.get_test_failures(request.node.nodeid)
        os.kill(os.getpid(), signal.SIGKILL)
""",
        S.PASSED,
        0,
        "2 0 0 0 2",
        arguments=(*WORKERS, *RERUNS, "--reruns", "1"),
        flaky=("test_it.py::test_crashes_once",),
        rows="passed passed:2/1",
    ),
)
