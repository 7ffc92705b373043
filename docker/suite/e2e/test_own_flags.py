"""The flags that each framework has under a name of its own."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.nightly]

CONTEXT = 64
TOO_LONG = "word " * 200


def keeps_the_context(client):
    """A prompt that fits is answered, a longer one is refused."""
    assert client.completion("short", max_tokens=4).status == 200
    assert client.completion(TOO_LONG, max_tokens=4).status in {400, 422}
    assert client.completion("short again", max_tokens=4).status == 200


@pytest.mark.gpu_1
@pytest.mark.vllm
def test_vllm_max_model_len(start_server, client_of):
    keeps_the_context(client_of(start_server("--max-model-len", str(CONTEXT))))


@pytest.mark.gpu_1
@pytest.mark.vllm
def test_vllm_tells_the_context_with_its_model(start_server, client_of):
    server = start_server("--max-model-len", str(CONTEXT))
    assert client_of(server).get("/v1/models").json()["data"][0]["max_model_len"] == CONTEXT


@pytest.mark.gpu_1
@pytest.mark.sglang
def test_sglang_context_length(start_server, client_of):
    keeps_the_context(client_of(start_server("--context-length", str(CONTEXT))))


@pytest.mark.gpu_1
@pytest.mark.sglang
def test_sglang_tp_is_shown_by_the_server(start_server, client_of):
    info = client_of(start_server("--tp", "1")).get("/get_server_info").json()
    assert info["tp_size"] == 1


@pytest.mark.gpu_2
@pytest.mark.sglang
def test_sglang_shows_that_it_uses_two_gpus(start_server, client_of):
    info = client_of(start_server("--tp", "2")).get("/get_server_info").json()
    assert info["tp_size"] == 2


@pytest.mark.gpu_1
@pytest.mark.trtllm
def test_trtllm_max_seq_len(start_server, client_of):
    keeps_the_context(client_of(start_server("--max_seq_len", str(CONTEXT))))


@pytest.mark.gpu_1
@pytest.mark.trtllm
def test_trtllm_tp_size_and_backend(start_server, client_of):
    client = client_of(start_server("--tp_size", "1", "--backend", "pytorch"))
    assert client.chat("hello", max_tokens=2).status == 200
