"""Artifacts in a bucket of S3, or of what speaks its language. `steps.ports.ArtifactStore`.

S3 itself gives what the store promises: an object is there whole or not at all, and a conditional write has one
winner. Botocore retries what may pass (its standard mode); what it says in the end is told in errors of ours.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import date
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import quote

import boto3
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
    ReadTimeoutError,
    ResponseStreamingError,
)

from nightly_pipeline.errors import RecordError, StoreForbidden, StoreUnavailable
from nightly_pipeline.model.masking import mask
from nightly_pipeline.tools.artifacts import checked_key, file_to_keep, night_of
from nightly_pipeline.tools.files import explained, move_into_place, new_file

_CONNECT_S, _READ_S, _ATTEMPTS = 10, 60, 5
_DELETED_AT_ONCE = 1000
_PRESIGNED_S = 7 * 24 * 3600
"""The longest that a signature is good for, and as long as artifacts are kept by default."""
_CONFLICTS = 5
_CHUNK = 1024 * 1024
_ABSENT = frozenset({"NoSuchKey"})
"""As S3 says it. A 404 without that word is of something else that answers at the address: it knows nothing of ours."""
_ELSEWHERE = frozenset(
    {"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"}
)
_TAKEN = frozenset({"PreconditionFailed", "412"})
_MEANWHILE = frozenset({"ConditionalRequestConflict", "409"})
_REFUSED = frozenset({"401", "403"})
_BROKEN_OFF = (IncompleteReadError, ReadTimeoutError, ResponseStreamingError)
Links = Literal["console", "presigned", "uri"]
_T = TypeVar("_T")


class S3ArtifactStore:
    """Artifacts as objects of one bucket. Safe to use from several processes at a time.

    Args:
        bucket: it must be there.
        prefix: folder within it; other folders are neither seen nor touched.
        endpoint, region: None is what AWS's own configuration says.
        links: see `settings_sections.ArtifactSettings`.
    """

    def __init__(
        self,
        bucket: str,
        *,
        prefix: str = "",
        endpoint: str | None = None,
        region: str | None = None,
        links: Links = "uri",
    ) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._connect = functools.partial(_client, endpoint, region)
        self._links = links

    def __repr__(self) -> str:
        return f"S3ArtifactStore({self._uri('')!r})"

    def write(self, key: str, content: bytes) -> None:
        """Write whole or not at all; an existing artifact is replaced.

        Raises:
            StoreForbidden: the login is missing, wrong, or lacks a right; or there is no such bucket.
            StoreUnavailable: the storage could not be asked.
            RecordError: the key is not one.
        """
        name = self._name(key)
        with self._explained(key):
            self._client.put_object(Bucket=self._bucket, Key=name, Body=content)

    def write_once(self, key: str, content: bytes) -> bool:
        """Like `write`, unless the key is taken: of several writers the first wins. Whether this one did."""
        name = self._name(key)
        with self._explained(key):
            for _ in range(_CONFLICTS):
                try:
                    self._client.put_object(Bucket=self._bucket, Key=name, Body=content, IfNoneMatch="*")
                except ClientError as error:
                    if _code(error) in _TAKEN:
                        return False
                    if _code(error) not in _MEANWHILE:  # another writer is at it: ask again who was first
                        raise
                else:
                    return True
        raise StoreUnavailable(
            f"{self._uri(key)} could not be written: other writers were at it all the while"
        )

    def write_file(self, key: str, path: Path) -> None:
        """Like `write`, from a file, without holding it in memory. RecordError when there is no such file."""
        name = self._name(key)
        with file_to_keep(key, path) as source, self._explained(key):
            self._client.upload_fileobj(source, self._bucket, name, Config=TransferConfig(max_concurrency=4))

    def read(self, key: str) -> bytes | None:
        """The content, or None when it is absent."""
        return self._fetched(key, lambda body: bytes(body.read()))

    def read_file(self, key: str, path: Path) -> bool:
        """Like `read`, into a file, without holding it in memory. Whether it was there."""

        def copy(body: Any) -> bool:
            with explained(path), new_file(path.parent) as (file, temporary):
                for chunk in body.iter_chunks(_CHUNK):
                    file.write(chunk)
                move_into_place(file, temporary, path)
            return True

        return bool(self._fetched(key, copy))

    def keys(self, prefix: str) -> list[str]:
        """All keys below a folder, sorted; everything for an empty prefix; the key itself where it is one."""
        start = self._name(prefix) if prefix else self._prefix
        with self._explained(prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=start)
            names = [item["Key"] for page in pages for item in page.get("Contents", ())]
        found = (name.removeprefix(self._prefix) for name in names)
        return sorted(key for key in found if _is_key(key) and _is_below(key, prefix))

    def delete(self, prefix: str) -> int:
        """Delete everything below a prefix; return how many artifacts went."""
        gone = self.keys(checked_key(prefix))
        for start in range(0, len(gone), _DELETED_AT_ONCE):
            self._delete(gone[start : start + _DELETED_AT_ONCE], prefix)
        return len(gone)

    def dates(self) -> list[date]:
        """The nights that have artifacts, oldest first: what pruning chooses from."""
        with self._explained(""):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix, Delimiter="/"
            )
            folders = [item["Prefix"] for page in pages for item in page.get("CommonPrefixes", ())]
        nights = (night_of(folder.removeprefix(self._prefix).removesuffix("/")) for folder in folders)
        return sorted(night for night in nights if night is not None)

    def location(self, key: str) -> str:
        """Where a person finds it: AWS's console, an address that is good for seven days, or s3://bucket/key."""
        name = self._name(key)
        if self._links == "console":
            region = self._client.meta.region_name
            where = f"region={region}&prefix={quote(name)}"
            return f"https://{region}.console.aws.amazon.com/s3/object/{self._bucket}?{where}"
        if self._links == "presigned":
            with self._explained(key):
                asked = {"Bucket": self._bucket, "Key": name}
                return str(
                    self._client.generate_presigned_url("get_object", Params=asked, ExpiresIn=_PRESIGNED_S)
                )
        return self._uri(key)

    @functools.cached_property
    def _client(self) -> Any:
        with self._explained(""):
            return self._connect()

    def _name(self, key: str) -> str:
        return self._prefix + checked_key(key)

    def _uri(self, key: str) -> str:
        return f"s3://{self._bucket}/{self._prefix}{key}"

    def _fetched(self, key: str, take: Callable[[Any], _T]) -> _T | None:
        """What `take` makes of an object's body; None when it is absent. A body that breaks off is asked for again."""
        name = self._name(key)
        with self._explained(key):
            for left in reversed(range(_ATTEMPTS)):
                try:
                    with closing(self._client.get_object(Bucket=self._bucket, Key=name)["Body"]) as body:
                        return take(body)
                except ClientError as error:
                    if _code(error) in _ABSENT:
                        return None
                    raise
                except _BROKEN_OFF:  # botocore retries requests, and not what it streams
                    if not left:
                        raise
        return None

    def _delete(self, keys: list[str], prefix: str) -> None:
        objects = [{"Key": self._name(key)} for key in keys]
        with self._explained(prefix):
            answer = self._client.delete_objects(
                Bucket=self._bucket, Delete={"Objects": objects, "Quiet": True}
            )
        failed = answer.get("Errors", [])
        if failed:
            first = failed[0]
            kind = StoreForbidden if first.get("Code") == "AccessDenied" else StoreUnavailable
            raise kind(
                f"{len(failed)} of {len(keys)} artifacts in {self._uri(prefix)} were not deleted:"
                f" {first.get('Key')}: {first.get('Code')} {first.get('Message', '')}".rstrip()
            )

    @contextmanager
    def _explained(self, key: str) -> Iterator[None]:
        """Turn what S3 and botocore say into errors of ours."""
        where = self._uri(key)
        try:
            yield
        except (NoCredentialsError, PartialCredentialsError) as error:
            raise StoreForbidden(
                f"{where}: there are no AWS credentials",
                next_step="Give this process a role or AWS's own variables; `aws sts get-caller-identity` shows it.",
            ) from error
        except ClientError as error:
            raise _refusal(error, where) from error
        except (BotoCoreError, Boto3Error) as error:
            raise StoreUnavailable(f"{where} could not be asked: {mask(str(error))}") from error


@functools.lru_cache(maxsize=8)
def _client(endpoint: str | None, region: str | None) -> Any:
    """A client, made once a process: making one reads files of botocore's and takes a tenth of a second."""
    config = Config(
        connect_timeout=_CONNECT_S,
        read_timeout=_READ_S,
        retries={"mode": "standard", "max_attempts": _ATTEMPTS},
        s3={"addressing_style": "path" if endpoint else "auto"},
        # Other storages do not know AWS's newer checksums; TLS and the length guard what is sent.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return boto3.session.Session().client("s3", endpoint_url=endpoint, region_name=region, config=config)


def _refusal(error: ClientError, where: str) -> StoreForbidden | StoreUnavailable:
    code, status = _code(error), error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    message = mask(str(error.response.get("Error", {}).get("Message", "")))
    said = ": ".join(filter(None, (where, code or f"HTTP {status}", message)))
    if code == "NoSuchBucket":
        return StoreForbidden(
            f"{where}: there is no such bucket", next_step="Create it, or correct `artifacts.bucket`."
        )
    if code in _ELSEWHERE:
        return StoreForbidden(
            said, next_step="Correct `artifacts.region` in the profile: the bucket is in another."
        )
    if code in _REFUSED or status in {400, 401, 403}:
        return StoreForbidden(said)
    return StoreUnavailable(said)


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _is_key(key: str) -> bool:
    try:
        checked_key(key)
    except RecordError:  # somebody else's object
        return False
    return True


def _is_below(key: str, prefix: str) -> bool:
    return not prefix or key == prefix or key.startswith(f"{prefix}/")
