from __future__ import annotations

import json
import select
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from nightly_mock_engine.dialects import DIALECTS
from nightly_mock_engine.handler import Handler
from suite_support.client import Client
from suite_support.metrics import parse, total


def head(body, version):
    lines = [
        f"POST /v1/completions {version}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def test_every_answer_says_mock(client):
    for path in ("/health", "/version", "/v1/models", "/v1/models/tiny", "/metrics", "/nowhere"):
        headers = client.get(path).headers
        assert headers["x-engine"] == "mock"
        assert headers["server"].startswith("nightly-mock-engine/")


def test_the_model_is_owned_by_the_mock(client):
    assert client.get("/v1/models").json()["data"][0]["owned_by"] == "nightly-mock-engine"


def test_an_answer_says_mock(client):
    body = client.chat("hi").json()
    assert body["choices"][0]["message"]["content"].startswith("[mock]")
    assert body["system_fingerprint"].startswith("mock-")


def test_a_stream_is_the_whole_answer_in_pieces(client):
    options = {"max_tokens": 20, "n": 3, "seed": 1}
    whole = client.chat("hi", **options).json()
    stream = client.stream_chat("hi", stream_options={"include_usage": True}, **options)
    assert stream.done
    assert [stream.text(index) for index in range(3)] == [
        each["message"]["content"] for each in whole["choices"]
    ]
    assert [stream.finish_reasons(index) for index in range(3)] == [
        [each["finish_reason"]] for each in whole["choices"]
    ]
    assert stream.usage() == whole["usage"]


def test_a_stream_to_an_old_client_ends_with_the_connection(client):
    body = json.dumps({"model": "tiny", "prompt": "hi", "stream": True}).encode()
    answer = client.raw(head(body, "HTTP/1.0") + body)
    assert b"chunked" not in answer
    assert answer.endswith(b"data: [DONE]\n\n")


def test_a_head_request_has_no_body(client):
    response = client.request("HEAD", "/health")
    assert (response.status, response.body) == (200, b"")


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/v1/completions", 405, "POST"),
        ("POST", "/health", 405, "GET, HEAD"),
        ("PUT", "/metrics", 405, "GET, HEAD"),
        ("DELETE", "/nowhere", 404, None),
        ("POST", "/nowhere", 404, None),
    ],
)
def test_a_wrong_method_or_path_is_refused(client, method, path, status, allow):
    response = client.request(method, path)
    assert (response.status, response.headers.get("allow")) == (status, allow)
    assert response.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ("Content-Type: application/json\r\n", 411),
        ("Content-Type: application/json\r\nContent-Length: 5000\r\n", 413),
        ("Content-Type: application/json\r\nContent-Length: +1\r\n", 400),
        ("Content-Type: application/json\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n", 411),
        ("Content-Length: 2\r\n", 415),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(client, headers, status):
    answer = client.raw(f"POST /v1/completions HTTP/1.1\r\n{headers}\r\n".encode())
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"Connection: close" in answer


def test_what_is_no_http_gets_a_status_line_all_the_same(client):
    assert client.raw(b"one two three four\r\n\r\n").startswith(b"HTTP/1.1 400 ")


@pytest.fixture
def held(monkeypatch):
    """Streams stop after their first piece until this is set."""
    go_on = threading.Event()
    monkeypatch.setattr(Handler, "_wait_for", lambda *_: go_on.wait(60))
    yield go_on
    go_on.set()


def until_counted(client, dialect):
    """The metrics, once they count one request as answered."""
    end = time.monotonic() + 60
    while total(text := client.get(dialect.metrics_paths[0]).body.decode(), dialect.metrics.requests) != 1:
        assert time.monotonic() < end, text
        time.sleep(0.01)
    return text


@pytest.mark.parametrize("framework", sorted(DIALECTS))
def test_metrics_have_the_frameworks_names_and_the_mocks_label(serving, framework):
    dialect = DIALECTS[framework]
    client = Client(serving(dialect=dialect).port, "tiny", timeout=60)
    usage = client.chat("hi", n=2).json()["usage"]
    text = until_counted(
        client, dialect
    )  # a request is counted when its answer is sent: after it is read, maybe
    assert all('engine="mock"' in sample.labels for sample in parse(text))
    if dialect.metrics.generation_tokens:
        assert total(text, dialect.metrics.prompt_tokens) == usage["prompt_tokens"]
        assert total(text, dialect.metrics.generation_tokens) == usage["completion_tokens"]


def test_a_label_is_escaped(serving):
    client = Client(serving(served_model_name='a"b\\c').port, 'a"b\\c', timeout=60)
    assert 'model_name="a\\"b\\\\c"' in client.get("/metrics").body.decode()


def until_the_client_has_left(handler, _tokens):
    """Its end of the connection may reach the server after it has gone."""
    waiting = select.poll()
    waiting.register(handler.connection, select.POLLIN)
    waiting.poll(300_000)


def test_a_client_that_leaves_is_counted_as_aborted(serving, monkeypatch):
    monkeypatch.setattr(Handler, "_wait_for", until_the_client_has_left)
    running = serving()
    client = Client(running.port, "tiny", timeout=60)
    body = json.dumps({"model": "tiny", "prompt": "hi", "max_tokens": 100, "stream": True}).encode()
    with socket.create_connection(("127.0.0.1", running.port), timeout=60) as connection:
        connection.sendall(head(body, "HTTP/1.1") + body)
        connection.recv(10)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    end = time.monotonic() + 60
    while 'finished_reason="abort"} 1' not in client.get("/metrics").body.decode():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_many_clients_get_their_own_answers(client):
    alone = [client.chat(f"number {number}").json()["choices"] for number in range(16)]
    with ThreadPoolExecutor(16) as pool:
        assert (
            list(pool.map(lambda number: client.chat(f"number {number}").json()["choices"], range(16)))
            == alone
        )


def until_running(client):
    """Wait until the server has begun to answer a request."""
    end = time.monotonic() + 60
    while total(client.get("/metrics").body.decode(), "vllm:num_requests_running") == 0:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_its_end_lets_a_stream_finish_and_refuses_the_next(serving, held):
    server = serving()
    client = Client(server.port, "tiny", timeout=60)
    with ThreadPoolExecutor(2) as pool, client.connect() as kept:
        client.send(kept, "GET", "/health")
        stream = pool.submit(client.stream_chat, "hi", max_tokens=24)
        until_running(client)
        finished = pool.submit(server.drain)
        while not server.draining:
            time.sleep(0.01)
        assert client.send(kept, "GET", "/health").status == 503
        held.set()
        assert finished.result(60) is True
        assert stream.result(60).done


def test_a_stream_that_takes_too_long_is_cut(serving, held):
    server = serving(shutdown_timeout=0.1)
    client = Client(server.port, "tiny", timeout=60)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(client.stream_chat, "hi", max_tokens=8)
        until_running(client)
        assert server.drain() is False
        held.set()


def test_a_port_in_use_is_an_error(serving):
    with pytest.raises(OSError, match="in use"):
        serving(port=serving().port)
