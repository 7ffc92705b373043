"""What the image says it is."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import NamedTuple

_IMAGE_FILE = "/etc/nightly/image.json"
_DEFAULT_MODEL = "Qwen/Qwen3-0.6B"


class Image(NamedTuple):
    """The fields of image.json; all text."""

    framework: str
    framework_version: str
    engine_kind: str
    engine_version: str
    cuda_version: str
    torch_backend: str
    platform: str
    base: str

    @property
    def is_mock(self) -> bool:
        """Whether a mock engine stands in for the real one."""
        return self.engine_kind == "mock"


def load() -> Image:
    """Read image.json (NIGHTLY_IMAGE_FILE names another). Raises OSError, ValueError, TypeError."""
    with open(os.environ.get("NIGHTLY_IMAGE_FILE", _IMAGE_FILE), encoding="utf-8") as file:  # noqa: PTH123
        fields = json.load(file)
    return Image(**fields)


def labels() -> Mapping[str, str]:
    """Return the labels of this image, which the starter of the tests passes as a JSON object.

    Raises ValueError, TypeError.
    """
    text = os.environ.get("NIGHTLY_IMAGE_LABELS")
    if not text:
        raise ValueError("NIGHTLY_IMAGE_LABELS is not set: the labels of the image under test are unknown")
    value = json.loads(text)
    if not isinstance(value, dict):
        raise TypeError("NIGHTLY_IMAGE_LABELS is not a JSON object")
    return value


def model() -> str:
    """Return the model that the servers under test serve."""
    return os.environ.get("NIGHTLY_TEST_MODEL") or _DEFAULT_MODEL
