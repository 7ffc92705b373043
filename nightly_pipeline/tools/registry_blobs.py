"""Move blobs: in chunks, so that a layer of gigabytes costs no memory, and checked against their digest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import urlencode, urljoin, urlsplit, urlunsplit

from nightly_pipeline.errors import RegistryConflict, RegistryError
from nightly_pipeline.tools.registry_client import Call, RegistryClient
from nightly_pipeline.tools.registry_manifests import Descriptor

_OK, _CREATED, _ACCEPTED, _PARTIAL, _NOT_FOUND = 200, 201, 202, 206, 404

OpenBlob = Callable[[str], Iterable[bytes]]


def has_blob(client: RegistryClient, digest: str) -> bool:
    """Whether the repository has this blob; asked once: who asks repeats, with all that follows."""
    what = f"could not ask for blob {client.endpoint.repository}@{digest}"
    with client.stream(Call("HEAD", f"/blobs/{digest}", what, {_OK, _NOT_FOUND})) as response:
        return bool(response.status_code == _OK)


def read_blob(client: RegistryClient, digest: str) -> Iterator[bytes]:
    """Stream a blob. A connection that is cut is taken up again where it broke off.

    Raises:
        RegistryError: the blob is absent, or what came is not what its digest says.
        RegistryUnavailable: it broke off too often.
    """
    checked, received = hashlib.sha256(), 0
    for attempt in client.attempts():
        with attempt:
            for chunk in _read_from(client, digest, received):
                checked.update(chunk)
                received += len(chunk)
                yield chunk
            break
    if f"sha256:{checked.hexdigest()}" != digest:
        raise RegistryConflict(
            f"{client.endpoint.reference(digest)} holds content with another digest.",
            next_step="The registry's storage is damaged: delete the image there and build it again.",
        )


def _read_from(client: RegistryClient, digest: str, offset: int) -> Iterator[bytes]:
    what = f"blob {client.endpoint.repository}@{digest} could not be read"
    headers = {"Range": f"bytes={offset}-"} if offset else {}
    call = Call("GET", f"/blobs/{digest}", what, {_OK, _PARTIAL}, headers=headers)
    with client.stream(call) as response:
        skip = 0 if response.status_code == _PARTIAL else offset
        for chunk in response.iter_raw():  # as it comes from the socket: joining chunks would copy every byte
            yield chunk[skip:]
            skip = max(0, skip - len(chunk))


def send_blob(
    client: RegistryClient, blob: Descriptor, open_blob: OpenBlob, mount_from: str | None = None
) -> int:
    """Put a blob into the repository unless it is there; return the bytes that were uploaded.

    Args:
        client: of the repository it is for.
        blob: what to send.
        open_blob: opens it at the source, from its beginning; called again for each attempt.
        mount_from: a repository of the same registry that has it: then nothing needs to travel.
    """
    begun = False
    for attempt in client.attempts():
        with attempt:
            if has_blob(client, blob.digest):
                return blob.size if begun else 0  # the answer to an upload that arrived may have been lost
            upload = _start(client, blob, mount_from)
            if upload is None:
                return 0
            begun = True
            _upload(client, blob, upload, open_blob)
            return blob.size
    raise AssertionError  # pragma: no cover - the loop returns or raises


def _start(client: RegistryClient, blob: Descriptor, mount_from: str | None) -> str | None:
    """Where to upload; None when the registry mounted the blob from its other repository."""
    query = f"?{urlencode({'mount': blob.digest, 'from': mount_from})}" if mount_from else ""
    scopes = (client.scope("pull,push"), *([client.scope("pull", mount_from)] if mount_from else []))
    what = f"an upload to {client.endpoint.repository} could not be started"
    call = Call("POST", f"/blobs/uploads/{query}", what, {_CREATED, _ACCEPTED}, scopes, content=b"")
    with client.stream(call) as response:
        if response.status_code == _CREATED:
            return None
        location = response.headers.get("Location")
        if not location:
            raise RegistryError(
                f"{client.endpoint.role} ({client.endpoint.host}): an upload was accepted, but not where to."
            )
        return _with_digest(urljoin(str(response.url), location), blob.digest)


def _upload(client: RegistryClient, blob: Descriptor, address: str, open_blob: OpenBlob) -> None:
    headers = {"Content-Type": "application/octet-stream", "Content-Length": str(blob.size)}
    what = f"blob {client.endpoint.repository}@{blob.digest} could not be uploaded"
    scopes = (client.scope("pull,push"),)

    def content() -> Iterator[bytes]:
        return _exactly(blob, open_blob(blob.digest))

    with client.stream(Call("PUT", address, what, {_CREATED}, scopes, headers, content)) as response:
        answered = response.headers.get("Docker-Content-Digest", blob.digest)
    if answered != blob.digest:
        raise RegistryConflict(f"{what}: the registry stored it as {answered}.")


def _exactly(blob: Descriptor, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The chunks, when they add up to the size that was announced: never end an upload short, or over."""
    sent = 0
    for chunk in chunks:
        sent += len(chunk)
        if sent > blob.size:
            break
        yield chunk
    if sent != blob.size:
        raise RegistryConflict(
            f"Blob {blob.digest} has another size than its manifest says ({blob.size} bytes)."
        )


def _with_digest(location: str, digest: str) -> str:
    parts = urlsplit(location)
    query = "&".join(filter(None, (parts.query, urlencode({"digest": digest}))))
    return urlunsplit(parts._replace(query=query))
