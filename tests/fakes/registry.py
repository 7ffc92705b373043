"""A small OCI registry in memory, served over HTTP on 127.0.0.1, that can be told to misbehave.

What it does by itself is what docker-registry does; what ECR and others do differently is switched on: logins
with tokens that expire, immutable tags, repositories that have to exist, deleting that is not allowed.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
import re
import secrets
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.fakes.http_server import Handler, HttpServer
from tests.fakes.images import digest_of


@dataclass
class Fault:
    """Something that goes wrong for the next `times` requests that match.

    `status` answers with an error; `cut_after` moves that many bytes of the body and drops the connection;
    `garble` changes the first byte of what is sent.
    """

    path: str = ".*"
    method: str = ".*"
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b'{"errors": [{"code": "FAULT", "message": "told to"}]}'
    cut_after: int | None = None
    garble: bool = False
    times: int = 1

    def hits(self, method: str, path: str) -> bool:
        return bool(self.times and re.fullmatch(self.method, method) and re.search(self.path, path))


@dataclass
class Repository:
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


@dataclass
class FakeRegistry:
    """The registry. `login` is (user, password); `auth` is none, basic or bearer."""

    auth: str = "none"
    login: tuple[str, str] | None = None
    create_repositories: bool = True
    immutable_tags: bool = False
    deletable: bool = True
    digest_header: bool = True
    expires_in: float | None = 300
    token_uses: int | None = None
    page_tags: int = 1000
    discard_uploads: bool = False  # only their digests are kept
    grants: frozenset[str] = frozenset({"pull", "push", "delete"})  # what a token may carry
    repositories: dict[str, Repository] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    tokens: dict[str, list[str]] = field(default_factory=dict)
    token_requests: int = 0
    uploaded_bytes: int = 0
    uploads: set[str] = field(default_factory=set)  # that were started, and neither finished nor cancelled

    def __post_init__(self) -> None:
        self._uses: dict[str, int] = {}
        self._lock = threading.Lock()
        self._server = HttpServer(_Handler, owner=self)

    @property
    def port(self) -> int:
        return self._server.port

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @contextmanager
    def running(self) -> Iterator[FakeRegistry]:
        with self._server:
            yield self

    def repository(self, name: str) -> Repository:
        return self.repositories.setdefault(name, Repository())

    def add_blob(self, repository: str, content: bytes) -> dict[str, Any]:
        digest = digest_of(content)
        self.repository(repository).blobs[digest] = content
        return {"mediaType": "application/octet-stream", "digest": digest, "size": len(content)}

    def add_manifest(self, repository: str, document: dict[str, Any], *tags: str) -> dict[str, Any]:
        content = json.dumps(document, indent=1).encode()
        digest = digest_of(content)
        self.repository(repository).manifests[digest] = (content, document["mediaType"])
        self.repository(repository).tags.update(dict.fromkeys(tags, digest))
        return {"mediaType": document["mediaType"], "digest": digest, "size": len(content)}

    def add_image(
        self,
        repository: str,
        *tags: str,
        layers: Iterable[bytes] = (b"layer",),
        architecture: str = "amd64",
        attested: bool = True,
    ) -> str:
        """An index of one platform and its attestation, as BuildKit pushes it; or a lone manifest."""
        labels = {"made-by": "test"}
        config = {"architecture": architecture, "os": "linux", "config": {"Labels": labels}}
        image = self.add_manifest(
            repository,
            {
                "schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": self.add_blob(repository, json.dumps(config).encode()),
                "layers": [self.add_blob(repository, layer) for layer in layers],
            },
            *(() if attested else tags),
        )
        if not attested:
            return str(image["digest"])
        attestation = self.add_manifest(
            repository,
            {
                "schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": self.add_blob(repository, b'{"architecture": "unknown", "os": "unknown"}'),
                "layers": [self.add_blob(repository, b'{"provenance": "of ' + architecture.encode() + b'"}')],
            },
        )
        children = [
            {**image, "platform": {"os": "linux", "architecture": architecture}},
            {
                **attestation,
                "platform": {"os": "unknown", "architecture": "unknown"},
                "annotations": {"vnd.docker.reference.type": "attestation-manifest"},
            },
        ]
        index = {"mediaType": "application/vnd.oci.image.index.v1+json", "manifests": children}
        return str(self.add_manifest(repository, {"schemaVersion": 2, **index}, *tags)["digest"])

    def expire_tokens(self) -> None:
        with self._lock:
            self.tokens.clear()

    def take_fault(self, method: str, path: str) -> Fault | None:
        with self._lock:
            self.requests.append((method, path))
            fault = next((fault for fault in self.faults if fault.hits(method, path)), None)
            if fault is not None:
                fault.times -= 1
            return fault

    def new_token(self, scopes: list[str]) -> dict[str, Any]:
        token = secrets.token_hex(8)
        with self._lock:
            self.token_requests += 1
            self.tokens[token] = scopes
        lifetime = {} if self.expires_in is None else {"expires_in": self.expires_in}
        return {"token": token, **lifetime}

    def accepts(self, authorization: str | None, repository: str, action: str) -> bool:
        if self.auth == "none":
            return True
        if self.auth == "basic":
            return authorization == self.basic
        token = (authorization or "").removeprefix("Bearer ")
        with self._lock:
            self._uses[token] = self._uses.get(token, 0) + 1
            if self.token_uses is not None and self._uses[token] > self.token_uses:
                self.tokens.pop(token, None)
            scopes = self.tokens.get(token, [])
        granted = {scope for line in scopes for scope in line.split(" ")}
        return action in self.grants and any(
            scope.startswith(f"repository:{repository}:") and action in scope.rsplit(":", 1)[1].split(",")
            for scope in granted
        )

    def knows(self, authorization: str | None) -> bool:
        bearer = (authorization or "").removeprefix("Bearer ") in self.tokens
        return {"none": True, "basic": authorization == self.basic, "bearer": bearer}[self.auth]

    @property
    def basic(self) -> str | None:
        if self.login is None:
            return None
        return "Basic " + base64.b64encode(":".join(self.login).encode()).decode()


def noise(seed: int, size: int) -> bytes:
    """The same bytes for the same seed, which nothing compresses."""
    return random.Random(seed).randbytes(size)  # noqa: S311 - test data


class _Handler(Handler):
    def any_method(self) -> None:
        registry = self.server.owner
        self.url = urlsplit(self.path)
        self.query = parse_qs(self.url.query)
        self.fault = registry.take_fault(self.command, self.path)
        if self.fault is not None and self.fault.cut_after is not None and self.command in {"PUT", "POST"}:
            self.rfile.read(min(self.fault.cut_after, int(self.headers.get("Content-Length", 0))))
            self.drop()
            return
        self.content, self.digest, self.size = self.hash_body()
        if self.fault is not None and self.fault.status is not None:
            self.reply(self.fault.status, self.fault.body, self.fault.headers)
            return
        if self.url.path == "/token":
            self.give_token()
            return
        self.route()

    def hash_body(self) -> tuple[bytes, str, int]:
        size = left = int(self.headers.get("Content-Length") or 0)
        hashed, kept = hashlib.sha256(), bytearray()
        discard = self.server.owner.discard_uploads and "/uploads/" in self.path
        while left and (chunk := self.rfile.read(min(left, 65_536))):
            hashed.update(chunk)
            left -= len(chunk)
            kept += b"" if discard else chunk
        return bytes(kept), f"sha256:{hashed.hexdigest()}", size

    def route(self) -> None:
        registry = self.server.owner
        if self.url.path in {"/v2", "/v2/"}:
            # Docker's older client decides here, once, whether and how it has to log in.
            self.reply(200) if registry.knows(self.headers.get("Authorization")) else self.challenge("", "")
            return
        match = re.fullmatch(
            r"/v2/(?P<name>.+)/(?P<kind>manifests|blobs|uploads|tags)/(?P<last>[^/]*)", self.url.path
        )
        if match is None:
            self.reply(404, b"page not found")
            return
        name = match["name"].removesuffix("/blobs")
        action = {"GET": "pull", "HEAD": "pull", "DELETE": "delete"}.get(self.command, "push")
        if not registry.accepts(self.headers.get("Authorization"), name, action):
            self.challenge(name, action)
        elif name not in registry.repositories and not (registry.create_repositories and action == "push"):
            self.error(404, "NAME_UNKNOWN")
        else:
            getattr(self, f"{match['kind']}_{self.command.lower()}")(registry.repository(name), match["last"])

    def manifests_get(self, repository: Repository, reference: str) -> None:
        digest = repository.tags.get(reference, reference)
        if digest not in repository.manifests:
            self.error(404, "MANIFEST_UNKNOWN")
            return
        content, media_type = repository.manifests[digest]
        accepted = ", ".join(self.headers.get_all("Accept", []))
        if media_type not in accepted and "*/*" not in accepted:
            self.error(404, "MANIFEST_UNKNOWN")
            return
        named = {"Docker-Content-Digest": digest} if self.server.owner.digest_header else {}
        self.reply(200, content, {"Content-Type": media_type, **named})

    manifests_head = manifests_get

    def manifests_put(self, repository: Repository, reference: str) -> None:
        digest = digest_of(self.content)
        document = json.loads(self.content)
        blobs = [*([document["config"]] if "config" in document else []), *document.get("layers", [])]
        missing = any(blob["digest"] not in repository.blobs for blob in blobs)
        missing |= any(child["digest"] not in repository.manifests for child in document.get("manifests", []))
        if missing:
            self.error(400, "MANIFEST_BLOB_UNKNOWN")
            return
        if not reference.startswith("sha256:"):
            if self.server.owner.immutable_tags and repository.tags.get(reference, digest) != digest:
                self.error(400, "TAG_INVALID", "cannot be overwritten because the repository is immutable")
                return
            repository.tags[reference] = digest
        repository.manifests[digest] = (self.content, self.headers["Content-Type"])
        self.reply(201, headers={"Docker-Content-Digest": digest})

    def manifests_delete(self, repository: Repository, reference: str) -> None:
        if not self.server.owner.deletable:
            self.error(405, "UNSUPPORTED")
        elif repository.manifests.pop(reference, None) is None:
            self.error(404, "MANIFEST_UNKNOWN")
        else:
            repository.tags = {tag: digest for tag, digest in repository.tags.items() if digest != reference}
            self.reply(202)

    def tags_get(self, repository: Repository, _: str) -> None:
        """A page of at most `page_tags`, and where the next one is."""
        (last,) = self.query.get("last", [""])
        rest = sorted(tag for tag in repository.tags if tag > last)
        page = rest[: self.server.owner.page_tags]
        more = {"Link": f'<{self.url.path}?last={page[-1]}&n=1000>; rel="next"'} if page != rest else {}
        self.reply(200, json.dumps({"name": "any", "tags": page or None}).encode(), more)

    def blobs_get(self, repository: Repository, digest: str) -> None:
        if digest not in repository.blobs:
            self.error(404, "BLOB_UNKNOWN")
            return
        content, start = repository.blobs[digest], 0
        if asked := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")):
            start = int(asked[1])
        self.reply(206 if asked else 200, content[start:], {"Docker-Content-Digest": digest})

    blobs_head = blobs_get

    def uploads_post(self, repository: Repository, _: str) -> None:
        registry = self.server.owner
        (wanted,), (source,) = self.query.get("mount", [""]), self.query.get("from", [""])
        if source in registry.repositories and wanted in registry.repositories[source].blobs:
            repository.blobs[wanted] = registry.repositories[source].blobs[wanted]
            self.reply(201, headers={"Docker-Content-Digest": wanted})
            return
        upload = secrets.token_hex(8)
        registry.uploads.add(upload)
        self.reply(202, headers={"Location": f"{self.url.path.rstrip('/')}/{upload}?_state=x"})

    def uploads_delete(self, _: Repository, upload: str) -> None:
        if upload in self.server.owner.uploads:
            self.server.owner.uploads.remove(upload)
            self.reply(204)
        else:
            self.error(404, "BLOB_UPLOAD_UNKNOWN")

    def uploads_put(self, repository: Repository, upload: str) -> None:
        if self.query.get("digest") != [self.digest]:
            self.error(400, "DIGEST_INVALID")
            return
        repository.blobs[self.digest] = self.content
        registry = self.server.owner
        registry.uploads.discard(upload)
        with registry._lock:
            registry.uploaded_bytes += self.size
        self.reply(201, headers={"Docker-Content-Digest": self.digest})

    def give_token(self) -> None:
        registry = self.server.owner
        if registry.login is not None and self.headers.get("Authorization") != registry.basic:
            self.error(401, "UNAUTHORIZED")
            return
        self.reply(200, json.dumps(registry.new_token(self.query.get("scope", []))).encode())

    def challenge(self, name: str, action: str) -> None:
        how = 'Basic realm="fake"'
        if self.server.owner.auth == "bearer":
            actions = {"push": "pull,push", "delete": "pull,push,delete"}.get(action, action)
            realm = f"http://{self.server.owner.host}/token"
            scope = f',scope="repository:{name}:{actions}"' if name else ""
            how = f'Bearer realm="{realm}",service="fake"{scope}'
        self.error(401, "UNAUTHORIZED", headers={"WWW-Authenticate": how})

    def error(self, status: int, code: str, message: str = "", headers: dict[str, str] | None = None) -> None:
        self.reply(status, json.dumps({"errors": [{"code": code, "message": message}]}).encode(), headers)

    def reply(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        fault = self.fault
        if fault is not None and fault.garble and body:
            body = bytes([body[0] ^ 1]) + body[1:]
        self.send_response(status)
        # What answers with a fault may be anything on the way, so it does not call itself a registry.
        is_registry = self.url.path.startswith("/v2") and not (fault and fault.status)
        named = {"Docker-Distribution-Api-Version": "registry/2.0"} if is_registry else {}
        for name, value in {**named, **(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if fault is not None and fault.cut_after is not None:
            self.wfile.write(body[: fault.cut_after])
            self.drop()
            return
        self.wfile.write(body)
