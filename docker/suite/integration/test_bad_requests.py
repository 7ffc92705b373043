"""Requests that no server should serve: each is refused with the right status, and the server goes on."""

from __future__ import annotations

import json

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.gpu_1, pytest.mark.pre_merge, pytest.mark.nightly]

CHAT = "/v1/chat/completions"
MESSAGES = [{"role": "user", "content": "hi"}]
POST = b"POST /v1/completions HTTP/1.1\r\n"
JSON = b"Content-Type: application/json\r\n"
REFUSED = {400, 404, 405, 411, 413, 415, 422, 431}

# Name, change to a sound chat request (None removes the field), the mock's status, the field its error names.
WRONG_FIELDS = [
    ("model-missing", {"model": None}, 422, "model"),
    ("model-unknown", {"model": "no/such-model"}, 404, "model"),
    ("messages-missing", {"messages": None}, 422, "messages"),
    ("messages-not-a-list", {"messages": "hi"}, 422, "messages"),
    ("message-not-an-object", {"messages": ["hi"]}, 422, "messages[0]"),
    ("max-tokens-negative", {"max_tokens": -1}, 400, "max_tokens"),
    ("max-tokens-a-word", {"max_tokens": "many"}, 422, "max_tokens"),
    ("temperature-negative", {"temperature": -1}, 400, "temperature"),
    ("top-p-above-one", {"top_p": 1.5}, 400, "top_p"),
    ("n-a-word", {"n": "two"}, 422, "n"),
    ("stream-a-list", {"stream": [1]}, 422, "stream"),
    (
        "longer-than-the-context",
        {"messages": [{"role": "user", "content": "word " * 9000}]},
        400,
        "max_tokens",
    ),
]


@pytest.mark.parametrize(
    ("change", "status", "param"), [row[1:] for row in WRONG_FIELDS], ids=[row[0] for row in WRONG_FIELDS]
)
def test_a_wrong_field_is_refused(client, image, change, status, param):
    body = {"model": client.model, "messages": MESSAGES, "max_tokens": 2, **change}
    response = client.post(CHAT, {name: value for name, value in body.items() if value is not None})
    assert response.status in REFUSED
    if image.is_mock:
        assert (response.status, response.json()["error"]["param"]) == (status, param)


@pytest.mark.parametrize("raw", [b"", b"{", b"[1, 2]", b'"text"', b"\xff\xfe", b"[" * 100_000])
def test_a_body_that_is_no_json_object_is_refused(client, raw):
    response = client.request("POST", CHAT, raw, {"Content-Type": "application/json"})
    assert response.status in REFUSED


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", CHAT, 405),
        ("POST", "/v1/models", 405),
        ("DELETE", "/health", 405),
        ("GET", "/v1/nowhere", 404),
    ],
)
def test_a_wrong_method_or_path_is_refused(client, method, path, status):
    body = b"{}" if method == "POST" else None
    assert client.request(method, path, body).status == status


@pytest.mark.engine_mock
def test_an_error_has_its_shape(client):
    error = client.post(CHAT, {}).json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"


@pytest.mark.engine_mock
def test_a_wrong_method_is_told_the_right_one(client):
    assert client.get(CHAT).headers["allow"] == "POST"


@pytest.mark.engine_mock
def test_stream_options_without_a_stream_are_refused(client):
    assert client.chat("hi", stream_options={"include_usage": True}).status == 400


@pytest.mark.engine_mock
@pytest.mark.parametrize(
    ("head", "status"),
    [
        (POST + JSON + b"\r\n", b"411"),
        (POST + JSON + b"Content-Length: 99999999\r\n\r\n", b"413"),
        (POST + JSON + b"Content-Length: -1\r\n\r\n", b"400"),
        (POST + b"Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}", b"415"),
        (b"GET /health HTTP/1.1\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", b"431"),
    ],
    ids=["no-length", "too-long", "negative-length", "no-json-type", "header-too-long"],
)
def test_a_request_beyond_the_limits_is_refused(client, head, status):
    answer = client.raw(head)
    assert answer.split(b" ")[1] == status
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["message"]


def test_noise_is_refused(client):
    assert b" 400 " in client.raw(b"\x16\x03\x01 this is no HTTP\r\n\r\n").split(b"\r\n")[0]


def test_after_all_that_it_still_serves(client):
    for _ in range(20):
        client.request("POST", CHAT, b"{", {"Content-Type": "application/json"})
    assert client.chat("hi", max_tokens=2).status == 200
