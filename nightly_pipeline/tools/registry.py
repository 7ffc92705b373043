"""One repository in an OCI registry, over HTTP."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from nightly_pipeline.tools.registry_auth import CredentialProvider


class BlobSource(Protocol):
    """What a copy reads from: any registry of ours."""

    def manifest(self, tag_or_digest: str) -> tuple[bytes, str] | None:
        """The manifest's exact bytes and media type; None when it is absent."""
        ...

    def open_blob(self, digest: str) -> Iterable[bytes]:
        """Stream a blob in chunks."""
        ...


class OciRegistry:
    """A repository in a registry that speaks the OCI distribution API.

    Args:
        role: the registry's name in the profile: ecr, acr.
        host: host[:port].
        repository: the repository's name in it.
        insecure: plain HTTP instead of HTTPS.
        credentials: gives the login; None is anonymous.
    """

    def __init__(
        self,
        role: str,
        host: str,
        repository: str,
        *,
        insecure: bool = False,
        credentials: CredentialProvider | None = None,
    ) -> None:
        raise NotImplementedError

    @property
    def role(self) -> str:
        """The registry's name in the profile."""
        raise NotImplementedError

    def reference(self, tag_or_digest: str) -> str:
        """host/repository:tag, or host/repository@digest."""
        raise NotImplementedError

    def digest_of(self, tag_or_digest: str) -> str | None:
        """The digest the registry answers for this tag or digest; None when it is absent."""
        raise NotImplementedError

    def manifest(self, tag_or_digest: str) -> tuple[bytes, str] | None:
        """The manifest's exact bytes and media type; None when it is absent."""
        raise NotImplementedError

    def config_of(self, digest: str) -> dict[str, Any]:
        """The image configuration of a manifest or of an index's one real platform."""
        raise NotImplementedError

    def put_tag(self, tag: str, digest: str) -> None:
        """Make `tag` name `digest`, which is there already."""
        raise NotImplementedError

    def put_index(self, tags: Iterable[str], manifest: bytes, media_type: str) -> str:
        """Store an index under every tag and return its digest."""
        raise NotImplementedError

    def copy_from(self, source: BlobSource, digest: str) -> int:
        """Copy an image or index with all it refers to, only what is missing; return the bytes uploaded."""
        raise NotImplementedError

    def open_blob(self, digest: str) -> Iterable[bytes]:
        """Stream a blob in chunks."""
        raise NotImplementedError

    def delete(self, digest: str) -> None:
        """Delete a manifest; deleting what is absent is no error."""
        raise NotImplementedError
