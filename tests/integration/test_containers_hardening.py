from __future__ import annotations

import pytest

from tests.integration.containers_support import READY, python, variant_of_base

pytestmark = [pytest.mark.integration, pytest.mark.docker]


@pytest.fixture
def status(bench) -> dict[str, str]:
    """What the kernel says of a process in a container."""
    bench.run("cat", "/proc/self/status")
    return dict(line.split(":\t", 1) for line in bench.output if ":\t" in line)


@pytest.mark.parametrize("capabilities", ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"])
def test_a_container_has_no_capabilities(status, capabilities):
    assert int(status[capabilities], 16) == 0


def test_a_container_gains_no_privileges(status):
    assert status["NoNewPrivs"].strip() == "1"


def test_system_calls_are_filtered(status):
    assert status["Seccomp"].strip() == "2"


def test_there_is_no_docker_socket(bench):
    bench.run("sh", "-c", "ls /var/run/docker.sock /run/docker.sock 2>&1 | grep -c 'No such file'")
    assert bench.output == ["2"]


def test_only_the_named_environment_is_passed(bench, monkeypatch):
    monkeypatch.setenv("SECRET_OF_THE_HOST", "x")
    bench.run("env", environment={"ONE": "1"})
    names = {line.partition("=")[0] for line in bench.output}
    assert "ONE" in names
    assert "SECRET_OF_THE_HOST" not in names


def test_the_number_of_processes_is_limited(bench):
    code = (
        "import os, time\nfor count in range(200):\n"
        "  try: pid = os.fork()\n  except OSError: print('refused at', count < 50); break\n"
        "  if pid == 0: time.sleep(600); os._exit(0)"
    )
    bench.run(*python(code), pids_limit=40)
    assert bench.output == ["refused at True"]


def test_shared_memory_is_as_large_as_asked(bench):
    bench.run("sh", "-c", "df -m --output=size /dev/shm | tail -1", shm_bytes=256 * 1024**2)
    assert [line.strip() for line in bench.output] == ["256"]


def test_memory_may_be_locked_without_limit_or_the_log_says_why_not(bench):
    assert bench.run("bash", "-c", "ulimit -l", memlock_unlimited=True).exit_code == 0
    assert bench.output == ["unlimited"] or "memory cannot be locked without limit" in bench.notes


def test_cpus_beyond_those_of_the_host_are_no_error(bench):
    assert bench.run("true", cpus=4096.0).exit_code == 0


def test_the_entrypoint_is_replaced_or_kept(bench):
    image = variant_of_base(Entrypoint=["echo", "entry"])
    bench.run("a", image=image)
    bench.run("b", image=image, entrypoint=("echo", "mine"))
    assert bench.output == ["entry a", "mine b"]


@pytest.mark.usefixtures("from_ready")
def test_an_image_cannot_choose_another_signal_for_its_end(bench):
    image = variant_of_base(StopSignal="SIGUSR2")
    code = (
        "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
        f"print('{READY}')\ntime.sleep(600)"
    )
    assert bench.run(*python(code), image=image, deadline_s=1.0, grace_s=100.0).exit_code == 7


def test_an_images_health_check_does_not_run(bench):
    check = {"Test": ["CMD-SHELL", "touch /results/checked"], "Interval": 10**8, "StartPeriod": 0}
    image = variant_of_base(Healthcheck=check)
    result = bench.run("sleep", "2", image=image, collect="/results")
    assert list(result.collected.iterdir()) == []


def test_zombies_are_reaped(bench):
    zombies = "cat /proc/[0-9]*/stat 2>/dev/null | grep -c ') Z '"
    bench.run(
        "sh", "-c", f"(sleep 0.2 &); sleep 1; for _ in $(seq 40); do {zombies} || break; sleep 0.5; done"
    )
    assert bench.output[-1] == "0"
