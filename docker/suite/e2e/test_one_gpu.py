"""The whole scenario on one GPU, for every framework."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.gpu_1,
    pytest.mark.nightly,
    pytest.mark.vllm,
    pytest.mark.sglang,
    pytest.mark.trtllm,
]

STREAMS = 32
PARALLEL = 8
EXACT = {"temperature": 0, "seed": 7}


@pytest.fixture(scope="module")
def load(shared_server):
    """Warm up, then have many chats streamed, several at a time. Returns the streams in the order asked."""
    from suite_support.client import Client  # noqa: PLC0415

    client = Client(shared_server.port, shared_server.model, shared_server.deadlines.request)
    for number in range(3):
        assert client.chat(f"warm up {number}", max_tokens=4).status == 200

    def ask(number):
        question = f"Question {number}: what comes after {number}?"
        return client.stream_chat(question, max_tokens=32, stream_options={"include_usage": True}, **EXACT)

    with ThreadPoolExecutor(PARALLEL) as pool:
        return list(pool.map(ask, range(STREAMS)))


def test_every_stream_is_complete(load):
    assert [stream.status for stream in load] == [200] * STREAMS
    assert [number for number, stream in enumerate(load) if not stream.done] == []


def test_every_stream_is_in_order(load):
    """The role first, then the text, one end, the usage last."""
    for stream in load:
        first, *_, last = stream.choices()
        assert first["delta"]["role"] == "assistant"
        assert last["finish_reason"] in {"stop", "length"}
        assert len(stream.finish_reasons()) == 1
        assert stream.text()


def test_streams_are_not_mixed(load):
    identifiers = [{event["id"] for event in stream.events} for stream in load]
    assert [len(each) for each in identifiers] == [1] * STREAMS
    assert len(set.union(*identifiers)) == STREAMS


def test_usage_stays_within_what_was_asked(load):
    for stream in load:
        usage = stream.usage()
        assert 1 <= usage["completion_tokens"] <= 32
        assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


@pytest.mark.engine_mock
def test_the_same_load_gives_the_same_answers(load, client):
    again = [
        client.stream_chat(f"Question {n}: what comes after {n}?", max_tokens=32, **EXACT).text()
        for n in range(STREAMS)
    ]
    assert again == [stream.text() for stream in load]


def test_the_whole_load_is_counted(start_server, client_of, dialect):
    """On a server of its own, so that the figures are exact."""
    from suite_support.metrics import settled, total  # noqa: PLC0415

    server = start_server()
    client = client_of(server)

    def counted():
        return total(client.get(dialect.metrics_path).body.decode(), dialect.requests)

    assert client.chat("first", max_tokens=2).status == 200
    before = settled(counted, 1, server.deadlines.request / 4)
    with ThreadPoolExecutor(PARALLEL) as pool:
        statuses = [
            each.status for each in pool.map(lambda n: client.chat(f"{n}", max_tokens=4), range(STREAMS))
        ]
    assert statuses == [200] * STREAMS
    assert settled(counted, before + STREAMS, server.deadlines.request / 4) == before + STREAMS


def test_a_restart_changes_nothing(start_server, client_of):
    server = start_server()
    before = client_of(server).chat("Who are you?", max_tokens=16, **EXACT).json()["choices"]
    server.stop()
    server = start_server(port=server.port)
    assert client_of(server).chat("Who are you?", max_tokens=16, **EXACT).json()["choices"] == before


def test_a_model_is_served_under_another_name(start_server, client_of, dialect):
    server = start_server(dialect.served_name_flag, "tonight", served_as="tonight")
    client = client_of(server)
    assert [each["id"] for each in client.get("/v1/models").json()["data"]] == ["tonight"]
    assert client.chat("hello", max_tokens=2).status == 200
