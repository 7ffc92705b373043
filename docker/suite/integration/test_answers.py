"""Completions and chats, whole and streamed."""

from __future__ import annotations

import time

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.gpu_1, pytest.mark.post_merge, pytest.mark.nightly]

EXACT = {"temperature": 0, "seed": 7}


def test_a_completion_has_its_shape(client):
    body = client.completion("Once upon a time", max_tokens=8, **EXACT).json()
    assert body["object"] == "text_completion"
    assert body["model"] == client.model
    assert [choice["index"] for choice in body["choices"]] == [0]
    assert body["choices"][0]["text"]


def test_a_chat_has_its_shape(client):
    body = client.chat("Say something.", max_tokens=8, **EXACT).json()
    assert body["object"] == "chat.completion"
    assert body["choices"][0]["message"]["role"] == "assistant"
    assert body["choices"][0]["finish_reason"] in {"stop", "length"}


@pytest.mark.engine_mock
def test_an_answer_of_the_mock_says_so(client):
    body = client.chat("Who are you?", max_tokens=8).json()
    assert body["choices"][0]["message"]["content"].startswith("[mock]")
    assert body["system_fingerprint"].startswith("mock-")


@pytest.mark.parametrize("limit", [1, 4, 9])
def test_max_tokens_is_kept_and_usage_adds_up(client, limit):
    body = client.completion("Count with me: one, two,", max_tokens=limit, **EXACT).json()
    usage = body["usage"]
    assert 1 <= usage["completion_tokens"] <= limit
    assert usage["prompt_tokens"] > 0
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_equal_requests_get_equal_answers(client):
    first, second = (client.completion("The sky is", max_tokens=12, **EXACT).json() for _ in range(2))
    assert first["choices"] == second["choices"]
    assert first["id"] != second["id"]


def test_a_conversation_is_more_prompt_than_its_first_message(client):
    turns = [
        {"role": "system", "content": "You are brief."},
        {"role": "user", "content": "Hello."},
        {"role": "assistant", "content": "Hello!"},
        {"role": "user", "content": "How are you?"},
    ]
    sizes = [
        client.post(
            "/v1/chat/completions", {"model": client.model, "messages": turns[:end], "max_tokens": 2}
        ).json()["usage"]["prompt_tokens"]
        for end in (2, 4)
    ]
    assert sizes[0] < sizes[1]


def test_text_outside_ascii_is_understood(client):
    assert client.chat("Grüße, 世界 🙂", max_tokens=4, **EXACT).status == 200


def test_a_stop_string_ends_the_answer(client):
    whole = client.completion("List some words:", max_tokens=24, **EXACT).json()["choices"][0]["text"]
    stop = whole.strip().split()[2]
    choice = client.completion("List some words:", max_tokens=24, stop=[stop], **EXACT).json()["choices"][0]
    assert choice["finish_reason"] == "stop"
    assert stop not in choice["text"]
    assert whole.startswith(choice["text"].rstrip())


def test_several_choices_are_numbered(client):
    body = client.chat("Pick a number.", max_tokens=4, n=3, temperature=1).json()
    assert sorted(choice["index"] for choice in body["choices"]) == [0, 1, 2]


@pytest.mark.parametrize("kind", ["chat", "completion"])
def test_a_stream_is_complete_and_in_order(client, kind):
    ask = {"completion": client.stream_completion, "chat": client.stream_chat}[kind]
    stream = ask("Tell me a story.", max_tokens=24, **EXACT)
    assert stream.status == 200
    assert stream.headers["content-type"].startswith("text/event-stream")
    assert stream.done, "no [DONE], or something after it"
    assert len({event["id"] for event in stream.events}) == 1
    assert len(stream.finish_reasons()) == 1
    assert stream.choices()[-1]["finish_reason"] is not None


def test_a_streamed_chat_begins_with_its_role(client):
    assert client.stream_chat("Hello.", max_tokens=4, **EXACT).choices()[0]["delta"]["role"] == "assistant"


def test_a_stream_says_the_same_as_a_whole_answer(client):
    whole = client.chat("Say it twice.", max_tokens=24, **EXACT).json()["choices"][0]["message"]["content"]
    assert client.stream_chat("Say it twice.", max_tokens=24, **EXACT).text() == whole


def test_a_stream_carries_usage_when_asked(client):
    whole = client.chat("What does it cost?", max_tokens=6, **EXACT).json()["usage"]
    stream = client.stream_chat(
        "What does it cost?", max_tokens=6, stream_options={"include_usage": True}, **EXACT
    )
    usage = stream.usage()
    assert usage is not None
    assert {name: usage[name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")} == {
        name: whole[name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")
    }
    assert stream.events[-1]["choices"] == []


def test_a_stream_carries_no_usage_unasked(client):
    assert not client.stream_chat("And without?", max_tokens=4, **EXACT).usage()


def test_pieces_come_as_they_are_made(start_server, client_of, image):
    """The first piece arrives well before the last: nothing on the way collects the whole answer first."""
    client = client_of(start_server("--token-delay-ms", "10") if image.is_mock else start_server())
    arrivals = _arrivals(client, max_tokens=32 if image.is_mock else 256)
    assert len(arrivals) > 2
    assert arrivals[0] < arrivals[-1] - 0.05


def _arrivals(client, max_tokens):
    import json  # noqa: PLC0415

    body = {"model": client.model, "prompt": "Count slowly:", "max_tokens": max_tokens, "stream": True}
    with client.connect() as connection:
        connection.request("POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        return [time.monotonic() for line in iter(response.readline, b"") if line.startswith(b"data: ")]
