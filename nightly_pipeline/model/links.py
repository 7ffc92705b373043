"""Where a reader of a report can go on: artifacts, runs, the page."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import quote, urlsplit

_SCHEMES = frozenset({"", "http", "https", "file"})
_KEPT_IN_ADDRESSES = "/:?#@!$&'*+,;=%~"


def nowhere(_: str) -> None:
    """No address is known."""


@dataclass(frozen=True)
class Links:
    """Addresses for what a report names; None where there is none, and then no link is shown.

    Attributes:
        artifact: key in the artifact store -> address or path (a store's `location`).
        run: run id -> address of the run in the orchestrator's UI.
        page: address of the night's page.
        nights: address of the list of all nights.
    """

    artifact: Callable[[str], str | None] = nowhere
    run: Callable[[str], str | None] = nowhere
    page: str | None = None
    nights: str | None = None


NO_LINKS = Links()


def links_from(links: Links, folder: str) -> Links:
    """Links for a document that is itself kept in a folder of the artifact store.

    What has an address of the web keeps it. Everything else is led to from the document's own place, so that the links
    hold wherever the artifacts are served, copied to or opened.

    >>> links_from(Links(artifact=lambda key: f"/srv/{key}"), "2026-11-20/1f3a").artifact("2026-11-20/1f3a/vllm/log")
    'vllm/log'
    """
    return replace(links, artifact=lambda key: web_address(links.artifact(key)) or _from(folder, key))


def _from(folder: str, key: str) -> str:
    return quote(posixpath.relpath(key, folder))


def safe_address(address: str | None) -> str | None:
    """An address that is fit for a link, percent-encoded; None for schemes that lead to no document.

    >>> safe_address("http://127.0.0.1:3000/runs/1 2")
    'http://127.0.0.1:3000/runs/1%202'
    >>> safe_address("javascript:alert(1)") is None
    True
    """
    if not address:
        return None
    try:
        scheme = urlsplit(address).scheme.lower()
    except ValueError:
        return None
    return quote(address, safe=_KEPT_IN_ADDRESSES, errors="replace") if scheme in _SCHEMES else None


def web_address(address: str | None) -> str | None:
    """Like `safe_address`, for places that reach the web only (Slack): None for paths of this machine."""
    safe = safe_address(address)
    return safe if safe and safe.lower().startswith(("http://", "https://")) else None
