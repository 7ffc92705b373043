"""image.json against what is really here."""

from __future__ import annotations

import platform
import re
import sys
from importlib import metadata
from pathlib import Path

import pytest

pytestmark = [pytest.mark.unit, pytest.mark.gpu_0, pytest.mark.pre_merge, pytest.mark.nightly]

DISTRIBUTIONS = {"vllm": "vllm", "sglang": "sglang", "trtllm": "tensorrt-llm"}


def test_every_field_has_a_value(image):
    assert [name for name, value in image._asdict().items() if not value.strip()] in ([], ["torch_backend"])


def test_the_framework_is_known(image, dialect):
    assert image.framework in DISTRIBUTIONS
    assert dialect.metrics_path.endswith("/metrics")


def test_the_kind_of_engine_is_told(image):
    assert image.engine_kind in {"mock", "real"}


def test_the_engine_is_installed_in_the_version_named(image):
    name = "nightly-mock-engine" if image.is_mock else DISTRIBUTIONS[image.framework]
    assert metadata.version(name) == image.engine_version


def test_only_the_engine_of_that_kind_is_installed(image):
    other = DISTRIBUTIONS[image.framework] if image.is_mock else "nightly-mock-engine"
    with pytest.raises(metadata.PackageNotFoundError):
        metadata.version(other)


def test_the_platform_is_this_one(image):
    machines = {"x86_64": "linux/amd64", "aarch64": "linux/arm64"}
    assert image.platform == machines[platform.machine()]


def test_versions_look_like_versions(image):
    assert re.fullmatch(r"\d+(\.\d+)+[a-z0-9.+-]*", image.framework_version)
    assert re.fullmatch(r"\d{2}\.\d(\.\d)?", image.cuda_version)


def test_the_base_names_its_tag(image):
    assert re.fullmatch(r"\S+:[\w.-]+", image.base)


def test_the_torch_backend_is_that_of_the_cuda_version(image):
    if image.torch_backend not in {"", "index"}:
        assert image.torch_backend == "cu" + "".join(image.cuda_version.split(".")[:2])


def test_the_engine_was_installed_for_this_python():
    settings = dict(
        line.replace(" ", "").split("=", 1)
        for line in Path("/opt/engine/pyvenv.cfg").read_text().splitlines()
    )
    installed = settings.get("version_info") or settings["version"]
    assert installed.split(".")[:2] == [str(part) for part in sys.version_info[:2]]


@pytest.mark.engine_real
def test_the_framework_is_the_engine(image):
    assert image.framework_version == image.engine_version


@pytest.mark.engine_real
def test_torch_was_built_for_the_backend_named(image):
    if image.torch_backend not in {"", "index"}:
        assert metadata.version("torch").partition("+")[2] == image.torch_backend
