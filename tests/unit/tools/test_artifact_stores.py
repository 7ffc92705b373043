"""What both stores of artifacts promise, shown on both: files, and a bucket of moto's server, a process of its own."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date
from pathlib import Path

import boto3
import httpx
import pytest
from botocore.config import Config

from nightly_pipeline.errors import RecordError, StoreForbidden, StoreUnavailable
from nightly_pipeline.steps.ports import ArtifactStore
from nightly_pipeline.tools import artifacts_s3
from nightly_pipeline.tools.artifacts import LocalArtifactStore
from nightly_pipeline.tools.artifacts_s3 import S3ArtifactStore
from tests.fakes.http_server import Handler, HttpServer
from tests.ports import free_port

KEY = "2026-11-20/1f3a9c02/vllm/amd64/unit/junit.xml"
BUCKET = "nightly-artifacts"
START_S = 120
# One request after the other: a conditional write of moto's own server looks first and writes later.
MOTO = """
import sys
from moto.server import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import run_simple
moto = DomainDispatcherApplication(create_backend_app)
run_simple("127.0.0.1", int(sys.argv[1]), moto, threaded=False, request_handler=MotoRequestHandler)
"""


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory) -> Iterator[str]:
    port = free_port()
    log = (tmp_path_factory.mktemp("moto") / "log").open("wb")
    server = subprocess.Popen([sys.executable, "-c", MOTO, str(port)], stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + START_S
        while True:
            try:
                httpx.get(address, trust_env=False, timeout=5)
                break
            except httpx.TransportError:
                assert server.poll() is None
                assert time.monotonic() < end
                time.sleep(0.1)
        yield address
    finally:
        server.kill()
        server.wait()
        log.close()


@pytest.fixture(autouse=True)
def _credentials(monkeypatch):
    for name, value in {
        "ACCESS_KEY_ID": "testing",
        "SECRET_ACCESS_KEY": "testing",
        "DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    artifacts_s3._client.cache_clear()


@pytest.fixture
def bucket(endpoint):
    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
    client.create_bucket(Bucket=BUCKET)
    yield client
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
        for item in page.get("Contents", ()):
            client.delete_object(Bucket=BUCKET, Key=item["Key"])
    client.delete_bucket(Bucket=BUCKET)


@pytest.fixture
def s3(endpoint, bucket) -> S3ArtifactStore:
    return S3ArtifactStore(BUCKET, prefix="team/nightly", endpoint=endpoint, region="us-east-1")


@pytest.fixture(params=["files", "s3"])
def store(request, tmp_path) -> ArtifactStore:
    if request.param == "s3":
        return request.getfixturevalue("s3")
    return LocalArtifactStore(tmp_path / "artifacts")


def test_what_is_written_is_read_and_listed(store):
    store.write(KEY, b"one")
    store.write(KEY, b"two")
    assert store.read(KEY) == b"two"
    assert store.keys("") == [KEY]
    assert store.keys("2026-11-20") == [KEY]
    assert store.keys(KEY) == [KEY]
    assert KEY in store.location(KEY)


def test_what_is_empty_is_there(store):
    store.write(KEY, b"")
    assert store.read(KEY) == b""


def test_what_is_absent_is_none_not_an_error(store, tmp_path):
    assert store.read(KEY) is None
    assert store.read_file(KEY, tmp_path / "copy") is False
    assert not (tmp_path / "copy").exists()
    assert store.keys("2026-11-20") == []
    assert store.dates() == []
    assert store.delete("2026-11-20") == 0


def test_a_folder_is_no_artifact(store):
    store.write("a/b", b"")
    assert store.read("a") is None


@pytest.mark.parametrize(
    "key",
    [
        "", "/", "/etc/passwd", "a//b", "a/", "../a", "a/../b", "a/..", ".", "a/./b", ".hidden", "a/.writing-x",
        "a b", "a\\b", "a\nb", "a\0b", "ä", "a:b", "a*", "a" * 201, "/".join(["a" * 100] * 11),
    ],
)  # fmt: skip
def test_a_key_that_is_not_safe_everywhere_is_refused(store, key):
    for use in (store.read, store.location, store.delete, lambda bad: store.write(bad, b"")):
        with pytest.raises(RecordError):
            use(key)


@pytest.mark.parametrize("size", [0, 3, 20_000_000], ids=["empty", "small", "in parts"])
def test_files_go_in_and_come_out(store, tmp_path, size):
    source, copy = tmp_path / "container.log", tmp_path / "copy"
    source.write_bytes(b"x" * size)
    store.write_file(KEY, source)
    assert store.read_file(KEY, copy) is True
    assert copy.read_bytes() == source.read_bytes()


def test_a_file_that_is_not_there_is_a_record_error(store, tmp_path):
    with pytest.raises(RecordError, match="cannot be kept"):
        store.write_file(KEY, tmp_path / "absent")
    assert store.keys("") == []


def test_the_first_of_several_writers_wins(store):
    won: list[bytes] = []
    content = [str(number).encode() for number in range(8)]

    def write(mine: bytes) -> None:
        if store.write_once(KEY, mine):
            won.append(mine)

    writers = [threading.Thread(target=write, args=(mine,)) for mine in content]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert won == [store.read(KEY)]
    assert store.write_once(KEY, b"late") is False


def test_only_what_is_below_a_folder_counts(store):
    for key in ("2026-11-20/a", "2026-11-20x/a", "2026-11-2", "2026-11-21/a"):
        store.write(key, b"")
    assert store.keys("2026-11-20") == ["2026-11-20/a"]
    assert store.delete("2026-11-20") == 1
    assert store.keys("") == ["2026-11-2", "2026-11-20x/a", "2026-11-21/a"]


def test_dates_are_the_folders_that_are_nights(store):
    for key in ("2026-11-21/a", "2026-11-20/a/b", "20261119/a", "2026-13-01/a", "known-good/a", "2026-11-22"):
        store.write(key, b"")
    assert store.dates() == [date(2026, 11, 20), date(2026, 11, 21)]


def test_an_empty_prefix_is_never_deleted(store):
    store.write(KEY, b"")
    with pytest.raises(RecordError):
        store.delete("")
    assert store.read(KEY) == b""


class TestS3:
    def test_more_than_a_page_is_listed_and_deleted(self, s3, monkeypatch):
        monkeypatch.setattr(artifacts_s3, "_DELETED_AT_ONCE", 400)
        keys = [f"2026-11-20/{number:04}" for number in range(1003)]
        for key in keys:
            s3._client.put_object(Bucket=BUCKET, Key=f"team/nightly/{key}", Body=b"")
        assert s3.keys("2026-11-20") == keys
        assert s3.delete("2026-11-20") == 1003
        assert s3.keys("") == []

    def test_what_belongs_to_others_is_neither_seen_nor_touched(self, s3, bucket):
        for name in (
            "other/2026-11-20/a",
            "team/nightly2/2026-11-20/a",
            "team/nightly/2026-11-20/",
            "team/nightly/.x",
        ):
            bucket.put_object(Bucket=BUCKET, Key=name, Body=b"")
        assert s3.keys("") == []
        assert s3.delete("2026-11-20") == 0

    def test_without_a_prefix_the_bucket_is_all_ours(self, endpoint, bucket):
        store = S3ArtifactStore(BUCKET, endpoint=endpoint, region="us-east-1")
        store.write(KEY, b"one")
        assert bucket.get_object(Bucket=BUCKET, Key=KEY)["Body"].read() == b"one"
        assert store.dates() == [date(2026, 11, 20)]

    def test_links(self, endpoint, bucket):
        def link(**fields) -> str:
            return S3ArtifactStore(BUCKET, prefix="p", region="eu-west-1", **fields).location(KEY)

        assert link() == f"s3://{BUCKET}/p/{KEY}"
        assert link(links="console").startswith(
            "https://eu-west-1.console.aws.amazon.com/s3/object/nightly-artifacts?"
        )
        store = S3ArtifactStore(BUCKET, endpoint=endpoint, region="us-east-1", links="presigned")
        store.write(KEY, b"shown")
        assert httpx.get(store.location(KEY), trust_env=False, timeout=120).content == b"shown"

    def test_no_bucket_is_said(self, endpoint):
        store = S3ArtifactStore("absent-bucket", endpoint=endpoint, region="us-east-1")
        for use in (lambda: store.write(KEY, b""), lambda: store.keys(""), store.dates):
            with pytest.raises(StoreForbidden, match="no such bucket"):
                use()

    def test_no_credentials_are_said(self, endpoint, monkeypatch, tmp_path):
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
            monkeypatch.setenv(name, str(tmp_path / "none"))
        with pytest.raises(StoreForbidden, match="no AWS credentials"):
            S3ArtifactStore(BUCKET, endpoint=endpoint, region="us-east-1").read(KEY)

    def test_nobody_there_is_could_not_ask(self, monkeypatch):
        monkeypatch.setattr(artifacts_s3, "_ATTEMPTS", 1)
        store = S3ArtifactStore(BUCKET, endpoint=f"http://127.0.0.1:{free_port()}", region="us-east-1")
        with pytest.raises(StoreUnavailable, match="could not be asked"):
            store.read(KEY)

    @pytest.mark.parametrize(
        ("status", "code", "expected"),
        [
            (403, "AccessDenied", StoreForbidden),
            (503, "SlowDown", StoreUnavailable),
            (500, "", StoreUnavailable),
        ],
    )
    def test_refusals_are_told_apart(self, answering, status, code, expected, monkeypatch):
        monkeypatch.setattr(artifacts_s3, "_ATTEMPTS", 1)
        body = f"<Error><Code>{code}</Code><Message>why</Message></Error>".encode()
        store = S3ArtifactStore(BUCKET, endpoint=answering(status, body), region="us-east-1")
        for use in (lambda: store.read(KEY), lambda: store.write_once(KEY, b""), lambda: store.keys("")):
            with pytest.raises(expected):
                use()

    def test_an_absent_object_is_none_and_not_a_refusal(self, answering):
        body = b"<Error><Code>NoSuchKey</Code></Error>"
        assert S3ArtifactStore(BUCKET, endpoint=answering(404, body), region="us-east-1").read(KEY) is None

    @pytest.mark.parametrize("body", [b"", b"<html>Not found</html>"])
    def test_a_404_of_something_else_is_could_not_ask(self, answering, body, tmp_path):
        store = S3ArtifactStore(BUCKET, endpoint=answering(404, body), region="us-east-1")
        for use in (lambda: store.read(KEY), lambda: store.read_file(KEY, tmp_path / "copy"), store.dates):
            with pytest.raises(StoreUnavailable, match="404"):
                use()

    @pytest.mark.parametrize(
        ("status", "code"), [(301, "PermanentRedirect"), (400, "AuthorizationHeaderMalformed")]
    )
    def test_a_wrong_region_is_said(self, answering, status, code, monkeypatch):
        monkeypatch.setattr(artifacts_s3, "_ATTEMPTS", 1)
        body = f"<Error><Code>{code}</Code><Message>why</Message></Error>".encode()
        store = S3ArtifactStore(BUCKET, endpoint=answering(status, body), region="us-east-1")
        for use in (lambda: store.read(KEY), lambda: store.write(KEY, b""), lambda: store.keys("")):
            with pytest.raises(StoreForbidden, match=code) as caught:
                use()
            assert "artifacts.region" in caught.value.next_step

    def test_what_was_not_deleted_is_said(self, s3, monkeypatch):
        s3.write(KEY, b"")
        answer = {"Errors": [{"Key": KEY, "Code": "AccessDenied", "Message": "no"}]}
        monkeypatch.setattr(s3._client, "delete_objects", lambda **_: answer)
        with pytest.raises(StoreForbidden, match="1 of 1 artifacts"):
            s3.delete("2026-11-20")

    def test_a_body_that_breaks_off_is_not_half_an_artifact(self, answering, tmp_path):
        store = S3ArtifactStore(BUCKET, endpoint=answering(200, b"half", length=100), region="us-east-1")
        with pytest.raises(StoreUnavailable):
            store.read(KEY)
        with pytest.raises(StoreUnavailable):
            store.read_file(KEY, tmp_path / "copy")
        assert list(tmp_path.iterdir()) == []


@pytest.fixture
def answering(tmp_path):
    """Starts servers that always answer the same; ended with the test."""
    with ExitStack() as servers:

        def start(status: int, body: bytes, length: int | None = None) -> str:
            class Same(Handler):
                def any_method(self) -> None:
                    self.read_body()
                    told = {"Content-Length": str(length or len(body)), "x-amz-bucket-region": "us-east-1"}
                    self.give(status, body, told)
                    self.close_connection = True

            return f"http://127.0.0.1:{servers.enter_context(HttpServer(Same)).port}"

        yield start


def test_the_client_waits_and_asks_again_as_botocore_does():
    config: Config = artifacts_s3._client("http://127.0.0.1:1", "us-east-1").meta.config
    assert config.retries == {"mode": "standard", "total_max_attempts": artifacts_s3._ATTEMPTS + 1}


def test_paths_are_for_people(tmp_path):
    assert Path(LocalArtifactStore(tmp_path).location(KEY)) == tmp_path / KEY
