"""Parallel clients, connections that stay open, and clients that go away."""

from __future__ import annotations

import json
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.gpu_1, pytest.mark.post_merge, pytest.mark.nightly]

CLIENTS = 16
EXACT = {"temperature": 0, "seed": 7}


def test_sixteen_clients_each_get_their_own_answer(client):
    with ThreadPoolExecutor(CLIENTS) as pool:
        streams = list(
            pool.map(
                lambda number: client.stream_chat(f"I am {number}", max_tokens=16, **EXACT), range(CLIENTS)
            )
        )
    assert [stream.status for stream in streams] == [200] * CLIENTS
    assert all(stream.done and len(stream.finish_reasons()) == 1 for stream in streams)
    assert len({stream.events[0]["id"] for stream in streams}) == CLIENTS


@pytest.mark.engine_mock
def test_an_answer_does_not_depend_on_who_else_asks(client):
    alone = [
        client.chat(f"I am {number}", max_tokens=16, **EXACT).json()["choices"] for number in range(CLIENTS)
    ]
    with ThreadPoolExecutor(CLIENTS) as pool:
        together = pool.map(
            lambda number: client.chat(f"I am {number}", max_tokens=16, **EXACT).json()["choices"],
            range(CLIENTS),
        )
        assert list(together) == alone


def test_one_connection_serves_many_requests(client):
    body = json.dumps({"model": client.model, "prompt": "again", "max_tokens": 2}).encode()
    kind = {"Content-Type": "application/json"}
    with client.connect() as connection:
        first = client.send(connection, "GET", "/v1/models")
        opened = connection.sock
        answers = [client.send(connection, "POST", "/v1/completions", body, kind).status for _ in range(4)]
        assert connection.sock is opened, "the server closed a connection that could have been kept"
    assert [first.status, *answers] == [200] * 5


def test_a_stream_leaves_its_connection_usable(client):
    body = json.dumps({"model": client.model, "prompt": "flow", "max_tokens": 4, "stream": True}).encode()
    with client.connect() as connection:
        stream = client.send(
            connection, "POST", "/v1/completions", body, {"Content-Type": "application/json"}
        )
        opened = connection.sock
        assert client.send(connection, "GET", "/health").status == 200
        assert connection.sock is opened
    assert stream.body.rstrip().endswith(b"data: [DONE]")


def head(body, *more):
    lines = ["POST /v1/completions HTTP/1.1", "Host: x", "Content-Type: application/json", *more]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode()


def test_a_client_that_goes_away_harms_nobody(client):
    body = json.dumps(
        {"model": client.model, "prompt": "endless", "max_tokens": 512, "stream": True}
    ).encode()
    for _ in range(4):
        with socket.create_connection(("127.0.0.1", client.port), timeout=client.timeout) as connection:
            connection.sendall(head(body) + body)
            assert connection.recv(16)
    assert client.completion("still there?", max_tokens=2).status == 200


def test_a_request_in_pieces_is_put_together(client):
    body = json.dumps({"model": client.model, "prompt": "slowly", "max_tokens": 2}).encode()
    request = head(body, "Connection: close") + body
    with socket.create_connection(("127.0.0.1", client.port), timeout=client.timeout) as connection:
        for start in range(0, len(request), 40):
            connection.sendall(request[start : start + 40])
        assert connection.recv(64).startswith(b"HTTP/1.1 200")
