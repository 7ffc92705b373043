"""The entry point: which command it runs, and what it refuses."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

pytestmark = [pytest.mark.unit, pytest.mark.gpu_0, pytest.mark.pre_merge, pytest.mark.nightly]

SERVE = "/opt/nightly/serve"


def serve(*arguments, **environment):
    return subprocess.run(
        [SERVE, *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env=os.environ | environment,
    )


def command(*arguments, **environment):
    result = serve(*arguments, "--print-command", **environment)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_the_program_exists():
    program = command("--model", "m")[0]
    assert os.access(program, os.X_OK)


def test_the_address_is_passed_on():
    argv = command("--model", "m", "--host", "127.0.0.1", "--port", "1234")
    assert argv[argv.index("--host") + 1] == "127.0.0.1"
    assert argv[argv.index("--port") + 1] == "1234"


def test_by_default_it_listens_on_all_addresses_at_8000():
    argv = command("--model", "m")
    assert argv[argv.index("--host") + 1] == "0.0.0.0"  # noqa: S104
    assert argv[argv.index("--port") + 1] == "8000"


def test_the_environment_may_name_the_port():
    argv = command("--model", "m", NIGHTLY_PORT="9000")
    assert argv[argv.index("--port") + 1] == "9000"


def test_other_flags_are_passed_on_in_order(dialect):
    flags = [dialect.context_flag, "128", dialect.tensor_parallel_flag, "2"]
    assert command("--model", "m", *flags)[-4:] == flags


def test_it_starts_the_engine_of_its_kind(image):
    argv = command("--model", "m")
    assert (argv[0] == "/opt/engine/bin/mock-engine") is image.is_mock


@pytest.mark.vllm
@pytest.mark.engine_real
def test_vllm_is_started_through_its_command():
    assert command("--model", "m")[:3] == ["/opt/engine/bin/vllm", "serve", "m"]


@pytest.mark.sglang
@pytest.mark.engine_real
def test_sglang_is_started_through_its_launcher():
    expected = ["/opt/engine/bin/python3", "-m", "sglang.launch_server", "--model-path", "m"]
    assert command("--model", "m")[:5] == expected


@pytest.mark.trtllm
@pytest.mark.engine_real
def test_trtllm_is_started_through_its_command():
    assert command("--model", "m")[:2] == ["/opt/engine/bin/trtllm-serve", "m"]


def test_without_a_model_it_says_what_is_missing():
    result = serve()
    assert result.returncode == 2
    assert "--model" in result.stderr


@pytest.mark.parametrize("port", ["http", ""])
def test_a_port_that_is_no_number_is_refused(port):
    assert serve("--model", "m", "--port", port).returncode == 2


def test_a_first_argument_that_is_no_flag_is_run_as_a_command():
    assert serve("python3", "-c", "print('ran')").stdout == "ran\n"


def test_a_command_that_does_not_exist_gives_127():
    result = serve("no-such-command")
    assert result.returncode == 127
    assert "no-such-command" in result.stderr


def test_the_probe_fails_while_nothing_serves():
    probe = subprocess.run(
        ["python3", "/opt/nightly/healthcheck.py"],
        capture_output=True, text=True, timeout=30, check=False, env=os.environ | {"NIGHTLY_PORT": "1"},
    )  # fmt: skip
    assert probe.returncode == 1
    assert "port 1" in probe.stdout


def test_the_sanity_check_passes():
    result = subprocess.run(
        ["python3", "/opt/nightly/sanity.py"], capture_output=True, text=True, timeout=60, check=False
    )
    document = json.loads(result.stdout)
    assert [check for check in document["checks"] if not check["ok"]] == []
    assert (result.returncode, document["ok"]) == (0, True)


def test_scripts_run_with_the_engines_python():
    scripts = [path for path in Path("/opt/engine/bin").iterdir() if path.is_file() and not path.is_symlink()]
    shebangs = {path.name: path.read_bytes().split(b"\n")[0] for path in scripts}
    python = {name: line for name, line in shebangs.items() if line.startswith(b"#!") and b"python" in line}
    assert {name: line for name, line in python.items() if b"/opt/engine/bin/python" not in line} == {}
