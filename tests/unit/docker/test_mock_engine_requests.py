from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nightly_mock_engine.errors import RequestError
from nightly_mock_engine.requests import chat_request, completion_request, parse_body

MESSAGES = [{"role": "user", "content": "hello there"}]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = (
    "prompt",
    "messages",
    "max_tokens",
    "temperature",
    "top_p",
    "n",
    "seed",
    "stop",
    "stream",
    "stream_options",
)


@given(st.dictionaries(st.sampled_from(FIELDS), json_values))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_whatever_comes_is_read_or_refused(config, fields):
    for read in (chat_request, completion_request):
        error, request = outcome(read, {"model": "tiny", **fields}, config)
        if error is None:
            assert 1 <= request.sampling.max_tokens <= config.max_model_len - request.prompt_tokens
        else:
            assert 400 <= error.status < 500
            assert error.body()["error"]["message"]


def outcome(read, body, config):
    """Return the error and the request, one of them None; anything but a RequestError breaks the test."""
    try:
        return None, read(body, config)
    except RequestError as error:
        return error, None


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b"9" * 10_000])
def test_a_body_that_is_no_object_is_refused(raw):
    with pytest.raises(RequestError) as refused:
        parse_body(raw)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("change", "status", "param"),
    [
        ({"model": 1}, 422, "model"),
        ({"model": "other"}, 404, "model"),
        ({"messages": []}, 400, "messages"),
        ({"messages": [{"role": "king", "content": ""}]}, 400, "messages[0].role"),
        ({"messages": [{"role": ["user"], "content": ""}]}, 400, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 1}]}, 422, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, 422, "messages[0].content"),
        ({"max_tokens": 0}, 400, "max_tokens"),
        ({"max_tokens": True}, 422, "max_tokens"),
        ({"max_tokens": 1000}, 400, "max_tokens"),
        ({"max_completion_tokens": 1000}, 400, "max_completion_tokens"),
        ({"temperature": 2.1}, 400, "temperature"),
        ({"temperature": float("nan")}, 400, "temperature"),
        ({"top_p": "1"}, 422, "top_p"),
        ({"n": 17}, 400, "n"),
        ({"seed": 2**70}, 400, "seed"),
        ({"stop": ["a"] * 5}, 400, "stop"),
        ({"stop": [""]}, 400, "stop"),
        ({"stop": 5}, 422, "stop"),
        ({"stream": "yes"}, 422, "stream"),
        ({"stream_options": {"include_usage": True}}, 400, "stream_options"),
        ({"stream": True, "stream_options": []}, 422, "stream_options"),
    ],
)
def test_an_error_names_its_field(config, change, status, param):
    with pytest.raises(RequestError) as refused:
        chat_request({"model": "tiny", "messages": MESSAGES, **change}, config)
    assert (refused.value.status, refused.value.param) == (status, param)


def test_defaults_are_openais(config):
    completion = completion_request({"model": "tiny", "prompt": "one two"}, config)
    assert (completion.sampling.max_tokens, completion.prompt_tokens, completion.choices) == (16, 2, 1)
    chat = chat_request({"model": "tiny", "messages": MESSAGES}, config)
    assert chat.sampling.max_tokens == config.max_model_len - chat.prompt_tokens
    assert (chat.stream, chat.include_usage) == (False, False)


def test_a_prompt_that_fills_the_context_is_refused(config):
    with pytest.raises(RequestError, match="maximum context length is 2 tokens"):
        completion_request({"model": "tiny", "prompt": "one two"}, replace(config, max_model_len=2))
