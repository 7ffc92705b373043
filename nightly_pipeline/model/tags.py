"""Tags, the names people use. Everything downstream of a build refers to digests instead."""

from __future__ import annotations

import re
from collections.abc import Iterable


def short_run_id(run_id: str) -> str:
    """The part of a run's id that tags and messages carry: its first eight characters."""
    return run_id[:8]


def nightly_tag(framework: str, arch: str) -> str:
    """The newest nightly of a cell (moves).

    >>> nightly_tag("vllm", "amd64")
    'nightly-vllm-amd64'
    """
    return f"nightly-{framework}-{arch}"


def run_tag(framework: str, arch: str, run_id: str) -> str:
    """One run's runtime image (never moves).

    >>> run_tag("vllm", "amd64", "1f3a9c02-5d1e-4a8e-9a57-2f1f0b6f9b1d")
    'nightly-vllm-amd64-run-1f3a9c02'
    """
    return f"{nightly_tag(framework, arch)}-run-{short_run_id(run_id)}"


def framework_tag(framework: str, arch: str) -> str:
    """The framework image, cache for the next build (moves).

    >>> framework_tag("vllm", "amd64")
    'main-vllm-framework-amd64'
    """
    return f"main-{framework}-framework-{arch}"


def framework_run_tag(framework: str, arch: str, run_id: str) -> str:
    """One run's framework image (never moves): what is pushed first, before the moving tag."""
    return f"{framework_tag(framework, arch)}-run-{short_run_id(run_id)}"


def index_tag(framework: str) -> str:
    """The newest multi-arch nightly of a framework (moves)."""
    return f"nightly-{framework}"


def index_run_tag(framework: str, run_id: str) -> str:
    """One run's multi-arch index (never moves)."""
    return f"{index_tag(framework)}-run-{short_run_id(run_id)}"


def known_good_tag(framework: str, arch: str | None = None) -> str:
    """What was tested and found good last: of one cell, or of every architecture (moves).

    >>> known_good_tag("vllm", "arm64"), known_good_tag("vllm")
    ('known-good-vllm-arm64', 'known-good-vllm')
    """
    return f"known-good-{framework}-{arch}" if arch else f"known-good-{framework}"


def known_good_run_tag(framework: str, run_id: str) -> str:
    """The multi-arch index that was promoted from one run: what a moved `known-good` still goes by."""
    return f"{known_good_tag(framework)}-run-{short_run_id(run_id)}"


def search_tag(framework: str, arch: str, search: str, commit: str) -> str:
    """The runtime image that a search for a bad commit built of one commit (never moves).

    >>> search_tag("vllm", "amd64", "0f3a9c025d1e", "c95dbe7d7c28a0b1c2d3")
    'bisect-vllm-amd64-0f3a9c025d1e-c95dbe7d7c28'
    """
    return f"bisect-{framework}-{arch}-{search}-{commit[:12]}"


def framework_of_run_tag(tag: str, frameworks: Iterable[str], architectures: Iterable[str]) -> str | None:
    """The framework whose run or search a tag is of; None for one that moves, or that none of ours is spelled like.

    >>> framework_of_run_tag("nightly-vllm-amd64-run-1f3a9c02", ["vllm"], ["amd64"])
    'vllm'
    >>> framework_of_run_tag("nightly-vllm-amd64", ["vllm"], ["amd64"])
    """
    archs = "|".join(map(re.escape, architectures))
    for framework in frameworks:
        name = re.escape(framework)
        stems = f"(nightly|known-good)-{name}(-({archs}))?|main-{name}-framework-({archs})"
        search = f"bisect-{name}-({archs})-[0-9a-f]{{12}}-[0-9a-f]{{12}}"
        if re.fullmatch(f"({stems})-run-[0-9a-f]{{8}}|{search}", tag):
            return framework
    return None


def cache_tag(framework: str, arch: str, kind: str) -> str:
    """The layer cache of one image, in the cache repository."""
    return f"{framework}-{kind}-{arch}"
