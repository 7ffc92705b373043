"""What a server tells about itself."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.gpu_1, pytest.mark.post_merge, pytest.mark.nightly]


@pytest.fixture
def count(client, dialect):
    from suite_support.metrics import total  # noqa: PLC0415

    return lambda name: total(client.get(dialect.metrics_path).body.decode(), name)


@pytest.fixture
def settled(count, deadlines):
    from suite_support.metrics import settled  # noqa: PLC0415

    return lambda name, expected: settled(lambda: count(name), expected, deadlines.request / 4)


def test_health_is_200(client):
    assert client.get("/health").status == 200


def test_the_model_is_listed(client):
    listing = client.get("/v1/models").json()
    assert listing["object"] == "list"
    assert [each["id"] for each in listing["data"]] == [client.model]


@pytest.mark.engine_mock
def test_the_mock_owns_its_model(client):
    assert client.get("/v1/models").json()["data"][0]["owned_by"] == "nightly-mock-engine"


@pytest.mark.engine_mock
@pytest.mark.parametrize("path", ["/health", "/v1/models", "/version", "/metrics", "/nowhere"])
def test_every_answer_of_the_mock_says_so(client, path):
    headers = client.get(path).headers
    assert headers["x-engine"] == "mock"
    assert headers["server"].startswith("nightly-mock-engine/")


@pytest.mark.engine_mock
def test_the_mock_tells_its_version(client, image):
    version = client.get("/version").json()
    assert (version["engine"], version["version"]) == ("mock", image.engine_version)
    assert version["imitates"] == image.framework


@pytest.mark.vllm
@pytest.mark.trtllm
@pytest.mark.engine_real
def test_the_server_tells_the_version_installed(client, image):
    assert client.get("/version").json()["version"].startswith(image.engine_version)


def test_metrics_are_prometheus_text(client, dialect):
    from suite_support.metrics import parse  # noqa: PLC0415

    response = client.get(dialect.metrics_path)
    assert response.status == 200
    assert response.headers["content-type"].startswith("text/plain")
    assert parse(response.body.decode())


def test_requests_are_counted(client, dialect, count, settled):
    client.chat("first", max_tokens=2)
    before = settled(dialect.requests, count(dialect.requests))
    for number in range(3):
        assert client.chat(f"count {number}", max_tokens=2).status == 200
    assert settled(dialect.requests, before + 3) == before + 3


@pytest.mark.vllm
@pytest.mark.sglang
def test_tokens_are_counted_as_usage_says(client, dialect, count, settled):
    client.chat("first", max_tokens=2)
    before = {name: count(name) for name in (dialect.prompt_tokens, dialect.generation_tokens)}
    usage = client.chat("how many tokens is this?", max_tokens=7).json()["usage"]
    expected = [before[dialect.prompt_tokens] + usage["prompt_tokens"]]
    expected.append(before[dialect.generation_tokens] + usage["completion_tokens"])
    found = [settled(name, value) for name, value in zip(before, expected, strict=True)]
    assert found == expected


@pytest.mark.engine_mock
def test_metrics_of_the_mock_carry_its_label(client, dialect):
    from suite_support.metrics import parse  # noqa: PLC0415

    samples = parse(client.get(dialect.metrics_path).body.decode())
    assert [sample.name for sample in samples if 'engine="mock"' not in sample.labels] == []


def test_a_refused_request_is_not_counted_as_answered(client, dialect, count):
    before = count(dialect.requests)
    assert client.chat("x", max_tokens=-1).status >= 400
    assert count(dialect.requests) == before
