from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightly_pipeline.errors import ProcessError, ProcessTimedOut
from nightly_pipeline.model.masking import mask
from nightly_pipeline.tools import pipes
from nightly_pipeline.tools.process import run


def sh(script, **options):
    return run(["sh", "-c", script], **{"deadline_s": 300, **options})


def is_alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_until(condition, timeout_s=60):
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


class Clock:
    """The clock of deadlines. Hours pass at once when the program says the first line to it."""

    def __init__(self):
        self.ahead_s = 0.0
        self.passed_at = None

    def monotonic(self):
        return time.monotonic() + self.ahead_s

    def hours_pass(self, _line):
        self.ahead_s, self.passed_at = 10_000.0, time.monotonic()


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(pipes, "time", clock)
    return clock


def test_says_how_it_ended():
    completed = sh("echo out; echo err >&2")
    assert (completed.exit_code, completed.stdout, completed.stderr) == (0, "out\n", "err\n")
    assert completed.argv == ("sh", "-c", "echo out; echo err >&2")
    assert completed.duration_s > 0
    assert not completed.truncated


def test_a_failure_carries_everything():
    with pytest.raises(ProcessError, match="exit code 3") as caught:
        sh("echo why >&2; exit 3")
    assert caught.value.exit_code_of_process == 3
    assert caught.value.stderr_tail == "why"
    assert "why" in str(caught.value)


def test_a_failure_that_wrote_to_standard_output_only_shows_that():
    with pytest.raises(ProcessError, match="on the wrong stream"):
        sh("echo on the wrong stream; exit 1")


def test_a_failure_may_be_an_answer():
    assert sh("exit 3", check=False).exit_code == 3


def test_a_signal_is_named():
    with pytest.raises(ProcessError, match="killed by SIGKILL") as caught:
        sh("kill -KILL $$")
    assert caught.value.exit_code_of_process == -9


def test_what_is_not_installed_says_so():
    with pytest.raises(ProcessError, match="`no-such-program` is not installed") as caught:
        run(["no-such-program"], deadline_s=1)
    assert caught.value.exit_code_of_process is None
    assert "Install no-such-program" in caught.value.next_step


def test_a_folder_that_is_not_there_says_so(tmp_path):
    with pytest.raises(ProcessError, match="could not be started"):
        run(["true"], deadline_s=1, cwd=tmp_path / "absent")


def test_standard_input(tmp_path):
    data = os.urandom(1_000_000)
    (tmp_path / "expected").write_bytes(data)
    assert run(["cmp", "-", "expected"], deadline_s=300, stdin=data, cwd=tmp_path).exit_code == 0


def test_a_program_that_does_not_read_its_input_is_no_error():
    assert run(["true"], deadline_s=300, stdin=bytes(10_000_000)).exit_code == 0


def test_without_input_there_is_none():
    assert sh("cat").stdout == ""


def test_variables_are_added_and_taken_away_and_the_rest_is_inherited(monkeypatch):
    monkeypatch.setenv("INHERITED", "yes")
    monkeypatch.setenv("UNWANTED", "yes")
    completed = sh('echo "$INHERITED,$ADDED,$UNWANTED"', env={"ADDED": "a b", "UNWANTED": None})
    assert completed.stdout == "yes,a b,\n"


def test_lines_come_as_they_are_written_and_before_the_end(tmp_path):
    seen = []

    def see(line):
        seen.append(line)
        (tmp_path / line).touch()

    sh(
        f"echo one; echo two >&2; until [ -e {tmp_path}/one ]; do sleep 0.02; done; printf three",
        on_stdout=see,
    )
    assert seen == ["one", "three"]


def test_both_streams_have_their_own_sink():
    out, err = [], []
    sh("echo o; echo e >&2", on_stdout=out.append, on_stderr=err.append)
    assert (out, err) == (["o"], ["e"])


def test_only_the_tail_is_kept():
    completed = sh("seq 100000", keep_bytes=100)
    assert completed.stdout.endswith("99999\n100000\n")
    assert len(completed.stdout) == 100
    assert completed.truncated


def test_output_without_end_costs_no_memory():
    lines = 0

    def count(_):
        nonlocal lines
        lines += 1

    tracemalloc.start()
    try:
        sh("seq 3000000", on_stdout=count, deadline_s=550)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert lines == 3_000_000
    assert peak < 12 * 1024 * 1024


def test_wrong_bytes_are_replaced():
    lines = []
    completed = sh(r"printf 'a\377b\n'", on_stdout=lines.append)
    assert lines == ["a\ufffdb"]
    assert completed.stdout == "a\ufffdb\n"


def test_the_deadline_ends_the_program():
    started = time.monotonic()
    with pytest.raises(ProcessTimedOut, match=r"did not end within 1\.5 s"):
        sh("sleep 600", deadline_s=1.5)
    assert 1.5 <= time.monotonic() - started < 300


def test_the_deadline_ends_the_children_too_and_tells_what_was_said(tmp_path, clock):
    with pytest.raises(ProcessTimedOut, match="did not end within 300 s") as caught:
        sh(f"sleep 600 & echo $! > {tmp_path}/pid; echo begun >&2; wait", on_stderr=clock.hours_pass)
    assert "begun" in caught.value.stderr_tail
    wait_until(lambda: not is_alive(int((tmp_path / "pid").read_text())))


def test_what_was_said_while_nobody_looked_is_told_with_the_deadline(tmp_path, clock, monkeypatch):
    """As on a machine that was suspended, or on one that was too busy to let us run."""

    def late() -> float:
        wait_until((tmp_path / "begun").exists, timeout_s=300)
        return time.monotonic() + 10_000

    monkeypatch.setattr(clock, "monotonic", late)
    lines = []
    with pytest.raises(ProcessTimedOut) as caught:
        sh(f"echo one; echo begun >&2; touch {tmp_path}/begun; sleep 600", on_stdout=lines.append)
    assert (lines, caught.value.stderr_tail) == (["one"], "begun")


def test_the_program_may_clean_up_before_it_is_killed(tmp_path, clock):
    script = f"trap 'echo cleaned > {tmp_path}/done; exit' TERM; echo begun; sleep 600 & wait"
    with pytest.raises(ProcessTimedOut):
        sh(script, on_stdout=clock.hours_pass, grace_s=300)
    assert (tmp_path / "done").read_text() == "cleaned\n"


def test_a_program_that_ignores_term_is_killed(tmp_path, clock):
    script = f"trap '' TERM; echo $$ > {tmp_path}/pid; echo begun; while :; do sleep 0.1; done"
    with pytest.raises(ProcessTimedOut):
        sh(script, on_stdout=clock.hours_pass, grace_s=0.5)
    assert 0.5 <= time.monotonic() - clock.passed_at < 300
    assert not is_alive(int((tmp_path / "pid").read_text()))


def test_a_child_left_behind_neither_holds_us_up_nor_survives(tmp_path):
    started = time.monotonic()
    assert sh(f"sleep 600 & echo $! > {tmp_path}/pid; echo done").stdout == "done\n"
    assert time.monotonic() - started < 300
    wait_until(lambda: not is_alive(int((tmp_path / "pid").read_text())))


def test_a_sink_that_raises_ends_the_program(tmp_path):
    def refuse(_):
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        sh(f"echo $$ > {tmp_path}/pid; echo line; sleep 600", on_stdout=refuse)
    assert not is_alive(int((tmp_path / "pid").read_text()))


def test_a_program_that_cannot_be_watched_is_ended():
    script = (  # in a process of its own, which has no file left to watch the pipes with
        "import os, resource, subprocess\n"
        "from nightly_pipeline.tools import process\n"
        "started = []\n"
        "class Popen(subprocess.Popen):\n"
        "    def __init__(self, *arguments, **named):\n"
        "        super().__init__(*arguments, **named)\n"
        "        started.append(self)\n"
        "        free = os.dup(0)\n"
        "        os.close(free)\n"
        "        resource.setrlimit(resource.RLIMIT_NOFILE, (free, free))\n"
        "process.subprocess.Popen = Popen\n"
        "try:\n"
        "    process.run(['sleep', '300'], deadline_s=300)\n"
        "except OSError as error:\n"
        "    print(error.strerror, started[0].poll())\n"
        "    started[0].kill()\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", script], env=_environment(), check=True, capture_output=True, text=True
    )
    assert said.stdout == "Too many open files -15\n"


def test_an_interrupt_ends_the_program(tmp_path):
    script = (
        "from pathlib import Path\n"
        "from nightly_pipeline.tools.process import run\n"
        f"run(['sh', '-c', 'echo $$ > {tmp_path}/pid; echo reading; sleep 300'], deadline_s=300,\n"
        f"    on_stdout=lambda line: Path('{tmp_path}', line).touch())\n"
    )
    ours = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, env=_environment())
    wait_until((tmp_path / "reading").exists)
    ours.send_signal(signal.SIGINT)
    assert b"KeyboardInterrupt" in ours.communicate(timeout=60)[1]
    assert not is_alive(int((tmp_path / "pid").read_text()))


@pytest.mark.skipif(not Path("/usr/bin/setpriv").exists(), reason="needs util-linux")
def test_when_we_are_killed_the_program_goes_too(tmp_path):
    script = (
        "from nightly_pipeline.tools.process import run\n"
        f"run(['sh', '-c', 'echo $$ > {tmp_path}/pid; exec sleep 300'], deadline_s=300)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], env=_environment()) as ours:
        wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip())
        ours.kill()
    wait_until(lambda: not is_alive(int((tmp_path / "pid").read_text())))


def test_it_works_in_any_thread():
    results = []
    threads = [threading.Thread(target=lambda: results.append(sh("echo x").stdout)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == ["x\n"] * 4


def test_no_file_descriptors_are_left_open():
    script = (  # in a process of its own, where nobody else opens and closes any
        "import os\n"
        "from nightly_pipeline.tools.process import run\n"
        "def call(): run(['sh', '-c', 'echo x; exit 1'], deadline_s=300, check=False)\n"
        "call()\n"
        "before = os.listdir('/proc/self/fd')\n"
        "for _ in range(5): call()\n"
        "assert os.listdir('/proc/self/fd') == before\n"
    )
    subprocess.run([sys.executable, "-c", script], env=_environment(), check=True)


def test_secrets_are_masked_wherever_they_could_show():
    with pytest.raises(ProcessError) as caught:
        sh("echo hunter2 >&2; exit 1", secrets=["hunter2"])
    shown = f"{caught.value} {caught.value.argv} {caught.value.stderr_tail}"
    assert "hunter2" not in shown
    assert "***" in shown


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("https://user:token@host/x", "https://***@host/x"),
        ("fatal: 'https://token@host/x' failed", "fatal: 'https://***@host/x' failed"),
        ("ssh://git@host/x", "ssh://***@host/x"),
        ("https://host/a@b", "https://host/a@b"),
        ("nothing", "nothing"),
    ],
)
def test_logins_in_addresses_are_masked(text, masked):
    assert mask(text) == masked


def test_the_longest_secret_goes_first():
    assert mask("abcdef", ["abc", "abcdef", ""]) == "***"


@settings(max_examples=200)
@given(st.text(alphabet="aé\n\r€", max_size=40), st.lists(st.integers(1, 6), max_size=30))
def test_lines_do_not_depend_on_how_the_bytes_arrive(text, sizes):
    lines = []
    stream = pipes.Lines(lines.append, keep_bytes=1000)
    data = text.encode()
    for size in sizes:
        stream.feed(data[:size])
        data = data[size:]
    stream.feed(data)
    stream.finish()
    expected = text.replace("\r\n", "\n").replace("\r", "\n")
    assert lines == (expected.removesuffix("\n").split("\n") if expected else [])
    assert stream.text == text


def test_a_line_without_end_is_handed_on_in_pieces():
    lines = []
    stream = pipes.Lines(lines.append, keep_bytes=10)
    for _ in range(5):
        stream.feed(b"x" * pipes.MAX_LINE_CHARS)
    stream.finish()
    assert max(map(len, lines)) <= pipes.MAX_LINE_CHARS
    assert sum(map(len, lines)) == 5 * pipes.MAX_LINE_CHARS


def _environment():
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
