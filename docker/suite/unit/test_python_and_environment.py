"""The Python that everything runs with, and what processes inherit."""

from __future__ import annotations

import locale
import os
import re
import shutil
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import pytest

pytestmark = [pytest.mark.unit, pytest.mark.gpu_0, pytest.mark.pre_merge, pytest.mark.nightly]


def test_python3_is_the_engines():
    assert shutil.which("python3") == "/opt/engine/bin/python3"
    assert sys.prefix == "/opt/engine"


def test_python_is_new_enough():
    assert sys.version_info >= (3, 11)


@pytest.mark.parametrize(
    "module", ["ssl", "zlib", "hashlib", "ctypes", "multiprocessing.shared_memory", "asyncio"]
)
def test_the_standard_library_is_complete(module):
    """In a fresh process: the mere import of some of these warns or starts helpers."""
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True, timeout=30)


def test_text_is_utf_8():
    assert sys.getfilesystemencoding() == "utf-8"
    assert locale.getpreferredencoding(do_setlocale=False).lower() == "utf-8"


def test_the_time_zone_is_utc():
    assert (time.timezone, time.daylight) == (0, 0)


def test_time_zones_are_known():
    from zoneinfo import ZoneInfo  # noqa: PLC0415

    assert ZoneInfo("America/Los_Angeles").key == "America/Los_Angeles"


def test_certificates_of_public_authorities_are_there():
    import ssl  # noqa: PLC0415

    assert ssl.create_default_context().cert_store_stats()["x509_ca"] > 50


def test_the_environment_names_no_package_index():
    settings = re.compile(r"(PIP|UV)_.*(INDEX|CERT|LINKS)|.*_PROXY", re.IGNORECASE)
    assert [name for name in os.environ if settings.fullmatch(name)] == []


def test_the_environment_carries_no_secret_but_the_hubs():
    suspicious = re.compile(r".*(PASSWORD|SECRET|TOKEN|API_?KEY).*", re.IGNORECASE)
    assert [name for name in os.environ if suspicious.fullmatch(name) and name != "HF_TOKEN"] == []


def test_telemetry_is_off():
    assert os.environ["DO_NOT_TRACK"] == "1"
    assert os.environ["HF_HUB_DISABLE_TELEMETRY"] == "1"


def test_what_the_engine_requires_is_installed(image):
    """Names only: which versions fit was the installer's matter, but a wheel may have been dropped since."""
    from packaging.requirements import Requirement  # noqa: PLC0415

    name = {"vllm": "vllm", "sglang": "sglang", "trtllm": "tensorrt-llm"}[image.framework]
    requirements = map(Requirement, metadata.requires("nightly-mock-engine" if image.is_mock else name) or [])
    needed = [
        each.name for each in requirements if each.marker is None or each.marker.evaluate({"extra": ""})
    ]
    assert [each for each in needed if not _installed(each)] == []


def _installed(name):
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def test_the_suites_packages_do_not_hide_the_engines():
    engine, suite = (
        next(index for index, path in enumerate(sys.path) if Path(path).resolve() == Path(place).resolve())
        for place in (f"/opt/engine/lib/python3.{sys.version_info[1]}/site-packages", "/opt/suite-packages")
    )
    assert engine < suite


@pytest.mark.engine_real
@pytest.mark.parametrize("program", ["gcc", "ld"])
def test_kernels_can_be_compiled_while_serving(program):
    assert shutil.which(program), "Triton and torch.compile build launchers while the engine serves"


@pytest.mark.engine_real
def test_pythons_headers_are_there():
    import sysconfig  # noqa: PLC0415

    assert Path(sysconfig.get_path("include"), "Python.h").is_file()
