"""The labels that registries show against image.json: they are written by two hands."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

pytestmark = [pytest.mark.unit, pytest.mark.gpu_0, pytest.mark.post_merge, pytest.mark.nightly]


@pytest.mark.parametrize(
    ("label", "field"),
    [
        ("org.opencontainers.image.version", "framework_version"),
        ("io.nightly.framework", "framework"),
        ("io.nightly.framework-version", "framework_version"),
        ("io.nightly.engine", "engine_kind"),
        ("io.nightly.engine-version", "engine_version"),
        ("io.nightly.cuda-version", "cuda_version"),
    ],
)
def test_label_and_image_file_agree(labels, image, label, field):
    assert labels.get(label) == getattr(image, field)


def test_label_and_image_file_agree_on_the_base(labels, image):
    """The file has what the build was given, which may be pinned to a digest; of labels each has its part."""
    name, digest = (labels.get(f"org.opencontainers.image.base.{part}") for part in ("name", "digest"))
    assert image.base in {name, f"{name}@{digest}"}


@pytest.mark.parametrize(
    ("label", "pattern"),
    [
        ("org.opencontainers.image.title", r"\S.*"),
        ("org.opencontainers.image.description", r"\S.*"),
        ("org.opencontainers.image.revision", r"[0-9a-f]{40}([0-9a-f]{24})?(-dirty\.[0-9a-f]{8})?"),
        ("org.opencontainers.image.source", r"\S+"),
        ("org.opencontainers.image.base.digest", r"sha256:[0-9a-f]{64}"),
        ("io.nightly.run-id", r"[A-Za-z0-9][A-Za-z0-9._-]*"),
    ],
)
def test_label_is_well_formed(labels, label, pattern):
    assert re.fullmatch(pattern, labels.get(label, "")), f"{label} is {labels.get(label)!r}"


def test_the_image_was_created_in_the_past(labels):
    created = datetime.fromisoformat(labels["org.opencontainers.image.created"])
    assert created.tzinfo is not None, "no time zone is given"
    assert datetime(2020, 1, 1, tzinfo=UTC) < created < datetime.now(UTC) + timedelta(minutes=5)


@pytest.mark.engine_mock
def test_the_description_says_mock(labels):
    assert "mock" in labels["org.opencontainers.image.description"]


def test_no_label_carries_a_secret(labels):
    suspicious = re.compile(r"(password|passwd|secret|token|api.?key)", re.IGNORECASE)
    assert [
        name for name, value in labels.items() if suspicious.search(name) or ("://" in value and "@" in value)
    ] == []
