"""List a repository's tags, and delete manifests by the hundred: what retention needs of a registry."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urljoin

import httpx

from nightly_pipeline.errors import (
    NightlyError,
    RegistryError,
    RegistryForbidden,
    RegistryUnavailable,
)
from nightly_pipeline.tools.registry_client import Call, RegistryClient
from nightly_pipeline.tools.registry_errors import error_codes

DeleteMany = Callable[[Sequence[str]], Mapping[str, str]]
"""Takes digests; returns why, for those that are still there."""

_OK, _NOT_FOUND = 200, 404
_PAGE = 1000
_GONE = "ImageNotFound"


def list_tags(client: RegistryClient) -> list[str]:
    """Every tag of the repository, sorted; page after page. A repository that does not exist has none.

    Raises:
        RegistryError: the registry refuses, or what it answers is no list of tags.
        RegistryUnavailable: it could not be asked.
    """
    found: set[str] = set()
    asked: set[str] = set()
    page: str | None = f"/tags/list?n={_PAGE}"
    while page is not None and page not in asked:  # a registry whose last page leads to itself is at its end
        asked.add(page)
        what = f"the tags of {client.endpoint.repository} could not be listed"
        response = client.ask(Call("GET", page, what, {_OK, _NOT_FOUND}))
        found.update(_tags_in(response, client))
        page = _next_page(response)
    return sorted(found)


def _tags_in(response: httpx.Response, client: RegistryClient) -> Iterable[str]:
    if response.status_code == _NOT_FOUND and "NAME_UNKNOWN" in (error_codes(response.content) or ()):
        return ()
    try:
        if response.status_code == _OK:
            return [str(tag) for tag in json.loads(response.content)["tags"] or ()]
    except (ValueError, KeyError, TypeError):
        pass
    endpoint = client.endpoint
    raise RegistryError(
        f"{endpoint.role} ({endpoint.host}): what was answered is no list of the tags of {endpoint.repository}"
        f" ({response.status_code})",
        next_step="Check the registry's host and repository in the profile.",
    )


def _next_page(response: httpx.Response) -> str | None:
    link = response.links.get("next", {}).get("url")
    return urljoin(str(response.url), link) if link else None


def delete_each(delete: Callable[[str], None], digests: Sequence[str]) -> dict[str, str]:
    """Delete one after the other; return why, for those that are still there.

    A registry that could not be asked is not asked again: the rest is left for the next time.
    """
    remaining: dict[str, str] = {}
    for position, digest in enumerate(digests):
        try:
            delete(digest)
        except RegistryUnavailable as error:
            return remaining | dict.fromkeys(digests[position:], error.message)
        except NightlyError as error:
            remaining[digest] = error.message
    return remaining


def delete_from_ecr(
    ecr: Any, repository: str, digests: Sequence[str], *, account: str | None = None
) -> dict[str, str]:
    """Delete through ECR's own API: by digest, which takes an image with all its tags.

    Args:
        ecr: a client of boto3.
        repository: its name.
        digests: at most 100.
        account: whose registry; None is the caller's.

    Returns:
        Why, for those that are still there. What was not there is gone, too.

    Raises:
        RegistryError: AWS refuses.
        RegistryUnavailable: AWS could not be asked.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - slow, and needed for ECR alone

    whose = {"registryId": account} if account else {}
    images = [{"imageDigest": digest} for digest in digests]
    try:
        answer = ecr.batch_delete_image(repositoryName=repository, imageIds=images, **whose)
    except ClientError as error:
        return _refused(error, repository)
    except BotoCoreError as error:
        raise RegistryUnavailable(f"ecr: images of {repository} could not be deleted: {error}") from error
    return {
        failure["imageId"]["imageDigest"]: f"{failure['failureCode']}: {failure.get('failureReason', '')}"
        for failure in answer.get("failures", ())
        if failure.get("failureCode") != _GONE
    }


def _refused(error: Any, repository: str) -> dict[str, str]:
    code = str(error.response.get("Error", {}).get("Code", ""))
    if code == "RepositoryNotFoundException":
        return {}
    message = f"ecr: images of {repository} could not be deleted: {error}"
    if code.startswith("AccessDenied"):
        raise RegistryForbidden(message, next_step="Allow ecr:BatchDeleteImage to this role.") from error
    if code.startswith(("Throttling", "TooManyRequests", "ServerException")):
        raise RegistryUnavailable(message) from error
    raise RegistryError(message) from error
