"""A server from its start to its end."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.gpu_1, pytest.mark.post_merge, pytest.mark.nightly]

ENDED_BY_SIGTERM = {0, -signal.SIGTERM, 128 + signal.SIGTERM}
"""Servers on uvicorn end by the signal itself once they have cleaned up."""


def test_it_is_ready_in_time(shared_server):
    assert 0 < shared_server.started_in < shared_server.deadlines.start


def test_it_says_what_it_serves(shared_server):
    assert shared_server.wait_for_log(re.escape(shared_server.model))


@pytest.mark.engine_mock
def test_its_first_words_are_that_it_is_a_mock(shared_server):
    assert shared_server.wait_for_log("HTTP/1.1")
    lines = shared_server.whole_log().splitlines()
    requests = [number for number, line in enumerate(lines) if "HTTP/1.1" in line]
    assert any("this is a MOCK engine" in line for line in lines[: requests[0]])


def test_the_probe_of_the_image_finds_it(shared_server):
    probe = subprocess.run(
        ["python3", "/opt/nightly/healthcheck.py"],
        capture_output=True, text=True, timeout=30, check=False,
        env=os.environ | {"NIGHTLY_PORT": str(shared_server.port)},
    )  # fmt: skip
    assert probe.returncode == 0, probe.stdout + probe.stderr


def test_sigterm_ends_it_in_time_and_leaves_nothing(start_server):
    server = start_server()
    exit_code = server.stop()
    assert exit_code in ENDED_BY_SIGTERM
    assert server.leftovers() == []


@pytest.mark.engine_mock
def test_sigterm_lets_answers_in_flight_finish(start_server, client_of):
    server = start_server("--token-delay-ms", "20")
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(client_of(server).stream_chat, "a long one", max_tokens=24)
        deadline = time.monotonic() + server.deadlines.request
        while "POST /v1/chat/completions" not in server.whole_log():
            assert time.monotonic() < deadline, "the request never reached the server"
            time.sleep(0.01)
        assert server.stop() == 0
        assert answer.result(server.deadlines.request).done


@pytest.mark.engine_mock
def test_its_end_is_a_plain_0(start_server):
    assert start_server().stop() == 0


def test_sigint_ends_it_too(start_server):
    server = start_server()
    server.process.send_signal(signal.SIGINT)
    assert server.wait_until_ended(server.deadlines.stop) in ENDED_BY_SIGTERM | {1, -signal.SIGINT, 130}


def test_a_port_in_use_is_refused(new_server):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        server = new_server(port=taken.getsockname()[1])
        server.start()
        assert server.wait_until_ended(server.deadlines.start) != 0
    assert "in use" in server.log()


def test_an_unknown_flag_is_refused(new_server):
    server = new_server("--no-such-flag")
    server.start()
    assert server.wait_until_ended(server.deadlines.start) != 0
    assert "no-such-flag" in server.log()


def test_nothing_answers_once_it_has_ended(start_server, client_of):
    server = start_server()
    server.stop()
    with pytest.raises(ConnectionRefusedError):
        client_of(server).get("/health")
