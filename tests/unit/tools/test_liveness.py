"""Whether the process behind a token is gone."""

from __future__ import annotations

import os
import subprocess
import sys

from nightly_pipeline.tools.liveness import is_gone, this_process


def token_of_another() -> tuple[subprocess.Popen[str], str]:
    program = (
        "from nightly_pipeline.tools.liveness import this_process\nprint(this_process(), flush=True)\ninput()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    return child, child.stdout.readline().strip()


def test_this_process_is_here() -> None:
    assert not is_gone(this_process())


def test_a_process_that_ended_is_gone() -> None:
    child, token = token_of_another()
    assert not is_gone(token)
    child.communicate("\n", timeout=60)
    assert is_gone(token)


def test_a_process_that_was_killed_and_not_yet_waited_for_is_gone() -> None:
    child, token = token_of_another()
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert is_gone(token)
    child.communicate()


def test_a_number_given_to_another_process_does_not_count() -> None:
    host, pid, started = this_process().rsplit(":", 2)
    assert is_gone(f"{host}:{pid}:{int(started) + 1}")


def test_of_another_machine_nobody_knows() -> None:
    assert not is_gone("elsewhere:1:1")


def test_a_token_that_cannot_be_read_says_nothing() -> None:
    assert not is_gone("::")
