"""Tags, the names people use. Everything downstream of a build refers to digests instead."""

from __future__ import annotations


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


def cache_tag(framework: str, arch: str, kind: str) -> str:
    """The layer cache of one image, in the cache repository."""
    return f"{framework}-{kind}-{arch}"
