"""Registries of a benchmark's own: docker-registry processes with empty storage that go when they are done with."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from nightly_pipeline.tools.registry import OciRegistry

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CHUNK = 1 << 20


class Server:
    """One registry process, as a context manager; its folder is removed at the end.

    Args:
        folder: where it keeps its blobs.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.host = f"localhost:{_free_port()}"

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True)
        configuration = {
            "version": 0.1,
            "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(self.folder / "data")}},
            "http": {"addr": self.host.replace("localhost", "127.0.0.1")},
        }
        file = self.folder / "config.yml"
        file.write_text(json.dumps(configuration))
        log = (self.folder / "registry.log").open("wb")
        self._process = subprocess.Popen(["docker-registry", "serve", str(file)], stdout=log, stderr=log)
        try:
            self._wait()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        self._process.terminate()
        self._process.wait(10)
        shutil.rmtree(self.folder)

    def destination(self, repository: str) -> Destination:
        """One of its repositories."""
        return Destination(self.host, repository)

    def _wait(self) -> None:
        for _ in range(200):
            try:
                httpx.get(f"http://{self.host}/v2/", trust_env=False)
            except httpx.TransportError:
                time.sleep(0.05)
            else:
                return
        raise RuntimeError(f"docker-registry does not answer: {(self.folder / 'registry.log').read_text()}")


@dataclass(frozen=True)
class Destination:
    """A repository of one of these registries."""

    host: str
    repository: str

    def registry(self) -> OciRegistry:
        """The pipeline's client of it."""
        return OciRegistry("bench", self.host, self.repository, insecure=True)


def put_image(place: Destination, layers: Sequence[bytes | int]) -> str:
    """Upload an image by plain HTTP and return its digest. A number is a layer of that many random bytes."""
    with httpx.Client(
        base_url=f"http://{place.host}/v2/{place.repository}", trust_env=False, timeout=300
    ) as http:
        config = {"architecture": "amd64", "os": "linux", "salt": os.urandom(8).hex()}
        document = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": _put(http, json.dumps(config).encode()),
            "layers": [_put(http, layer) for layer in layers],
        }
        content = json.dumps(document).encode()
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        http.put(
            f"/manifests/{digest}", content=content, headers={"Content-Type": MANIFEST}
        ).raise_for_status()
    return digest


def uploads_in(server: Server) -> int:
    """How many blobs the registry has taken, by its own storage."""
    return sum(1 for _ in (server.folder / "data").glob("docker/registry/v2/repositories/*/_layers/sha256/*"))


def _put(http: httpx.Client, layer: bytes | int) -> dict[str, object]:
    hashed = hashlib.sha256()
    size = layer if isinstance(layer, int) else len(layer)

    def content() -> Iterator[bytes]:
        for chunk in _chunks(layer):
            hashed.update(chunk)
            yield chunk

    location = http.post("/blobs/uploads/").raise_for_status().headers["Location"]
    location = http.patch(location, content=content()).raise_for_status().headers["Location"]
    digest = f"sha256:{hashed.hexdigest()}"
    http.put(location, params={**dict(httpx.URL(location).params), "digest": digest}).raise_for_status()
    return {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest, "size": size}


def _chunks(layer: bytes | int) -> Iterator[bytes]:
    if isinstance(layer, bytes):
        yield layer
        return
    for start in range(0, layer, _CHUNK):
        yield os.urandom(min(_CHUNK, layer - start))


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
