"""Every end a suite can have, in containers: the table of the unit tests, and the ends only a container has.

One container runs the whole table, a pytest for each row; every other row here is a container's own end. They
are all started at once: most of them only wait.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from nightly_pipeline.evidence_plugin import EVIDENCE_FILE_VARIABLE, PLUGIN_MODULE, plugin_source
from nightly_pipeline.model.evidence import StageEvidence, failures_of, fold_events, stage_status
from nightly_pipeline.model.outcomes import EngineFacts, StageCounts, StageStatus
from nightly_pipeline.model.requests import ContainerResult, ContainerSpec
from nightly_pipeline.tools.containers import DockerContainerRunner
from tests.integration.evidence_support import image_with_pytest
from tests.unit.evidence_plugin.cases import CASES, Case
from tests.unit.evidence_plugin.running import BASE_ARGUMENTS

pytestmark = [pytest.mark.integration, pytest.mark.docker]

RESULTS = "/nightly/results"
DRIVER = Path(__file__).with_name("evidence_driver.py")
ENVIRONMENT = {
    EVIDENCE_FILE_VARIABLE: f"{RESULTS}/evidence.jsonl",
    "PYTHONPATH": "/nightly/plugin:/opt/tools",
    "PYTHONDONTWRITEBYTECODE": "1",
}


@dataclass(frozen=True)
class Ended:
    """A container that has ended, and what it left."""

    result: ContainerResult
    evidence: StageEvidence
    log: str
    folder: Path

    def judged(self) -> tuple[StageStatus, str]:
        status, message = stage_status(self.evidence, mode="run", container=self.result)
        return status, message or ""


@pytest.fixture(scope="module")
def image(base_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with image_with_pytest(base_image, tmp_path_factory.mktemp("image")) as name:
        yield name


def run(
    image: str, folder: Path, *command: str, inject: dict[str, bytes] | None = None, **changes: Any
) -> Ended:
    """Run one container with the plugin in it."""
    lines: list[str] = []
    spec = ContainerSpec(
        image=image,
        command=command,
        run_id="0f1e2d3c4b5a",
        step="vllm/amd64/unit_tests",
        platform="linux/amd64",
        deadline_s=120,
        grace_s=2,
        environment=ENVIRONMENT,
        working_dir="/",
        inject={f"/nightly/plugin/{PLUGIN_MODULE}.py": plugin_source(), **(inject or {})},
        collect=RESULTS,
    )
    result = DockerContainerRunner().run(replace(spec, **changes), workspace=folder, log=lines.append)
    return Ended(result, _read(folder / "evidence.jsonl"), "\n".join(lines), folder)


def run_suite(image: str, folder: Path, source: str, **changes: Any) -> Ended:
    """Run one suite as a stage does: all installed plugins loaded, pytest the container's own process."""
    inject = {"/suite/test_it.py": source.encode(), **changes.pop("inject", {})}
    command = ("python3", "-m", "pytest", "-p", PLUGIN_MODULE, "-p", "no:cacheprovider", "/suite")
    return run(image, folder, *command, inject=inject, **changes)


def _read(path: Path) -> StageEvidence:
    if not path.is_file():
        return fold_events(())
    with path.open("rb") as lines:
        return fold_events(lines)


def run_table(image: str, folder: Path) -> Ended:
    """Run every row of the table in one container; each leaves a folder of its own."""
    rows = [
        {"name": case.name, "files": dict(case.files), "arguments": [*BASE_ARGUMENTS, *case.arguments]}
        for case in CASES
    ]
    inject = {"/nightly/cases.json": json.dumps(rows).encode(), "/nightly/driver.py": DRIVER.read_bytes()}
    command = ("python3", "/nightly/driver.py", "/nightly/cases.json", RESULTS)
    environment = {**ENVIRONMENT, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return run(image, folder, *command, inject=inject, environment=environment, deadline_s=280)


CLEAN = """
import pytest
@pytest.mark.parametrize("n", range(2_000))
def test_it(n): pass
"""
IMAGE_FACTS = {"engine": {"kind": "mock", "name": "vllm", "version": "0.9"}}
HANGS_IN_PYTHON = """
import time
def test_good(): pass
def wait_for_an_answer(): time.sleep(600)
def test_hangs(): wait_for_an_answer()
"""
HANGS_IN_A_LIBRARY = """
import ctypes
def test_hangs():
    mutex, libc = ctypes.create_string_buffer(128), ctypes.CDLL(None)
    libc.pthread_mutex_lock(mutex)
    libc.pthread_mutex_lock(mutex)
"""
GREEDY = """
def test_good(): pass
def test_greedy(): b"x" * 2_000_000_000
"""
Containers = dict[str, Future[Ended]]


@pytest.fixture(scope="module")
def containers(image: str, base_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containers]:
    """All containers, under way. Deadlines leave a busy machine the time to start."""

    def start(run_it: Callable[..., Ended], where: str, *arguments: str, **changes: Any) -> Future[Ended]:
        return pool.submit(run_it, where, tmp_path_factory.mktemp("container"), *arguments, **changes)

    facts = {"/etc/nightly/image.json": json.dumps(IMAGE_FACTS).encode()}
    with ThreadPoolExecutor(7) as pool:
        yield {
            "table": start(run_table, image),
            "clean": start(run_suite, image, CLEAN, inject=facts),
            "hangs in Python": start(run_suite, image, HANGS_IN_PYTHON, deadline_s=20, grace_s=5),
            "hangs in a library": start(run_suite, image, HANGS_IN_A_LIBRARY, deadline_s=20, grace_s=1),
            "greedy": start(run_suite, image, GREEDY, memory_bytes=200 * 1024**2),
            "no pytest": start(run_suite, base_image, "def test_it(): pass"),
            "no command": start(run, base_image, "no-such-program"),
        }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_end_has_its_name_in_a_container_too(case: Case, containers: Containers):
    table = containers["table"].result()
    assert table.result.exit_code == 0, table.log
    folder = table.folder / case.name
    output = (folder / "output").read_text(errors="replace")[-5000:]
    code = int((folder / "exit_code").read_text())
    evidence = _read(folder / "evidence.jsonl")
    container = ContainerResult(code, timed_out=False, out_of_memory=False, duration_s=1, collected=folder)

    status, message = stage_status(evidence, mode=case.mode, container=container)

    assert code == case.exit_code, output
    assert (status, evidence.counts) == (case.status, case.counts), f"{message}\n{output}"
    assert case.says in (message or "")
    assert evidence.blame == case.blame
    assert [test.node_id for test in evidence.flaky] == list(case.flaky)
    if case.failures:
        assert sorted(failure.test for failure in failures_of(evidence)) == sorted(case.failures)


def test_a_clean_run_says_its_engine_and_its_plugins(containers: Containers):
    ended = containers["clean"].result()
    session = ended.evidence.session

    assert ended.judged() == (StageStatus.PASSED, ""), ended.log
    assert ended.evidence.counts == StageCounts(passed=2_000, collected=2_000)
    assert session is not None
    assert session.engine == EngineFacts(kind="mock", name="vllm", version="0.9")
    assert set(session.plugins) == {"pytest-timeout", "pytest-xdist", "pytest-rerunfailures"}
    assert session.gpus == ()


def test_the_deadline_names_the_test_that_hangs_and_where_it_stood(containers: Containers):
    ended = containers["hangs in Python"].result()

    assert ended.result.timed_out, ended.log
    assert ended.judged() == (
        StageStatus.TIMED_OUT,
        "the deadline passed while test_it.py::test_hangs was running",
    )
    assert ended.evidence.interruption is not None
    assert "wait_for_an_answer" in (ended.evidence.interruption.stacks or "")
    assert [failure.test for failure in failures_of(ended.evidence)] == ["test_it.py::test_hangs"]


def test_the_deadline_names_a_hang_inside_a_library_that_only_kill_ends(containers: Containers):
    ended = containers["hangs in a library"].result()

    assert ended.judged() == (
        StageStatus.TIMED_OUT,
        "the deadline passed while test_it.py::test_hangs was running",
    ), ended.log
    assert ended.result.exit_code == 137
    assert "in test_hangs" in ended.log


def test_out_of_memory_names_its_test(containers: Containers):
    ended = containers["greedy"].result()
    status, message = ended.judged()

    assert (status, ended.result.out_of_memory) == (StageStatus.CRASHED, True), ended.log
    assert "for memory while test_it.py::test_greedy was running" in message
    assert ended.evidence.counts == StageCounts(passed=1, errors=1, collected=2)


def test_an_image_without_pytest_is_an_infra_error(containers: Containers):
    ended = containers["no pytest"].result()

    assert ended.result.exit_code == 1, ended.log
    assert ended.judged()[0] is StageStatus.INFRA_ERROR


def test_a_command_that_is_not_there_is_an_infra_error(containers: Containers):
    ended = containers["no command"].result()

    assert ended.result.exit_code == 127, ended.log
    assert ended.judged() == (
        StageStatus.INFRA_ERROR,
        "no evidence, exit code 127: the command is not in this image",
    )
