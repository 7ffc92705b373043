"""What is said about a profile that is wrong: the field, what is allowed, what was probably meant."""

from __future__ import annotations

import pytest

from tests.unit.own_profile import refusal

TOKEN, WEBHOOK = "xoxb-1234567890-secret", "https://hooks.example.org/services/T000/B000/secret"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("engine: mok", "engine: Input should be 'mock' or 'real' (given: 'mok'); perhaps you meant 'mock'"),
        (
            "primry: ecr",
            "primry: unknown field 'primry'; perhaps you meant 'primary'. Allowed: extends, table,",
        ),
        ("primary: ecs", "primary: unknown registry 'ecs'; perhaps you meant 'ecr'. Allowed: ecr, acr"),
        (
            "build: {compresion: zstd}",
            "build.compresion: unknown field 'compresion'; perhaps you meant 'compression'",
        ),
        ("build: {compression: gzp}", "'gzip' or 'zstd' (given: 'gzp'); perhaps you meant 'gzip'"),
        (
            "build: {compression_level: 99}",
            "build.compression_level: Input should be less than or equal to 22",
        ),
        (
            "registries: {ecr: {kind: erc}}",
            "registries.ecr.kind: Input should be 'oci', 'ecr' or 'acr' (given: 'erc')",
        ),
        ("registries: {ecr: {host: 'https://x'}}", "registries.ecr.host: String should match pattern"),
        (
            "registries: {ecr: {repository: Nightly}}",
            "registries.ecr.repository: String should match pattern",
        ),
        (
            "registries: {ecr: {images: [runtime]}}",
            "registries.ecr.images: builds push to the primary registry; add framework",
        ),
        (
            "registries: {ecr: {images: [runtme]}}",
            "registries.ecr.images.0: Input should be 'framework' or 'runtime'",
        ),
        ("registries: null", "registries: Field required"),
        ("registries: {ecr: null, acr: null}", "registries: Dictionary should have at least 1 item"),
        ("source: {ref: ''}", "source.ref: String should have at least 1 character"),
        (
            "build: {compression_level: -1}",
            "build.compression_level: Input should be greater than or equal to 0",
        ),
        ("source: main", "source: Input should be a valid dictionary"),
        ("go_live: 2026-13-01", "go_live: Input should be a valid date"),
        ("go_live: today", "go_live: Input should be a valid date"),
        ("artifacts_days: 0", "artifacts_days: Input should be greater than 0 (given: 0)"),
        ("tests: {memory_gb: -1}", "tests.memory_gb: Input should be greater than 0 (given: -1)"),
        ("base: {image: x, tag: 'python:3'}", "base.tag: 'python:3' is no image tag"),
        ("table: [vllm]", "table: Input should be a valid dictionary"),
        (
            "table: {framework: {}}",
            "table.framework: unknown field 'framework'; perhaps you meant 'frameworks'",
        ),
        (
            "table: {frameworks: {vllm: {vesion: 1}}}",
            "table.frameworks.vllm.vesion: unknown field 'vesion'; perhaps you meant 'version'",
        ),
        (
            "table: {frameworks: {vlm: {version: x}}}",
            "table.frameworks.vlm.title: Field required; perhaps you meant 'vllm'",
        ),
        (
            "table: {frameworks: {vLLM: {title: x}}}",
            "table.frameworks.vLLM: 'vLLM' must be lower-case letters",
        ),
        (
            "table: {frameworks: {vllm: {version: 1.2}}}",
            "table.frameworks.vllm.version: Input should be a valid string (given: 1.2)",
        ),
        ("table: {frameworks: {vllm: {cuda_version: 12.x}}}", "'12.x' is no CUDA version; write it as 12.9"),
        (
            "table: {frameworks: {vllm: {overrides: {arm46: {}}}}}",
            "unknown architecture 'arm46'; perhaps you meant 'arm64'",
        ),
        (
            "table: {frameworks: {vllm: {base: {tagg: x}}}}",
            "table.frameworks.vllm.base.tagg: unknown field 'tagg'; perhaps you meant 'tag'",
        ),
        (
            "table: {architectures: {arm64: {tests: colect}}}",
            "'run' or 'collect' (given: 'colect'); perhaps you meant 'collect'",
        ),
        (
            "table: {stages: {unit: {runner: gpu-l40-amd}}}",
            "table: stages.unit.runner: unknown runner 'gpu-l40-amd'; perhaps you meant 'gpu-l40-amd64'",
        ),
        (
            "table: {stages: {unit: {timeout_minutes: 45m}}}",
            "table.stages.unit.timeout_minutes: Input should be a valid number",
        ),
        (
            "table: {runners: {gpu-l40-amd64: {slot: 1}}}",
            "table.runners.gpu-l40-amd64.slot: unknown field 'slot'; perhaps you meant 'slots'",
        ),
        ("7: x", "7: Keys should be strings"),
    ],
)
def test_a_field_that_is_wrong_is_named_with_what_is_allowed(tmp_path, text, said):
    assert said in refusal(tmp_path, f"{text}\n")


def test_everything_that_is_wrong_is_said_at_once(tmp_path):
    said = refusal(tmp_path, "engine: mok\nartifacts_days: 0\n")

    assert "engine: " in said
    assert "artifacts_days: " in said


def test_a_row_named_like_a_field_is_explained_as_a_row(tmp_path):
    said = refusal(tmp_path, "table: {frameworks: {base: {vesion: 1}}}\n")

    assert "table.frameworks.base.vesion: unknown field 'vesion'; perhaps you meant 'version'" in said


def test_a_field_that_is_set_elsewhere_is_not_offered(tmp_path):
    allowed = refusal(tmp_path, "prfile: x\n").partition("Allowed: ")[2].split(", ")

    assert not {"profile", "root", "home", "environment"}.intersection(allowed)


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("home: /data", "home cannot be set in a profile; set NIGHTLY_HOME"),
        ("root: /data", "root cannot be set in a profile"),
        ("profile: x", "profile cannot be set in a profile"),
        (
            "environment: {HF_TOKEN: x}",
            "environment cannot be set in a profile; stages name what they pass on",
        ),
        (f"slack: {{token: {TOKEN}}}", "set SLACK_BOT_TOKEN"),
        (f"slack: {{webhook: '{WEBHOOK}'}}", "set SLACK_WEBHOOK_URL"),
    ],
)
def test_what_does_not_belong_in_a_profile_is_refused_with_its_place(tmp_path, text, instead):
    said = refusal(tmp_path, f"{text}\n")

    assert instead in said
    assert TOKEN not in said
    assert WEBHOOK not in said
