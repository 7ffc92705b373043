"""What tests of known-good images share: the tags and annotations that registries have of them."""

from __future__ import annotations

import json

from tests.fakes.registry import FakeRegistry

ARCHITECTURES = ("amd64", "arm64")
OLDER = "2026-11-19"
OLDER_RUN = "77aa00c2-0000-4000-8000-000000000000"
INDEX = "known-good-vllm"


def tags(server: FakeRegistry) -> dict[str, str]:
    named = server.repository("nightly").tags
    return {tag: digest for tag, digest in named.items() if tag.startswith("known-good")}


def annotations(server: FakeRegistry) -> dict[str, str]:
    repository = server.repository("nightly")
    return json.loads(repository.manifests[repository.tags[INDEX]][0])["annotations"]
