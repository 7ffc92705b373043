from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from nightly_mock_engine import cli

FLAGS = {
    "vllm": ["--model", "m", "--tensor-parallel-size", "2", "--max-model-len", "64", "--enforce-eager"],
    "sglang": ["--model-path", "m", "--tp", "2", "--context-length", "64", "--enable-metrics"],
    "trtllm": ["m", "--tp_size", "2", "--max_seq_len", "64", "--backend", "pytorch"],
}


@pytest.mark.parametrize("framework", FLAGS)
def test_the_model_is_named_by_its_place_or_by_its_flag(framework):
    named = cli.parse(["--framework", framework, "--model", "m"])
    assert named == cli.parse(["m", "--framework", framework])


@pytest.mark.parametrize("framework", FLAGS)
def test_each_framework_has_its_own_flags(framework):
    config = cli.parse(["--framework", framework, *FLAGS[framework]])
    assert (config.model, config.tensor_parallel, config.max_model_len) == ("m", 2, 64)
    assert config.dialect.name == framework


@pytest.mark.parametrize("framework", FLAGS)
def test_the_arguments_are_logged_under_the_frameworks_names(framework):
    arguments = cli.parse(["--framework", framework, *FLAGS[framework]]).arguments()
    assert {"tensor_parallel_size", "tp_size"} & set(arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["m", "--model", "m"],
        ["--model", "m", "--no-such-flag"],
        ["--model", "m", "--tp_size", "2"],
        ["--model", "m", "--tensor-parallel-size", "0"],
        ["--model", "m", "--port", "70000"],
        ["--model", "m", "--token-delay-ms", "nan"],
        ["--framework", "other", "--model", "m"],
        ["--model", "m", "--max-model", "5"],
    ],
)
def test_what_it_does_not_know_is_refused(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.parse(arguments)
    assert ended.value.code == 2
    assert "mock-engine: error" in capsys.readouterr().err


def test_a_flag_that_means_nothing_here_is_named(capsys):
    cli.parse(["--model", "m", "--gpu-memory-utilization", "0.5"])
    assert "--gpu-memory-utilization means nothing" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_0_and_its_log_says_mock(docker_folder, number):
    process = start(docker_folder, "--port", "0")
    lines = []
    while "listening" not in (line := process.stderr.readline()):
        assert line, "it ended before it listened"
        lines.append(line)
    process.send_signal(number)
    assert process.wait(60) == 0
    assert "MOCK engine" in "".join(lines)
    process.stderr.close()


def test_a_signal_while_starting_ends_it(docker_folder):
    process = start(docker_folder, "--port", "0", "--startup-delay", "30")
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) in {0, -signal.SIGTERM}  # the latter where it had not begun to hold signals back
    process.stderr.close()


def test_a_signal_just_after_it_is_ready_is_not_lost(docker_folder):
    """The moment at which a handler would have met a lock held by the thread that it interrupts."""
    for _ in range(10):
        process = start(docker_folder, "--port", "0")
        while "listening" not in process.stderr.readline():
            pass
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        process.stderr.close()


def test_a_port_that_cannot_be_had_is_3(serving, docker_folder):
    process = start(docker_folder, "--port", str(serving().port))
    assert process.wait(60) == 3
    assert "cannot listen" in process.stderr.read()
    process.stderr.close()


def start(docker_folder, *flags):
    return subprocess.Popen(
        [sys.executable, "-m", "nightly_mock_engine", "--model", "m", "--host", "127.0.0.1", *flags],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(docker_folder / "mock_engine" / "src")},
    )
