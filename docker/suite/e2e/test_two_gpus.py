"""One model over two GPUs. A mock engine takes the flags and says what it was asked for; it uses no GPU."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.gpu_2,
    pytest.mark.nightly,
    pytest.mark.vllm,
    pytest.mark.sglang,
    pytest.mark.trtllm,
]

EXACT = {"temperature": 0, "seed": 7}


@pytest.fixture(scope="module")
def server(new_server, dialect):
    """A server over two GPUs, shared by the tests that leave it as it is."""
    server = new_server(dialect.tensor_parallel_flag, "2")
    server.start()
    server.wait_until_ready()
    yield server
    server.kill()


def test_the_server_says_that_it_uses_two(server):
    said = server.wait_for_log(r"(?:tp_size|tensor_parallel_size)['\"]?\s*[=:]\s*(\d+)")
    assert "2" in said, f"the log names {said or 'no'} tensor parallel sizes\n{server.log()}"


def test_it_answers_many_at_once(server, client_of):
    client = client_of(server)
    with ThreadPoolExecutor(8) as pool:
        streams = list(
            pool.map(lambda number: client.stream_chat(f"Number {number}", max_tokens=16), range(16))
        )
    assert all(stream.done and stream.text() for stream in streams)


@pytest.mark.engine_mock
def test_two_answer_as_one_does(server, client, client_of):
    two, one = (
        each.chat("Is it the same?", max_tokens=16, **EXACT).json()["choices"]
        for each in (client_of(server), client)
    )
    assert two == one


@pytest.mark.engine_real
def test_both_gpus_hold_the_model(server):
    import subprocess  # noqa: PLC0415

    assert server.running
    query = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    used = subprocess.run(query, capture_output=True, text=True, timeout=30, check=True).stdout.split()
    assert [int(each) > 500 for each in used[:2]] == [True, True], f"MiB used: {used}"


def test_it_ends_with_all_its_workers(start_server, dialect):
    server = start_server(dialect.tensor_parallel_flag, "2")
    assert server.stop() in {0, -signal.SIGTERM, 128 + signal.SIGTERM}
    assert server.leftovers() == []


@pytest.mark.parametrize("size", ["0", "two"])
def test_a_size_that_is_none_is_refused(new_server, dialect, size):
    server = new_server(dialect.tensor_parallel_flag, size)
    server.start()
    assert server.wait_until_ended(server.deadlines.start) != 0
