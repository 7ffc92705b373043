"""Copy an image, or an index with everything below it, from one registry to another."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Protocol

from nightly_pipeline.errors import RegistryConflict
from nightly_pipeline.tools.registry_blobs import send_blob
from nightly_pipeline.tools.registry_client import RegistryClient
from nightly_pipeline.tools.registry_manifests import Descriptor, Manifest, read_manifest


class BlobSource(Protocol):
    """What a copy reads from: any registry of ours."""

    def reference(self, tag_or_digest: str) -> str:
        """host/repository:tag, or host/repository@digest."""
        ...

    def manifest(self, tag_or_digest: str) -> tuple[bytes, str] | None:
        """The manifest's exact bytes and media type; None when it is absent."""
        ...

    def open_blob(self, digest: str) -> Iterable[bytes]:
        """Stream a blob in chunks."""
        ...


def manifests_below(source: BlobSource, digest: str) -> Iterator[Manifest]:
    """The manifest and all it refers to, children first: the order in which a registry takes them.

    Raises:
        RegistryConflict: one of them is not in the source.
    """
    found = source.manifest(digest)
    if found is None:
        raise RegistryConflict(
            f"{source.reference(digest)} is not there, so it cannot be copied.",
            next_step="Build the image again; something may have deleted it.",
        )
    manifest = read_manifest(*found)
    for child in manifest.children:
        yield from manifests_below(source, child.digest)
    yield manifest


def send_blobs(
    client: RegistryClient, source: BlobSource, blobs: Iterable[Descriptor], mount_from: str | None
) -> int:
    """Send what is missing, a few side by side; return the bytes uploaded. The first failure stops all."""
    sending = _Sending(client, source, mount_from)
    distinct = {blob.digest: blob for blob in blobs}.values()
    # Else a long one may be left alone at the end.
    largest_first = sorted(distinct, key=lambda blob: -blob.size)
    with ThreadPoolExecutor(client.settings.parallel_blobs, thread_name_prefix="copy") as pool:
        futures = [pool.submit(sending.send, blob) for blob in largest_first]
        try:
            return sum(future.result() for future in as_completed(futures))
        finally:  # on a failure or an interrupt, the others must not go on for gigabytes
            sending.stop()
            pool.shutdown(wait=False, cancel_futures=True)


class _Sending:
    """Blobs on their way from one registry to another, which can be stopped from another thread."""

    def __init__(self, client: RegistryClient, source: BlobSource, mount_from: str | None) -> None:
        self._client, self._source, self._mount_from = client, source, mount_from
        self._failed, self._stopped = threading.Event(), threading.Event()

    def send(self, blob: Descriptor) -> int:
        """Send one unless it is there, and return the bytes uploaded: none after another one failed."""
        if self._failed.is_set():
            return 0  # a registry that is down would be waited for as long as before, with each blob
        try:
            return send_blob(self._client, blob, self._open, self._mount_from)
        except BaseException:
            self._failed.set()
            raise

    def stop(self) -> None:
        """Let what is under way end with its next chunk."""
        self._stopped.set()

    def _open(self, digest: str) -> Iterator[bytes]:
        for chunk in self._source.open_blob(digest):
            if self._stopped.is_set():
                raise RegistryConflict(f"The copy of {digest} was stopped.")
            yield chunk
