"""The rules of the suite that is baked into the images: which tests an image runs, and which are refused."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest
from suite_support import selection
from suite_support.image import Image

IMAGE = Image("vllm", "0.32.0", "mock", "0.1.0", "12.9", "cu129", "linux/amd64", "base:1")
STAGES = {
    "unit": "unit and (nightly or post_merge or pre_merge)",
    "integration": "integration and (nightly or post_merge or pre_merge)",
    "e2e_single_gpu": "{framework} and e2e and gpu_1",
    "e2e_multi_gpu": "(nightly or post_merge or pre_merge) and e2e and gpu_2",
}
SOUND = {"unit", "gpu_0", "nightly"}


@pytest.mark.parametrize(
    ("names", "count"),
    [
        (SOUND, 0),
        (SOUND | {"pre_merge", "vllm", "engine_mock"}, 0),
        ({"e2e", "gpu_2", "nightly", "sglang"}, 0),
        (set(), 3),
        (SOUND - {"nightly"}, 1),
        (SOUND | {"integration"}, 1),
        (SOUND | {"gpu_1"}, 1),
        ({"e2e", "gpu_1", "nightly"}, 1),
        (SOUND | {"engine_mock", "engine_real"}, 1),
    ],
)
def test_marks_are_checked(names, count):
    assert len(selection.problems(names)) == count


@pytest.mark.parametrize(
    ("names", "applies"),
    [
        (set(), True),
        ({"vllm"}, True),
        ({"vllm", "sglang"}, True),
        ({"sglang"}, False),
        ({"engine_mock"}, True),
        ({"engine_real"}, False),
        ({"vllm", "engine_real"}, False),
    ],
)
def test_tests_about_other_images_are_left_out(names, applies):
    assert selection.applies(names, IMAGE) is applies


@pytest.fixture
def run(docker_folder, tmp_path):
    """Return a function that runs pytest as in an image, with the suite's rules and the tests in `source`."""

    def run(*arguments, source=None, image=IMAGE):
        suite = docker_folder / "suite"
        if source is not None:
            suite = shutil.copytree(
                suite, tmp_path / "suite", ignore=shutil.ignore_patterns("test_*", "__pycache__")
            )
            (suite / "unit" / "test_one.py").write_text(source)
        file = tmp_path / "image.json"
        file.write_text(json.dumps(image._asdict()) if isinstance(image, Image) else image)
        clean = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "NIGHTLY_"))
        }
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-q", *arguments, str(suite)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            cwd=tmp_path,
            env=clean | {"NIGHTLY_IMAGE_FILE": str(file), "PYTHONDONTWRITEBYTECODE": "1"},
        )

    return run


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_selects_tests(run, stage):
    result = run("--collect-only", "-m", STAGES[stage].format(framework=IMAGE.framework))
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(("framework", "kind"), [("sglang", "mock"), ("trtllm", "mock"), ("vllm", "real")])
def test_every_image_has_tests_of_every_level(run, framework, kind):
    result = run("--collect-only", image=IMAGE._replace(framework=framework, engine_kind=kind))
    assert result.returncode == 0, result.stdout + result.stderr
    for level in (
        "unit/",
        "integration/",
        "e2e/test_one_gpu.py",
        "e2e/test_own_flags.py",
        "e2e/test_two_gpus.py",
    ):
        assert level in result.stdout
    assert f"test_{framework}_" in result.stdout


def test_a_test_without_marks_is_a_collection_error(run):
    result = run(source="def test_lonely(): pass\n")
    assert result.returncode == 2
    assert "test_lonely: needs exactly one of unit, integration, e2e" in result.stdout


def test_an_unknown_mark_is_a_collection_error(run):
    result = run(source="import pytest\n\n@pytest.mark.nigthly\ndef test_typing(): pass\n")
    assert result.returncode == 2
    assert "nigthly" in result.stdout


GPU_TEST = """
import pytest

@pytest.mark.{level}
@pytest.mark.gpu_2
@pytest.mark.nightly
def test_gpus():
    pass
"""


def test_with_a_real_engine_a_test_fails_for_want_of_gpus(run):
    result = run(source=GPU_TEST.format(level="unit"), image=IMAGE._replace(engine_kind="real"))
    assert result.returncode == 1
    assert "it needs 2, the container has" in result.stdout


def test_with_a_mock_engine_no_gpu_is_needed(run):
    assert run(source=GPU_TEST.format(level="unit")).returncode == 0


def test_tests_of_another_framework_are_reported_as_deselected(run):
    result = run(source=GPU_TEST.format(level="unit").replace("gpu_2", "gpu_0\n@pytest.mark.sglang"))
    assert result.returncode == 5
    assert "1 deselected" in result.stdout


@pytest.mark.parametrize("image", ["", "[]", '{"framework": "vllm"}'])
def test_without_a_sound_image_file_nothing_runs(run, image):
    result = run(image=image)
    assert result.returncode == 4
    assert "image.json cannot be used" in result.stderr


def test_missing_labels_fail_the_tests_of_the_labels(run, docker_folder):
    source = (docker_folder / "suite" / "unit" / "test_labels.py").read_text()
    result = run(source=source)
    assert result.returncode == 1
    assert "NIGHTLY_IMAGE_LABELS is not set" in result.stdout
    assert "passed" not in result.stdout
