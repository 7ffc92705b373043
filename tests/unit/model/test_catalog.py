"""The table of the night: what it accepts, and what it says about what it does not."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from nightly_pipeline.model.catalog import OWN_BUILD_ARGUMENTS, ArchitectureOverride, Catalog
from nightly_pipeline.profile_files import shipped_table

SHIPPED = shipped_table()


def table(path: str = "", value: Any = None) -> dict[str, Any]:
    """The shipped table with one value changed."""
    document = copy.deepcopy(SHIPPED)
    *sections, field = path.split(".")
    row = document
    for section in sections:
        row = row[section]
    if field:
        row[field] = value
    return document


def refusal(path: str, value: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        Catalog.model_validate(table(path, value))
    return str(refused.value)


def test_the_shipped_table_is_valid():
    catalog = Catalog.model_validate(table())

    assert list(catalog.frameworks) == ["vllm", "sglang", "trtllm"]
    assert list(catalog.architectures) == ["amd64", "arm64"]
    assert list(catalog.stages) == ["unit", "integration", "e2e_single_gpu", "e2e_multi_gpu"]


def test_a_framework_is_added_by_a_row():
    row = {**SHIPPED["frameworks"]["sglang"], "title": "LMDeploy", "dockerfile": "docker/lmdeploy/Dockerfile"}

    catalog = Catalog.model_validate(table("frameworks.lmdeploy", row))

    assert list(catalog.frameworks)[-1] == "lmdeploy"


def test_an_architecture_is_added_by_a_row():
    row = {"platform": "linux/riscv64", "tests": "run", "build_runner": "cpu-amd-m5-4xlarge"}

    assert Catalog.model_validate(table("architectures.riscv64", row)).architectures["riscv64"].tests == "run"


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("12.9", "12.9"),
        ("129", "12.9"),
        (129, "12.9"),
        (12.9, "12.9"),
        ("130", "13.0"),
        (13.0, "13.0"),
        ("12.8.1", "12.8.1"),
    ],
)
def test_both_spellings_of_a_cuda_version_are_stored_as_one(written, stored):
    assert ArchitectureOverride(cuda_version=written).cuda_version == stored
    row = Catalog.model_validate(table("frameworks.vllm.cuda_version", written)).frameworks["vllm"]
    assert row.cuda_version == stored


@given(major=st.integers(10, 99), minor=st.integers(0, 9))
def test_the_two_spellings_mean_the_same(major, minor):
    dotted = ArchitectureOverride(cuda_version=f"{major}.{minor}")

    assert dotted == ArchitectureOverride(cuda_version=f"{major}{minor}")
    assert dotted == ArchitectureOverride(cuda_version=int(f"{major}{minor}"))
    assert dotted.cuda_version == f"{major}.{minor}"


@pytest.mark.parametrize(
    "value", ["", "cu129", "12,9", "1", "12.", "1290", "12.9-devel", "latest", True, None]
)
def test_what_is_no_cuda_version_is_refused(value):
    assert "write it as 12.9 (129 is accepted too)" in refusal("frameworks.vllm.cuda_version", value)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (
            "stages.unit.runner",
            "gpu-l40-amd",
            "unknown runner 'gpu-l40-amd'; perhaps you meant 'gpu-l40-amd64'",
        ),
        ("architectures.amd64.build_runner", "cpu", "architectures.amd64.build_runner: unknown runner 'cpu'"),
        (
            "architectures.arm64.collect_runner",
            "cpu",
            "architectures.arm64.collect_runner: unknown runner 'cpu'",
        ),
        ("frameworks.vllm.overrides.arm46", {}, "unknown architecture 'arm46'; perhaps you meant 'arm64'"),
    ],
)
def test_a_name_that_is_no_row_is_refused_with_the_nearest_one(path, value, said):
    message = refusal(path, value)

    assert said in message
    assert "Allowed: " in message


def test_every_name_that_is_no_row_is_named_at_once():
    document = table("stages.unit.runner", "one")
    document["stages"]["integration"]["runner"] = "two"

    with pytest.raises(ValidationError, match=r"(?s)stages\.unit\.runner.*stages\.integration\.runner"):
        Catalog.model_validate(document)


@pytest.mark.parametrize("name", ["vLLM", "trt-llm", "8bit", "", "a b", "a/b", "../x"])
@pytest.mark.parametrize("section", ["frameworks", "architectures", "stages"])
def test_a_name_that_would_not_fit_tags_and_keys_is_refused(section, name):
    row = next(iter(SHIPPED[section].values()))

    assert "must be lower-case letters, digits and underscores" in refusal(section, {name: row})


@pytest.mark.parametrize("section", ["frameworks", "architectures", "stages", "runners"])
def test_a_table_without_rows_is_refused(section):
    assert section in refusal(section, {})


@pytest.mark.parametrize(
    "path",
    [
        "frameworks.vllm.vesion",
        "frameworks.vllm.base.image_tag",
        "frameworks.vllm.overrides.arm64.tag",
        "architectures.amd64.arch",
        "stages.unit.timeout",
        "runners.gpu-l40-amd64.gpu",
    ],
)
def test_a_field_nobody_reads_is_refused(path):
    assert "Extra inputs are not permitted" in refusal(path, "x")


@pytest.mark.parametrize("value", ["../elsewhere", "/etc/passwd", "docker/../../x"])
@pytest.mark.parametrize("path", ["frameworks.vllm.dockerfile", "frameworks.vllm.context"])
def test_a_path_out_of_the_repository_is_refused(path, value):
    assert "must be a path inside the repository" in refusal(path, value)


def test_a_base_without_a_name_is_refused():
    assert "frameworks.vllm.base.image" in refusal("frameworks.vllm.base.image", "")


@pytest.mark.parametrize("value", ["", "a b", ".hidden", "a:b", "x" * 129, "ubuntu\n"])
def test_what_is_no_tag_is_refused(value):
    assert "is no image tag" in refusal("frameworks.vllm.base.tag", value)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("stages.unit.timeout_minutes", 0),
        ("stages.unit.collect_timeout_minutes", -1),
        ("stages.unit.gpus", -1),
        ("stages.unit.shm_gb", 0),
        ("runners.gpu-l40-amd64.slots", 0),
        ("runners.gpu-l40-amd64.memory_gb", 0),
        ("frameworks.vllm.build_timeout_minutes", 0),
    ],
)
def test_a_number_that_makes_no_sense_is_refused(path, value):
    assert "Input should be greater than" in refusal(path, value)


@pytest.mark.parametrize(
    "value", ["amd64", "windows/amd64", "linux/amd64/", "linux/AMD64", "linux/amd64,linux/arm64"]
)
def test_what_is_no_single_linux_platform_is_refused(value):
    assert "architectures.amd64.platform" in refusal("architectures.amd64.platform", value)


@pytest.mark.parametrize("value", ["linux/arm/v7", "linux/s390x"])
def test_other_platforms_are_accepted(value):
    assert Catalog.model_validate(table("architectures.amd64.platform", value))


def test_a_dry_run_needs_a_runner_of_its_own():
    document = table()
    del document["architectures"]["arm64"]["collect_runner"]

    with pytest.raises(ValidationError, match="collect_runner is needed where tests is 'collect'"):
        Catalog.model_validate(document)


@pytest.mark.parametrize(
    ("markers", "strange"),
    [
        ("{framewrk} and e2e", "{framewrk}"),
        ("{} and e2e", "{}"),
        ("{framework and e2e", "{framework and e2e"),
        ("e2e}", "}"),
    ],
)
def test_a_placeholder_that_nobody_fills_is_refused(markers, strange):
    assert f"{strange!r} is no placeholder; the only one is '{{framework}}'" in refusal(
        "stages.unit.markers", markers
    )


@pytest.mark.parametrize("argument", sorted(OWN_BUILD_ARGUMENTS))
def test_a_row_cannot_make_its_images_lie(argument):
    assert f"{argument} cannot be set here" in refusal("frameworks.vllm.build_args", {argument: "real"})


def test_a_table_cannot_be_changed_afterwards():
    catalog = Catalog.model_validate(table())

    with pytest.raises(ValidationError, match="frozen"):
        catalog.stages = {}
