from __future__ import annotations

import contextlib
import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import docker
import pytest

from nightly_pipeline.errors import ContainerError, EnvironmentNotReady, NoGpu
from nightly_pipeline.tools.archive import ArchiveLimits
from nightly_pipeline.tools.container_end import EndWatch
from nightly_pipeline.tools.container_logs import LogLimits
from nightly_pipeline.tools.containers import RunnerLimits
from tests.integration.containers_support import READY, python, until, variant_of_base

pytestmark = [pytest.mark.integration, pytest.mark.docker]

MIB = 1024**2


def test_a_clean_end(bench):
    result = bench.run("echo", "hello")
    assert (result.exit_code, result.timed_out, result.out_of_memory) == (0, False, False)
    assert result.collected is None
    assert bench.output == ["hello"]


def test_a_failing_container_is_a_result(bench):
    assert bench.run("sh", "-c", "exit 42").exit_code == 42


def test_a_program_that_is_not_there_is_a_result_too(bench):
    assert bench.run("no-such-program").exit_code == 127


def test_duration_is_the_containers_not_ours(bench, monkeypatch):
    look, seen = EndWatch._state, []

    def look_late(watch):
        time.sleep(1)
        seen.append(look(watch))
        return seen[-1]

    monkeypatch.setattr(EndWatch, "_state", look_late)
    result = bench.run("sleep", "1")
    started, finished = (datetime.fromisoformat(seen[-1][name]) for name in ("StartedAt", "FinishedAt"))
    assert result.duration_s == (finished - started).total_seconds()


def test_both_streams_come_in_whole_lines(bench):
    parts = "(1, b'out '), (2, b'err '), (1, b'o\\n'), (2, b'e\\n')"
    code = f"import os\nfor i in range(200):\n  for stream, text in {parts}: os.write(stream, text)"
    bench.run(*python(code))
    assert sorted(set(bench.output)) == ["err e", "out o"]
    assert len(bench.output) == 400


def test_output_that_is_no_text_and_has_no_newline_arrives(bench):
    bench.run(*python("import os; os.write(1, b'\\xff\\xfe bytes')"))
    assert bench.output == ["\ufffd\ufffd bytes"]


def test_output_right_before_the_end_is_not_lost(bench):
    bench.run("sh", "-c", "seq 1 20000")
    assert bench.output == [str(number) for number in range(1, 20001)]


TERM_IS_7 = "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
TERM_IS_NOTHING = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
IS_READY = f"print('{READY}')\ntime.sleep(600)"


@pytest.mark.usefixtures("from_ready")
def test_term_at_the_deadline_is_honoured(bench):
    result = bench.run(*python(TERM_IS_7 + IS_READY), deadline_s=2.0, grace_s=100.0)
    assert (result.exit_code, result.timed_out, result.out_of_memory) == (7, True, False)
    assert result.duration_s >= 2.0
    assert "deadline of 2 s" in bench.notes


@pytest.mark.usefixtures("from_ready")
def test_a_container_that_ignores_term_is_killed_after_the_grace(bench):
    result = bench.run(*python(TERM_IS_NOTHING + IS_READY), deadline_s=2.0, grace_s=1.0)
    assert (result.exit_code, result.timed_out, result.out_of_memory) == (137, True, False)
    assert result.duration_s >= 3.0
    assert bench.output == [READY]


@pytest.mark.usefixtures("from_ready")
def test_a_program_without_a_term_handler_ends_on_term(bench):
    result = bench.run("sh", "-c", f"echo {READY}; exec sleep 600", deadline_s=2.0, grace_s=100.0)
    assert (result.exit_code, result.timed_out) == (143, True)


@pytest.fixture
def patience(monkeypatch):
    """As long as it takes for the kernel's word that a process was killed for memory."""
    monkeypatch.setattr("nightly_pipeline.tools.container_end._OOM_LOOKS", 1000)


@pytest.mark.usefixtures("patience")
def test_running_out_of_memory_is_told_from_other_kills(bench):
    result = bench.run(*python("b = bytearray(300 * 1024**2)"), memory_bytes=64 * MIB)
    assert (result.exit_code, result.out_of_memory, result.timed_out) == (137, True, False)
    assert "for memory" in bench.notes


def test_a_kill_within_the_limit_is_not_called_out_of_memory(bench):
    result = bench.run(*python("import os; os.kill(os.getpid(), 9)"), memory_bytes=64 * MIB)
    assert (result.exit_code, result.out_of_memory) == (137, False)


def test_a_child_killed_for_memory_is_said_but_a_good_end_stays_good(bench):
    code = (
        "import signal, subprocess, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n"
        "subprocess.run([sys.executable, '-c', 'bytearray(300 * 1024**2)'])\n"
    )
    client = docker.from_env()

    def end_it_when_the_kill_is_known() -> None:
        until(lambda: READY in bench.lines)
        (container,) = bench.left_behind()
        until(lambda: client.api.inspect_container(container)["State"]["OOMKilled"])
        client.api.kill(container, signal="SIGTERM")

    with contextlib.closing(client), ThreadPoolExecutor(1) as elsewhere:
        ended = elsewhere.submit(end_it_when_the_kill_is_known)
        result = bench.run(*python(code + IS_READY), memory_bytes=64 * MIB)
        ended.result()
    assert (result.exit_code, result.out_of_memory) == (0, False)
    assert "for memory" in bench.notes


def test_fifty_megabytes_of_output_are_bounded_and_fast(bench):
    bench.limits = RunnerLimits(log=LogLimits(head_bytes=MIB, tail_bytes=64 * 1024))
    code = "line = 'x' * 99 + '\\n'\nfor _ in range(500): print(line * 1000, end='')\nprint('the end')"
    started = time.process_time()
    bench.run(*python(code))
    assert time.process_time() - started < 15
    handed_on = sum(len(line) + 1 for line in bench.output)
    assert handed_on < 2 * MIB
    assert bench.output[-1] == "the end"
    (left_out,) = re.findall(r"([\d,]+) bytes of output were left out", bench.notes)
    assert handed_on + int(left_out.replace(",", "")) == 50_000_000 + len("the end\n")


def test_a_line_without_end_is_bounded(bench):
    bench.run("sh", "-c", "head -c 20000000 /dev/zero | tr '\\0' x")
    (line,) = bench.output
    assert len(line) < 20_000
    kept, more = re.fullmatch(r"(x+) \[(\d+) more bytes\]", line).groups()
    assert len(kept) + int(more) == 20_000_000


def test_a_log_that_fails_does_not_lose_the_container(bench, tmp_path):
    bench.lines = _FullDisk()
    result = bench.run("sh", "-c", "seq 1 1000; echo done > /results/file", collect="/results")
    assert result.exit_code == 0
    assert (result.collected / "file").read_text() == "done\n"


class _FullDisk(list[str]):
    def append(self, line: str) -> None:
        raise OSError(28, "No space left on device")


def test_injected_files_are_there_before_the_start(bench):
    files = {"/nightly/plugin/a.py": b"print('injected')", "/srv/deep/er/data.bin": bytes(range(256))}
    bench.run(
        "sh",
        "-c",
        "python3 /nightly/plugin/a.py; wc -c < /srv/deep/er/data.bin; stat -c %a /nightly /srv",
        inject=files,
    )
    assert bench.output == ["injected", "256", "755", "755"]


def test_injecting_leaves_existing_folders_as_they_are(bench):
    bench.run("stat", "-c", "%a", "/tmp", inject={"/tmp/x/y": b""})  # noqa: S108
    assert bench.output == ["1777"]


def test_results_come_back_with_their_folders(bench):
    code = "mkdir -p /out/results/a/b; echo 1 > /out/results/one; echo 2 > /out/results/a/b/two"
    result = bench.run("sh", "-c", code, collect="/out/results")
    assert result.collected == bench.workspace
    assert (bench.workspace / "one").read_text() == "1\n"
    assert (bench.workspace / "a/b/two").read_text() == "2\n"


@pytest.mark.usefixtures("from_ready")
def test_results_come_back_after_a_kill(bench):
    code = TERM_IS_NOTHING + "open('/results/evidence.jsonl', 'w').write('started')\n" + IS_READY
    result = bench.run(*python(code), collect="/results", deadline_s=1.0, grace_s=0.0)
    assert result.exit_code == 137
    assert (result.collected / "evidence.jsonl").read_text() == "started"


@pytest.mark.usefixtures("patience")
def test_results_come_back_after_running_out_of_memory(bench):
    code = "open('/results/evidence.jsonl', 'w').write('started')\nbytearray(300 * 1024**2)"
    result = bench.run(*python(code), collect="/results", memory_bytes=64 * MIB)
    assert result.out_of_memory
    assert (result.collected / "evidence.jsonl").read_text() == "started"


def test_a_user_who_is_not_root_can_write_results(bench):
    image = variant_of_base(User="1000:1000")
    code = "id -u; stat -c %a /results; echo mine > /results/file"
    result = bench.run("sh", "-c", code, image=image, collect="/results", working_dir="/results")
    assert bench.output == ["1000", "1777"]
    assert (result.collected / "file").read_text() == "mine\n"


def test_links_in_the_results_are_refused_and_named(bench):
    code = "cd /results; ln -s /etc/shadow stolen; ln -s / root; mkfifo pipe; echo ok > fine"
    result = bench.run("sh", "-c", code, collect="/results")
    assert [path.name for path in sorted(result.collected.iterdir())] == ["fine"]
    for name in ("stolen", "root", "pipe"):
        assert f"'{name}': links and devices" in bench.notes


def test_a_results_folder_turned_into_a_link_gives_nothing(bench):
    result = bench.run("sh", "-c", "rmdir /out/results && ln -s /etc /out/results", collect="/out/results")
    assert list(result.collected.iterdir()) == []


def test_a_results_folder_that_is_gone_gives_none_and_a_line(bench):
    result = bench.run("rmdir", "/out/results", collect="/out/results")
    assert result.exit_code == 0
    assert result.collected is None
    assert "results could not be fetched" in bench.notes


def test_results_beyond_the_limit_are_refused_but_not_those_after_them(bench):
    bench.limits = RunnerLimits(collect=ArchiveLimits(total_bytes=MIB))
    code = "cd /results; head -c 3000000 /dev/zero > a.core; echo ok > evidence.jsonl"
    result = bench.run("sh", "-c", code, collect="/results")
    assert [path.name for path in result.collected.iterdir()] == ["evidence.jsonl"]
    assert "'a.core': 3000000 bytes, too large" in bench.notes


def test_old_results_on_this_side_are_never_mixed_with_new_ones(bench):
    bench.workspace.mkdir()
    (bench.workspace / "evidence.jsonl").write_text("of yesterday")
    with pytest.raises(ContainerError, match="is not empty"):
        bench.run("true", collect="/results")


def test_old_results_in_the_image_are_never_taken_for_new_ones(bench):
    with pytest.raises(ContainerError, match="has files in /etc"):
        bench.run("true", collect="/etc")


def test_a_daemon_that_does_not_answer_is_the_environments_fault(bench):
    with pytest.raises(EnvironmentNotReady, match=r"127\.0\.0\.1:1"):
        bench.run("true", docker_host="tcp://127.0.0.1:1")


@pytest.mark.parametrize("count", [1, 2])
def test_gpus_on_a_machine_without_any(bench, count):
    with pytest.raises(NoGpu, match=f"^{count} GPU") as caught:
        bench.run("true", gpus=count)
    assert "this machine's Docker daemon" in caught.value.message
