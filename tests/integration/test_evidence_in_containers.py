"""Every end a suite can have, in containers: the table of the unit tests, and the ends only a container has.

One container runs the whole table, a pytest for each row; every other row here is a container's own end. They
are all started at once: most of them only wait.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from nightly_pipeline.errors import ContainerError
from nightly_pipeline.model.evidence import failures_of
from nightly_pipeline.model.outcomes import EngineFacts, StageCounts, StageStatus
from nightly_pipeline.model.requests import ContainerResult
from nightly_pipeline.tools.container_end import EndWatch
from tests.integration.containers_support import deadlines_from_ready
from tests.integration.evidence_support import (
    Ended,
    image_with_pytest,
    is_ready,
    read,
    run,
    run_and,
    run_suite,
    run_table,
)
from tests.unit.evidence_plugin.cases import CASES, Case
from tests.unit.evidence_plugin.checking import check

# The first test waits for a container that runs the whole table.
pytestmark = [pytest.mark.integration, pytest.mark.docker, pytest.mark.timeout(900)]

CLEAN = """
import pytest
@pytest.mark.parametrize("n", range(20_000))
def test_it(n): pass
"""
IMAGE_FACTS = {"engine": {"kind": "mock", "name": "vllm", "version": "0.9"}}
# Output is caught as ever; what is said of being ready goes past that.
HANGS_IN_PYTHON = """
import time
def test_good(): pass
def wait_for_an_answer(capfd):
    with capfd.disabled(): print("\\nREADY", flush=True)
    time.sleep(600)
def test_hangs(capfd): wait_for_an_answer(capfd)
def test_later(): pass
"""
HANGS_IN_A_LIBRARY = """
import ctypes
def test_hangs(capfd):
    mutex, libc = ctypes.create_string_buffer(128), ctypes.CDLL(None)
    libc.pthread_mutex_lock(mutex)
    with capfd.disabled(): print("\\nREADY", flush=True)
    libc.pthread_mutex_lock(mutex)
"""
GREEDY = """
def test_good(): pass
def test_greedy(): b"x" * 2_000_000_000
"""
LOUD = """
def test_good(): pass
def test_loud():
    for _ in range(50): print("x" * 999_999)
    assert False, "loud"
"""
HANGS_S = 5  # seconds until what hangs is ended
Containers = dict[str, Future[Ended]]


@pytest.fixture(scope="module")
def image(base_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with image_with_pytest(base_image, tmp_path_factory.mktemp("image")) as name:
        yield name


@pytest.fixture(scope="module")
def containers(image: str, base_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containers]:
    """All containers, under way. A deadline of what hangs counts from when it does."""

    def start(run_it: Callable[..., Ended], where: str, *arguments: str, **changes: object) -> Future[Ended]:
        return pool.submit(run_it, where, tmp_path_factory.mktemp("container"), *arguments, **changes)

    facts = {"/etc/nightly/image.json": json.dumps(IMAGE_FACTS).encode()}
    little = {"memory_bytes": 200 * 1024**2}
    workers = {"arguments": ("-n", "2"), "memory_bytes": 400 * 1024**2}

    def counts_now(watch: EndWatch) -> bool:
        return watch._spec.deadline_s > HANGS_S or is_ready(watch)

    with (
        pytest.MonkeyPatch.context() as patch,
        deadlines_from_ready(counts_now),
        ThreadPoolExecutor(12) as pool,
    ):
        # The kernel's word that something was killed for memory is waited for, however late it comes.
        patch.setattr("nightly_pipeline.tools.container_end._OOM_LOOKS", 1000)
        yield {
            "table": start(run_table, image),
            "clean": start(run_suite, image, CLEAN, inject=facts),
            "hangs in Python": start(run_suite, image, HANGS_IN_PYTHON, deadline_s=HANGS_S, grace_s=100),
            "hangs in a library": start(run_suite, image, HANGS_IN_A_LIBRARY, deadline_s=HANGS_S, grace_s=20),
            "greedy": start(run_suite, image, GREEDY, **little),
            "greedy worker": start(run_suite, image, GREEDY, **workers),
            "loud": start(run_suite, image, LOUD, arguments=("-s",)),
            "stopped": start(run_and("stop", "--time", "100"), image, HANGS_IN_PYTHON),
            "killed": start(run_and("kill"), image, HANGS_IN_PYTHON),
            "removed": start(run_and("rm", "--force"), image, HANGS_IN_PYTHON),
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
    container = ContainerResult(code, timed_out=False, out_of_memory=False, duration_s=1, collected=folder)

    check(case, read(folder / "evidence.jsonl"), container, folder, output)


def test_a_clean_run_of_20_000_tests_says_its_engine_and_its_plugins(containers: Containers):
    ended = containers["clean"].result()
    session = ended.evidence.session

    assert ended.judged() == (StageStatus.PASSED, ""), ended.log
    assert ended.evidence.counts == StageCounts(passed=20_000, collected=20_000)
    assert ended.told == "20000*passed"
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
    assert ended.told == "passed crashed not_run"


def test_the_deadline_names_a_hang_inside_a_library_that_only_kill_ends(containers: Containers):
    ended = containers["hangs in a library"].result()

    assert ended.judged() == (
        StageStatus.TIMED_OUT,
        "the deadline passed while test_it.py::test_hangs was running",
    ), ended.log
    assert ended.result.exit_code == 137
    assert "in test_hangs" in ended.log
    assert ended.told == "crashed"


def test_out_of_memory_names_its_test(containers: Containers):
    ended = containers["greedy"].result()
    status, message = ended.judged()

    assert (status, ended.result.out_of_memory) == (StageStatus.CRASHED, True), ended.log
    assert "for memory while test_it.py::test_greedy was running" in message
    assert ended.evidence.counts == StageCounts(passed=1, errors=1, collected=2)
    assert ended.told == "passed crashed"


def test_a_worker_that_runs_out_of_memory_names_its_test_though_pytest_goes_on(containers: Containers):
    ended = containers["greedy worker"].result()
    status, message = ended.judged()

    assert (status, ended.result.out_of_memory) == (StageStatus.CRASHED, True), ended.log
    assert ended.evidence.finished
    assert "for memory while test_it.py::test_greedy was running" in message
    assert ended.told == "passed crashed"


def test_50_megabytes_of_output_cost_neither_the_verdict_nor_our_memory(containers: Containers):
    ended = containers["loud"].result()

    assert ended.judged() == (StageStatus.FAILED, "1 failed of 2 tests"), ended.log[-2000:]
    assert [failure.test for failure in failures_of(ended.evidence)] == ["test_it.py::test_loud"]
    cut = sum(int(count) for count in re.findall(r"\[(\d+) more bytes\]", ended.log))
    assert cut + len(ended.log) > 50_000_000 > 5 * len(ended.log)


def test_a_container_that_somebody_stops_names_the_test_that_was_running(containers: Containers):
    ended = containers["stopped"].result()

    assert ended.judged() == (
        StageStatus.CRASHED,
        "stopped by SIGTERM while test_it.py::test_hangs was running",
    ), ended.log
    assert ended.told == "passed crashed not_run"


def test_a_container_that_somebody_kills_names_the_test_that_was_running(containers: Containers):
    ended = containers["killed"].result()
    status, message = ended.judged()

    assert (status, ended.result.exit_code, ended.result.out_of_memory) == (StageStatus.CRASHED, 137, False)
    assert "died of SIGKILL, without pytest's finish, while test_it.py::test_hangs was running" in message
    assert ended.told == "passed crashed not_run"


def test_a_container_that_somebody_removes_is_no_good_end_whatever_is_left_of_it(containers: Containers):
    try:
        ended = containers["removed"].result()
    except ContainerError:
        return  # a stage makes an infra_error of it
    status, _ = ended.judged()

    # It is a race: its end may be seen, and its files fetched, before it is gone.
    assert status in {StageStatus.INFRA_ERROR, StageStatus.CRASHED}, ended.log
    assert ended.told in {"", "passed crashed not_run", "passed not_run:1/0 not_run"}


def test_an_image_without_pytest_is_an_infra_error(containers: Containers):
    ended = containers["no pytest"].result()

    assert ended.result.exit_code == 1, ended.log
    assert ended.judged()[0] is StageStatus.INFRA_ERROR
    assert ended.told == ""


def test_a_command_that_is_not_there_is_an_infra_error(containers: Containers):
    ended = containers["no command"].result()

    assert ended.result.exit_code == 127, ended.log
    assert ended.judged() == (
        StageStatus.INFRA_ERROR,
        "no evidence, exit code 127: the command is not in this image",
    )
