"""One repository in an OCI registry, over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import httpx

from nightly_pipeline.errors import RegistryConflict, RegistryError, RegistryTagImmutable
from nightly_pipeline.model.oci import digest_of_bytes
from nightly_pipeline.tools.registry_auth import CredentialProvider, Credentials
from nightly_pipeline.tools.registry_blobs import read_blob
from nightly_pipeline.tools.registry_client import Call, ClientSettings, Endpoint, RegistryClient
from nightly_pipeline.tools.registry_copy import BlobSource, manifests_below, send_blobs
from nightly_pipeline.tools.registry_errors import error_codes
from nightly_pipeline.tools.registry_manifests import (
    ACCEPTED,
    Manifest,
    is_digest,
    is_tag,
    read_manifest,
)
from nightly_pipeline.tools.registry_tags import DeleteMany, delete_each, list_tags

__all__ = ["ClientSettings", "Credentials", "OciRegistry"]

_OK, _CREATED, _ACCEPTED, _NOT_FOUND = 200, 201, 202, 404


class OciRegistry:
    """A repository in a registry that speaks the OCI distribution API.

    "Absent" is an answer, None. "Could not be asked" is RegistryUnavailable, raised after several attempts.
    Deleting needs a registry that allows it; ECR deletes through its own API only.

    Args:
        role: the registry's name in the profile: ecr, acr.
        host: host[:port].
        repository: the repository's name in it.
        insecure: plain HTTP instead of HTTPS.
        credentials: gives the login, asked anew when it has expired; None is anonymous.
        settings: timeouts and repetitions.
        delete_many: how manifests are deleted where the distribution protocol cannot.
        before_writing: called before anything is written: what makes the repository where it must exist.
    """

    def __init__(  # noqa: PLR0913 - the fields of a registry in the profile
        self,
        role: str,
        host: str,
        repository: str,
        *,
        insecure: bool = False,
        credentials: CredentialProvider | None = None,
        settings: ClientSettings | None = None,
        delete_many: DeleteMany | None = None,
        before_writing: Callable[[], None] | None = None,
    ) -> None:
        self._delete_many = delete_many
        self._before_writing = before_writing or _nothing
        self._client = RegistryClient(
            Endpoint(role, host, repository, insecure),
            credentials=credentials,
            settings=settings or ClientSettings(),
        )

    def __repr__(self) -> str:
        return f"OciRegistry({self.role!r}, {self.host!r}, {self.repository!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    @property
    def role(self) -> str:
        """The registry's name in the profile."""
        return self._client.endpoint.role

    @property
    def host(self) -> str:
        """host[:port]."""
        return self._client.endpoint.host

    @property
    def repository(self) -> str:
        """The repository's name in the registry."""
        return self._client.endpoint.repository

    def reference(self, tag_or_digest: str) -> str:
        """host/repository:tag, or host/repository@digest."""
        return self._client.endpoint.reference(tag_or_digest)

    def digest_of(self, tag_or_digest: str) -> str | None:
        """The digest the registry answers for this tag or digest; None when it is absent.

        Raises:
            RegistryError: the registry refuses, or what answers is no registry.
            RegistryUnavailable: it could not be asked.
        """
        response = self._get("HEAD", tag_or_digest)
        digest = str(response.headers.get("Docker-Content-Digest", ""))
        if response.status_code == _NOT_FOUND and _says_registry(response):
            return None
        if response.status_code == _NOT_FOUND or not is_digest(digest):  # has to be read to be sure
            found = self.manifest(tag_or_digest)
            return digest_of_bytes(found[0]) if found else None
        self._require_same(tag_or_digest, digest)
        return digest

    def manifest(self, tag_or_digest: str) -> tuple[bytes, str] | None:
        """The manifest's exact bytes and media type; None when it is absent.

        Raises:
            RegistryConflict: the bytes are not those of the digest.
            RegistryError: the registry refuses, or what answers is no registry.
            RegistryUnavailable: it could not be asked.
        """
        response = self._get("GET", tag_or_digest)
        if response.status_code == _NOT_FOUND:
            self._require_registry(response, tag_or_digest)
            return None
        digest = digest_of_bytes(response.content)
        self._require_same(tag_or_digest, digest)
        self._require_same(response.headers.get("Docker-Content-Digest", digest), digest)
        return response.content, response.headers.get("Content-Type", "").partition(";")[0].strip()

    def config_of(self, digest: str) -> dict[str, Any]:
        """The image configuration of a manifest or of an index's one real platform.

        Raises:
            RegistryConflict: it is absent, or an index of no or of several platforms.
        """
        manifest = self._read(digest)
        if manifest.is_index:
            if len(manifest.platforms) != 1:
                names = ", ".join(str(child.platform) for child in manifest.platforms) or "none"
                raise RegistryConflict(f"{self.reference(digest)} is an index of several platforms: {names}.")
            manifest = self._read(manifest.platforms[0].digest)
        try:
            config: dict[str, Any] = json.loads(b"".join(self.open_blob(manifest.blobs[0].digest)))
        except (ValueError, IndexError) as error:
            raise RegistryError(f"{self.reference(digest)} has no image configuration.") from error
        return config

    def put_tag(self, tag: str, digest: str) -> None:
        """Make `tag` name `digest`, which is there already. The bytes, and so the digest, stay as they are.

        Raises:
            RegistryConflict: `digest` is absent, or the tag is immutable and names something else.
        """
        if self.digest_of(tag) != digest:
            manifest = self._read(digest)
            self._put(tag, manifest.content, manifest.media_type)

    def put_index(self, tags: Iterable[str], manifest: bytes, media_type: str) -> str:
        """Store an index under every tag (under its digest alone when there are none) and return its digest.

        Raises:
            RegistryConflict: a child is absent, or a tag is immutable.
        """
        digest = digest_of_bytes(manifest)
        self._put(digest, manifest, media_type)
        for tag in tags:
            self.put_tag(tag, digest)
        return digest

    def copy_from(self, source: BlobSource, digest: str) -> int:
        """Copy an image or index with all it refers to, only what is missing; return the bytes uploaded.

        A copy that was cut short is completed by calling this again. Its manifests come last, so what can be
        asked for is whole.
        """
        self._before_writing()
        manifests = list(manifests_below(source, digest))
        blobs = [blob for manifest in manifests for blob in manifest.blobs]
        uploaded = send_blobs(self._client, source, blobs, self._mountable(source))
        for manifest in manifests:
            if self.digest_of(manifest.digest) is None:
                self._put(manifest.digest, manifest.content, manifest.media_type)
                uploaded += len(manifest.content)
        return uploaded

    def open_blob(self, digest: str) -> Iterable[bytes]:
        """Stream a blob in chunks, checked against its digest at the end.

        Raises:
            RegistryError: it is absent, or its content is not what the digest says.
            RegistryUnavailable: it broke off, several times.
        """
        return read_blob(self._client, digest)

    def delete(self, digest: str) -> None:
        """Delete a manifest; deleting what is absent is no error.

        Raises:
            RegistryError: the registry does not allow it.
        """
        if not is_digest(digest):
            raise ValueError(f"only a digest can be deleted, not {digest!r}")
        what = f"{self._short(digest)} could not be deleted"
        scopes = (self._client.scope("pull,push,delete"),)
        answers = {_OK, _ACCEPTED, _NOT_FOUND, httpx.codes.METHOD_NOT_ALLOWED}
        response = self._client.ask(Call("DELETE", f"/manifests/{digest}", what, answers, scopes))
        if response.status_code == httpx.codes.METHOD_NOT_ALLOWED:
            raise RegistryError(
                f"{self.role} ({self.host}): {what}: deleting is not enabled in this registry.",
                next_step="Enable it (docker-registry: `storage.delete.enabled`), or prune by its own means.",
            )
        if response.status_code == _NOT_FOUND:
            self._require_registry(response, digest)

    def delete_many(self, digests: Sequence[str]) -> Mapping[str, str]:
        """Delete at most 100 manifests, in this order; return why, for those that are still there."""
        return self._delete_many(digests) if self._delete_many else delete_each(self.delete, digests)

    def list_tags(self) -> list[str]:
        """Every tag, sorted; a repository that does not exist has none."""
        return list_tags(self._client)

    def _short(self, tag_or_digest: str) -> str:
        return self.reference(tag_or_digest).removeprefix(f"{self.host}/")

    def _get(self, method: str, tag_or_digest: str) -> httpx.Response:
        what = f"{self._short(tag_or_digest)} could not be read"
        headers = {"Accept": ACCEPTED}
        return self._client.ask(
            Call(method, self._path(tag_or_digest), what, {_OK, _NOT_FOUND}, headers=headers)
        )

    def _path(self, tag_or_digest: str) -> str:
        if not is_digest(tag_or_digest) and not is_tag(tag_or_digest):
            raise RegistryError(f"`{tag_or_digest}` is neither a tag nor a sha256 digest.")
        return f"/manifests/{tag_or_digest}"

    def _read(self, digest: str) -> Manifest:
        found = self.manifest(digest)
        if found is None:
            raise RegistryConflict(f"{self.reference(digest)} is not there.")
        return read_manifest(*found)

    def _put(self, tag_or_digest: str, content: bytes, media_type: str) -> None:
        self._before_writing()
        digest = digest_of_bytes(content)
        what = f"{self._short(tag_or_digest)} could not be written"
        answers = {_OK, _CREATED, _ACCEPTED}
        scopes, headers = (self._client.scope("pull,push"),), {"Content-Type": media_type}
        try:
            self._client.ask(Call("PUT", self._path(tag_or_digest), what, answers, scopes, headers, content))
        except RegistryTagImmutable:  # unless it was written before, and only the answer was lost
            if self.digest_of(tag_or_digest) != digest:
                raise
        if (answered := self.digest_of(tag_or_digest)) != digest:
            raise RegistryConflict(
                f"{self.reference(tag_or_digest)} is {answered} after {digest} was written."
            )

    def _mountable(self, source: BlobSource) -> str | None:
        """The source's repository, when this registry has it too and can take blobs from it by itself."""
        if not isinstance(source, OciRegistry) or source.host != self.host:
            return None
        return source.repository if source.repository != self.repository else None

    def _require_same(self, asked: str, digest: str) -> None:
        if is_digest(asked) and asked != digest:
            raise RegistryConflict(
                f"{self.reference(asked)} came with the digest {digest}.",
                next_step="The registry, or a proxy in front of it, changes content: do not use it.",
            )

    def _require_registry(self, response: httpx.Response, tag_or_digest: str) -> None:
        """A 404 of something that is no registry must not pass for "absent"."""
        if not _says_registry(response) and error_codes(response.content) is None:
            raise RegistryError(
                f"{self.reference(tag_or_digest)}: what answers at {self.host} is not a registry (404).",
                next_step="Check the registry's host and port in the profile.",
            )


def _says_registry(response: httpx.Response) -> bool:
    return "registry/" in response.headers.get("Docker-Distribution-Api-Version", "")


def _nothing() -> None:
    """Nothing has to be done before writing."""
