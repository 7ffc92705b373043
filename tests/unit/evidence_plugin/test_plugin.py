"""The plugin in a process of its own: what it writes, what it costs, and what it survives."""

from __future__ import annotations

import ast
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent
from typing import IO, Any

import pytest

from nightly_pipeline.evidence_plugin import EVIDENCE_FILE_VARIABLE, plugin_files
from nightly_pipeline.model.evidence import TestOutcome, stage_status
from nightly_pipeline.model.outcomes import GOOD_STAGE, StageStatus
from nightly_pipeline.model.requests import ContainerResult
from tests.unit.evidence_plugin.case import WORKERS, case
from tests.unit.evidence_plugin.running import BASE_ARGUMENTS, environment, lay_out, read, run_case


def suite(source: str, **rest: Any):
    return case("suite", source, StageStatus.PASSED, 0, "0 0 0 0 0", **rest)


def events(folder: Path, kind: str) -> list[dict[str, Any]]:
    lines = (folder / "evidence.jsonl").read_text(encoding="ascii").splitlines()
    return [event for event in map(json.loads, lines) if event["event"] == kind]


@pytest.mark.parametrize("name", plugin_files(""))
def test_it_is_old_python_that_needs_pytest_alone(name: str):
    tree = ast.parse(plugin_files("")[name], feature_version=(3, 9))
    imported = {
        module.split(".")[0]
        for statement in ast.walk(tree)
        for module in (
            [alias.name for alias in statement.names]
            if isinstance(statement, ast.Import)
            else [statement.module or ""]
            if isinstance(statement, ast.ImportFrom) and not statement.level
            else []
        )
    }

    assert imported - set(sys.stdlib_module_names) <= {"pytest"}


def test_it_does_nothing_when_no_file_is_named(tmp_path: Path):
    evidence, container, output = run_case(
        suite("def test_it(): pass", environment={EVIDENCE_FILE_VARIABLE: ""}), tmp_path
    )

    assert (container.exit_code, evidence.events) == (0, 0), output


def test_the_session_says_where_it_ran(tmp_path: Path):
    evidence, _, output = run_case(suite("def test_it(): pass"), tmp_path)
    facts = evidence.session

    assert facts is not None, output
    assert facts.python == ".".join(map(str, sys.version_info[:3]))
    assert facts.pytest == pytest.__version__
    assert facts.machine == os.uname().machine
    assert "nightly_evidence" in facts.arguments
    assert abs(facts.started_at - time.time()) < 100
    [raw] = events(tmp_path, "session")
    assert raw["schema"] == 1


def test_collected_tests_have_file_line_and_markers(tmp_path: Path):
    source = """
    import pytest
    pytestmark = pytest.mark.unit
    class TestIt:
        @pytest.mark.gpu_1
        @pytest.mark.gpu_1
        def test_one(self): pass
    """
    ini = {"pytest.ini": "[pytest]\nmarkers =\n  unit: u\n  gpu_1: g\n"}
    evidence, _, output = run_case(suite(source, files=ini), tmp_path)

    assert [(t.node_id, t.file, t.line, t.markers) for t in evidence.tests] == [
        ("test_it.py::TestIt::test_one", "test_it.py", 5, ("gpu_1", "unit"))
    ], output


def test_workers_send_markers_and_places_of_their_tests(tmp_path: Path):
    source = "import pytest\n@pytest.mark.gpu_1\ndef test_one(): pass"
    ini = {"pytest.ini": "[pytest]\nmarkers = gpu_1: g\n"}
    evidence, _, output = run_case(suite(source, files=ini, arguments=WORKERS), tmp_path)

    [test] = evidence.tests
    assert (test.file, test.line, test.markers) == ("test_it.py", 2, ("gpu_1",)), output
    assert test.attempts[0].worker in {"gw0", "gw1"}


def test_a_failure_is_told_with_its_output_and_its_exception(tmp_path: Path):
    source = """
    import sys
    class Refused(Exception): pass
    def test_it():
        print("to out"); print("to err", file=sys.stderr)
        raise Refused("first line\\nsecond line")
    """
    evidence, _, _ = run_case(suite(source), tmp_path)
    attempt = evidence.tests[0].deciding

    assert attempt is not None
    assert (attempt.message, attempt.exception) == ("test_it.Refused: first line", "test_it.Refused")
    assert (attempt.stdout, attempt.stderr) == ("to out\n", "to err\n")
    assert "second line" in (attempt.detail or "")


def test_50_megabytes_of_output_are_cut_and_counted(tmp_path: Path):
    source = """
    import sys
    def test_loud():
        sys.stdout.write("begin")
        for _ in range(50): sys.stdout.write("x" * 1_000_000)
        sys.stdout.write("the end")
        assert False, "y" * 1_000_000
    """
    _, _, _ = run_case(suite(source, arguments=("--show-capture=no",)), tmp_path)
    [call] = [event for event in events(tmp_path, "phase") if event["when"] == "call"]

    assert (tmp_path / "evidence.jsonl").stat().st_size < 200_000
    assert call["stdout"].startswith("begin")
    assert call["stdout"].endswith("the end")
    assert call["stdout_cut"] + 32 * 1024 == 50_000_000 + len("begin") + len("the end")
    assert len(call["message"]) <= 500


@pytest.mark.slow
def test_20_000_tests_are_collected_in_few_lines_and_all_concluded(tmp_path: Path):
    source = "import pytest\n@pytest.mark.parametrize('n', range(20_000))\ndef test_it(n): pass"
    evidence, container, output = run_case(suite(source), tmp_path)

    assert stage_status(evidence, mode="run", container=container)[0] is StageStatus.PASSED, output
    assert evidence.counts.passed == evidence.counts.collected == 20_000
    assert len(events(tmp_path, "collected")) == 40
    assert (tmp_path / "evidence.jsonl").stat().st_size < 20_000 * 800


def test_a_folder_that_cannot_be_written_is_told_at_once(tmp_path: Path):
    elsewhere = {EVIDENCE_FILE_VARIABLE: str(tmp_path / "absent" / "evidence.jsonl")}
    evidence, container, output = run_case(suite("def test_it(): pass", environment=elsewhere), tmp_path)

    assert "nightly_evidence cannot write" in output
    assert stage_status(evidence, mode="run", container=container)[0] is StageStatus.INFRA_ERROR


@pytest.mark.parametrize("arguments", [("-p", "no_such_plugin"), ("--collect-only", "-p", "no_such_plugin")])
def test_a_missing_plugin_is_an_infra_error(tmp_path: Path, arguments: tuple[str, ...]):
    evidence, container, output = run_case(suite("def test_it(): pass", arguments=arguments), tmp_path)

    assert container.exit_code != 0, output
    assert stage_status(evidence, mode="run", container=container)[0] is StageStatus.INFRA_ERROR


def test_a_missing_pytest_is_an_infra_error(tmp_path: Path):
    missing = subprocess.run([sys.executable, "-I", "-S", "-m", "pytest"], capture_output=True, check=False)
    container = ContainerResult(
        missing.returncode, timed_out=False, out_of_memory=False, duration_s=1, collected=tmp_path
    )

    status, _ = stage_status(read(tmp_path / "evidence.jsonl"), mode="run", container=container)

    assert (missing.returncode, status) == (1, StageStatus.INFRA_ERROR)


@pytest.mark.parametrize(
    "attack",
    [
        "evidence.unlink()",
        "evidence.write_text('')",
        "evidence.write_text('garbage')",
        "evidence.rename(evidence.with_name('elsewhere'))",
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1, -1))",
    ],
)
def test_evidence_that_was_tampered_with_is_never_green(tmp_path: Path, attack: str):
    source = f"""
    import pathlib, resource
    evidence = pathlib.Path({str(tmp_path / "evidence.jsonl")!r})
    def test_first(): pass
    def test_attack(): {attack}
    def test_later(): pass
    def test_last(): resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
    """
    evidence, container, output = run_case(suite(source), tmp_path)

    status, message = stage_status(evidence, mode="run", container=container)

    assert container.exit_code == 0, output
    assert status not in GOOD_STAGE, message


def test_a_full_disk_is_told_by_how_much_was_lost(tmp_path: Path):
    source = """
    import resource
    def test_full():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1, -1))
    def test_later(): pass
    def test_last(): resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
    """
    evidence, _, output = run_case(suite(source), tmp_path)

    assert evidence.finished, output
    assert evidence.lost > 3


def test_a_report_that_is_odd_says_how_its_phase_ended_all_the_same(tmp_path: Path):
    odd = """
    import pytest
    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(item):
        report = yield
        report.duration = "soon"
        return report
    """
    source = "def test_good(): pass\ndef test_bad(): assert False"
    evidence, result, output = run_case(suite(source, files={"conftest.py": dedent(odd)}), tmp_path)

    outcomes = {test.node_id: test.outcome for test in evidence.tests}
    assert outcomes == {
        "test_it.py::test_good": TestOutcome.PASSED,
        "test_it.py::test_bad": TestOutcome.FAILED,
    }, output
    assert stage_status(evidence, mode="run", container=result)[0] is StageStatus.FAILED
    assert "while its report was read" in (evidence.tests[1].message or "")


def test_pytest_called_by_a_test_writes_nothing_into_our_file(tmp_path: Path):
    source = """
    import subprocess, sys
    def test_it(tmp_path):
        (tmp_path / "test_inner.py").write_text("def test_inner(): assert False")
        inner = subprocess.run([sys.executable, "-m", "pytest", "-p", "nightly_evidence", str(tmp_path)])
        assert inner.returncode == 1
    """
    evidence, _, output = run_case(suite(source), tmp_path)

    assert [test.node_id for test in evidence.tests] == ["test_it.py::test_it"], output
    assert evidence.tests[0].outcome is TestOutcome.PASSED


def test_a_forked_child_that_comes_back_writes_nothing(tmp_path: Path):
    source = """
    import os
    def test_it():
        child = os.fork()
        if child == 0: return  # into pytest, which goes on in the child
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    """
    evidence, _, output = run_case(suite(source), tmp_path)

    assert evidence.counts.passed == 1, output
    assert [len(events(tmp_path, kind)) for kind in ("start", "phase", "finish")] == [1, 3, 1]


def test_sigterm_tells_what_was_running_and_where_it_stood_and_fixtures_are_torn_down(tmp_path: Path):
    source = """
    import os, pathlib, signal, time, pytest
    @pytest.fixture
    def engine():
        yield
        pathlib.Path(__file__).with_name("torn_down").touch()
    def wait_for_an_answer():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
    def test_it(engine): wait_for_an_answer()
    """
    evidence, _, _ = run_case(suite(source), tmp_path)

    assert evidence.interruption is not None
    assert evidence.interruption.running == ("test_it.py::test_it",)
    assert "wait_for_an_answer" in (evidence.interruption.stacks or "")
    assert (tmp_path / "suite" / "torn_down").exists()


def test_a_hang_inside_a_library_leaves_its_stack_in_the_log(tmp_path: Path):
    """No handler of Python's can run there; the engine's hangs are of this kind."""
    source = """
    import ctypes, pathlib
    def test_hangs():
        mutex = ctypes.create_string_buffer(128)
        libc = ctypes.CDLL(None)
        libc.pthread_mutex_lock(mutex)
        pathlib.Path(__file__).with_name("hanging").touch()
        libc.pthread_mutex_lock(mutex)
    """
    hanging = suite(source)
    folder = lay_out(hanging, tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *BASE_ARGUMENTS],
        cwd=folder,
        env=environment(tmp_path, tmp_path / "evidence.jsonl"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        wait_for(folder / "hanging")
        process.send_signal(signal.SIGTERM)
        output = read_until(process.stdout, b"in test_hangs")
    finally:
        process.kill()
        process.communicate(timeout=60)

    assert b"in test_hangs" in output
    assert read(tmp_path / "evidence.jsonl").blame == "test_it.py::test_hangs"


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.05)


def read_until(stream: IO[bytes] | None, words: bytes) -> bytes:
    """What comes until the words are among it, the stream ends, or a minute has passed."""
    assert stream is not None
    output, deadline = b"", time.monotonic() + 60
    while words not in output and select.select([stream], [], [], max(0.0, deadline - time.monotonic()))[0]:
        more = os.read(stream.fileno(), 65536)
        if not more:
            break
        output += more
    return output


def test_the_signal_is_left_as_it_was_found(tmp_path: Path):
    driver = """
    import os, signal, sys, pytest
    before = signal.getsignal(signal.SIGTERM)
    assert pytest.main(["-q", "-p", "nightly_evidence", "-p", "no:cacheprovider", "test_it.py"]) == 0
    assert signal.getsignal(signal.SIGTERM) == before
    """
    folder = lay_out(suite("def test_it(): pass"), tmp_path)

    subprocess.run(
        [sys.executable, "-c", dedent(driver)],
        cwd=folder,
        env=environment(tmp_path, tmp_path / "evidence.jsonl"),
        check=True,
    )

    assert read(tmp_path / "evidence.jsonl").finished
