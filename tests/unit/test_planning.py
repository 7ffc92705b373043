"""The plan of the night: the shipped tables, row by row, and what changes them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightly_pipeline.model.catalog import OWN_BUILD_ARGUMENTS
from nightly_pipeline.model.plan import Plan, PlannedImage, PlannedStage
from nightly_pipeline.model.selection import select
from nightly_pipeline.planning import make_plan
from nightly_pipeline.settings import Settings, load_settings
from tests.unit.own_profile import load

ROOT = Path("/project")
LOCAL, LOCAL_REAL, PRODUCTION = (
    load_settings(name, environment={}, root=ROOT) for name in ("local", "local-real", "production")
)
FRAMEWORKS, ARCHITECTURES = ("vllm", "sglang", "trtllm"), ("amd64", "arm64")
STAGES = ("unit", "integration", "e2e_single_gpu", "e2e_multi_gpu")
CELLS = [(framework, arch) for framework in FRAMEWORKS for arch in ARCHITECTURES]
CUDA, DL = "nvcr.io/nvidia/cuda", "nvcr.io/nvidia/cuda-dl-base"


def image(framework: str, arch: str, kind: str = "runtime", settings: Settings = PRODUCTION) -> PlannedImage:
    images = make_plan(settings).images
    return next(one for one in images if (one.framework, one.arch, one.kind) == (framework, arch, kind))


def stage(framework: str, arch: str, name: str, settings: Settings = PRODUCTION) -> PlannedStage:
    stages = make_plan(settings).stages
    return next(one for one in stages if (one.framework, one.arch, one.stage) == (framework, arch, name))


# --- images


@pytest.mark.parametrize(
    ("framework", "arch", "base", "runtime", "cuda", "backend"),
    [
        (
            "vllm",
            "amd64",
            f"{DL}:25.04-cuda12.9-devel-ubuntu24.04",
            f"{CUDA}:12.9.0-runtime-ubuntu24.04",
            "12.9",
            "cu129",
        ),
        (
            "vllm",
            "arm64",
            f"{DL}:25.06-cuda12.9-devel-ubuntu24.04",
            f"{CUDA}:12.9.0-runtime-ubuntu24.04",
            "12.9",
            "cu129",
        ),
        (
            "trtllm",
            "amd64",
            "nvcr.io/nvidia/pytorch:25.10-py3",
            "nvcr.io/nvidia/pytorch:25.10-py3",
            "13.0",
            "cu130",
        ),
        (
            "trtllm",
            "arm64",
            "nvcr.io/nvidia/pytorch:25.06-py3",
            "nvcr.io/nvidia/pytorch:25.06-py3",
            "12.9",
            "cu129",
        ),
        (
            "sglang",
            "amd64",
            f"{DL}:25.01-cuda12.8-devel-ubuntu24.04",
            f"{DL}:25.01-cuda12.8-devel-ubuntu24.04",
            "12.8",
            "cu128",
        ),
        (
            "sglang",
            "arm64",
            f"{DL}:25.01-cuda12.8-devel-ubuntu24.04",
            f"{DL}:25.01-cuda12.8-devel-ubuntu24.04",
            "12.8",
            "cu128",
        ),
    ],
)
@pytest.mark.parametrize("kind", ["framework", "runtime"])
def test_bases_cuda_and_torch_backend_of_every_cell(framework, arch, base, runtime, cuda, backend, kind):  # noqa: PLR0913, PLR0917
    arguments = image(framework, arch, kind).build_args

    assert f"{arguments['BASE_IMAGE']}:{arguments['BASE_IMAGE_TAG']}" == base
    assert f"{arguments['RUNTIME_IMAGE']}:{arguments['RUNTIME_IMAGE_TAG']}" == runtime
    assert (arguments["CUDA_VERSION"], arguments["TORCH_BACKEND"]) == (cuda, backend)


@pytest.mark.parametrize(("framework", "arch"), CELLS)
def test_both_images_of_a_cell_with_their_tags_registries_and_runner(framework, arch):
    runner = {"amd64": "cpu-amd-m5-4xlarge", "arm64": "cpu-arm-r8g-4xlarge"}[arch]
    of_framework, runtime = image(framework, arch, "framework"), image(framework, arch, "runtime")

    assert of_framework.moving_tag == f"main-{framework}-framework-{arch}"
    assert runtime.moving_tag == f"nightly-{framework}-{arch}"
    assert (of_framework.registries, runtime.registries) == (("ecr",), ("ecr", "acr"))
    assert of_framework.cache_tag != runtime.cache_tag
    for one in (of_framework, runtime):
        assert (one.runner, one.platform) == (runner, f"linux/{arch}")
        assert (one.dockerfile, one.context) == (f"docker/{framework}/Dockerfile", "docker")
        assert one.build_args == of_framework.build_args


def test_no_two_images_share_a_tag_or_a_cache():
    images = make_plan(PRODUCTION).images

    assert len({one.moving_tag for one in images}) == len(images) == 12
    assert len({one.cache_tag for one in images}) == 12


@pytest.mark.parametrize("settings", [LOCAL, LOCAL_REAL, PRODUCTION], ids=lambda settings: settings.profile)
def test_every_image_gets_exactly_the_arguments_no_row_may_set(settings):
    for one in make_plan(settings).images:
        assert set(one.build_args) == OWN_BUILD_ARGUMENTS


@pytest.mark.parametrize(
    ("settings", "kind", "requirement", "version"),
    [
        (LOCAL, "mock", "./mock_engine", LOCAL.mock_engine.version),
        (LOCAL_REAL, "real", "vllm==0.32.0", "0.32.0"),
        (PRODUCTION, "real", "vllm==0.32.0", "0.32.0"),
    ],
    ids=["local", "local-real", "production"],
)
def test_the_engine_of_a_profile_is_the_one_that_is_built(settings, kind, requirement, version):
    one = image("vllm", "amd64", settings=settings)
    arguments = one.build_args

    assert (arguments["ENGINE_KIND"], arguments["ENGINE_REQUIREMENT"]) == (kind, requirement)
    assert (arguments["ENGINE_VERSION"], arguments["FRAMEWORK_VERSION"]) == (version, "0.32.0")
    assert (one.engine.kind, one.engine.name, one.engine.version) == (kind, "vllm", version)
    assert make_plan(settings).engine == kind


@pytest.mark.parametrize(("framework", "arch"), CELLS)
@pytest.mark.parametrize("settings", [LOCAL, LOCAL_REAL], ids=lambda settings: settings.profile)
def test_the_local_profiles_start_from_one_base_of_their_own(settings, framework, arch):
    arguments = image(framework, arch, settings=settings).build_args

    assert (arguments["BASE_IMAGE"], arguments["BASE_IMAGE_TAG"]) == (settings.base.image, settings.base.tag)
    assert (arguments["RUNTIME_IMAGE"], arguments["RUNTIME_IMAGE_TAG"]) == (
        settings.base.image,
        settings.base.tag,
    )


def test_a_runtime_tag_of_an_architecture_counts_without_a_runtime_base_too(tmp_path):
    text = "table: {frameworks: {sglang: {overrides: {arm64: {runtime_tag: other}}}}}\nbase: null\n"
    settings = load(tmp_path, text)

    assert image("sglang", "arm64", settings=settings).build_args["RUNTIME_IMAGE_TAG"] == "other"
    assert image("sglang", "amd64", settings=settings).build_args["RUNTIME_IMAGE_TAG"] != "other"
    assert image("sglang", "arm64", settings=settings).build_args["BASE_IMAGE_TAG"] != "other"


def test_an_override_may_be_empty_and_still_overrides(tmp_path):
    settings = load(tmp_path, "table: {frameworks: {vllm: {overrides: {arm64: {torch_backend: ''}}}}}\n")

    assert image("vllm", "arm64", settings=settings).build_args["TORCH_BACKEND"] == ""
    assert image("vllm", "amd64", settings=settings).build_args["TORCH_BACKEND"] == "cu129"


def test_a_row_may_add_arguments_of_its_own(tmp_path):
    settings = load(tmp_path, "table: {frameworks: {vllm: {build_args: {MAX_JOBS: '4'}}}}\n")

    assert image("vllm", "amd64", settings=settings).build_args["MAX_JOBS"] == "4"
    assert "MAX_JOBS" not in image("sglang", "amd64", settings=settings).build_args


# --- stages


@pytest.mark.parametrize(
    ("name", "minutes", "markers", "gpus"),
    [
        ("unit", 45, "unit and (nightly or post_merge or pre_merge)", 1),
        ("integration", 90, "integration and (nightly or post_merge or pre_merge)", 1),
        ("e2e_single_gpu", 120, "{framework} and e2e and gpu_1", 1),
        ("e2e_multi_gpu", 150, "(nightly or post_merge or pre_merge) and e2e and gpu_2", 2),
    ],
)
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_every_stage_with_its_timeout_markers_runner_and_gpus(framework, name, minutes, markers, gpus):
    amd64, arm64 = stage(framework, "amd64", name), stage(framework, "arm64", name)
    expected = markers.replace("{framework}", framework)

    assert (amd64.mode, arm64.mode) == ("run", "collect")
    assert amd64.timeout_s == minutes * 60
    assert (amd64.markers, arm64.markers) == (expected, expected)
    assert (amd64.runner, arm64.runner) == ("gpu-l40-amd64", "cpu-arm-r8g-4xlarge")
    assert (amd64.gpus, arm64.gpus) == (gpus, 0)


def test_a_dry_run_has_a_deadline_of_its_own(tmp_path):
    settings = load(tmp_path, "table: {stages: {unit: {collect_timeout_minutes: 2.5}}}\n")

    assert stage("vllm", "arm64", "unit", settings).timeout_s == 150
    assert stage("vllm", "amd64", "unit", settings).timeout_s == 2700


def test_a_mock_engine_asks_for_no_gpu_and_a_real_one_does():
    assert {one.gpus for one in make_plan(LOCAL).stages} == {0}
    assert stage("vllm", "amd64", "unit", LOCAL_REAL).gpus == 0
    assert stage("vllm", "amd64", "e2e_multi_gpu", LOCAL_REAL).gpus == 2


def test_only_the_stages_that_load_models_are_passed_the_token():
    passing = {one.stage for one in make_plan(PRODUCTION).stages if one.pass_environment}

    assert passing == {"e2e_single_gpu", "e2e_multi_gpu"}
    assert stage("vllm", "amd64", "e2e_multi_gpu").pass_environment == ("HF_TOKEN",)


def test_the_model_is_named_to_every_stage_unless_the_row_says_another(tmp_path):
    text = "tests: {model: own/model}\ntable: {stages: {unit: {environment: {NIGHTLY_TEST_MODEL: other}}}}\n"
    settings = load(tmp_path, text)

    assert stage("vllm", "amd64", "integration", settings).environment == {"NIGHTLY_TEST_MODEL": "own/model"}
    assert stage("vllm", "amd64", "unit", settings).environment == {"NIGHTLY_TEST_MODEL": "other"}


def test_a_runners_daemon_is_that_of_all_its_steps(tmp_path):
    host = "ssh://builder@arm.example.org"
    settings = load(tmp_path, f"table: {{runners: {{cpu-arm-r8g-4xlarge: {{docker_host: '{host}'}}}}}}\n")
    plan = make_plan(settings)

    on_arm = {entry.key for entry in (*plan.images, *plan.stages) if entry.docker_host == host}
    assert on_arm == {entry.key for entry in (*plan.images, *plan.stages) if entry.arch == "arm64"}


# --- the whole


def test_the_whole_night():
    plan = make_plan(PRODUCTION)

    assert (len(plan.images), len(plan.publications), len(plan.indexes), len(plan.stages)) == (12, 6, 3, 24)
    assert not plan.partial
    assert len({entry.key for entry in plan.entries}) == 45


def test_an_index_joins_every_architecture():
    [index, *_] = make_plan(PRODUCTION).indexes

    assert (index.key, index.moving_tag) == (("vllm", "multi_arch_image"), "nightly-vllm")
    assert index.platforms == ("linux/amd64", "linux/arm64")
    assert index.registries == ("ecr", "acr")


@given(
    frameworks=st.sets(st.sampled_from(FRAMEWORKS), min_size=1),
    architectures=st.sets(st.sampled_from(ARCHITECTURES), min_size=1),
    stages=st.sets(st.sampled_from(STAGES), min_size=1),
)
def test_a_part_of_a_night_is_planned_as_it_is_in_the_whole(frameworks, architectures, stages):
    selection = select(PRODUCTION.table, frameworks=frameworks, architectures=architectures, stages=stages)
    whole, part = make_plan(PRODUCTION), make_plan(PRODUCTION, selection)

    assert all(entry in whole.entries for entry in part.entries)
    assert {one.stage for one in part.stages} == stages
    assert {(one.framework, one.arch) for one in part.images} == {
        (f, a) for f in frameworks for a in architectures
    }
    assert bool(part.indexes) == (len(architectures) == 2)
    assert part.partial == (part.entries != whole.entries)


@pytest.mark.parametrize("settings", [LOCAL, PRODUCTION], ids=lambda settings: settings.profile)
def test_everything_waits_for_something_that_comes_before_it(settings):
    before = {("source_revision",)}
    for entry in make_plan(settings).entries:
        assert entry.depends_on
        assert before.issuperset(entry.depends_on)
        before.add(entry.key)


def test_a_cell_waits_for_nothing_of_another():
    plan = make_plan(PRODUCTION)

    for entry in (*plan.images, *plan.publications, *plan.stages):
        waits_for = [key for key in entry.depends_on if key != ("source_revision",)]
        assert all(key[:2] == (entry.framework, entry.arch) for key in waits_for)


def test_stages_wait_for_their_image_and_not_for_each_other():
    assert {one.depends_on for one in make_plan(PRODUCTION).stages} == {
        ((framework, arch, "runtime_image"),) for framework, arch in CELLS
    }


def test_a_plan_is_the_same_every_time_and_is_read_back_unchanged():
    plan = make_plan(LOCAL)

    assert plan == make_plan(LOCAL)
    assert Plan.model_validate_json(plan.model_dump_json()) == plan


def test_a_login_in_the_address_of_the_source_is_not_part_of_the_plan(tmp_path):
    address = "https://robot:ghp_abcdef@example.org/team/project.git"
    settings = load(tmp_path, NIGHTLY_SOURCE_REPOSITORY=address)

    assert make_plan(settings).source_repository == "https://example.org/team/project.git"
    assert "ghp_abcdef" not in make_plan(settings).model_dump_json()


def test_another_profile_of_registries_puts_the_primary_first(tmp_path):
    settings = load(tmp_path, "primary: acr\nregistries: {acr: {images: [framework, runtime]}}\n")

    assert image("vllm", "amd64", "runtime", settings).registries == ("acr", "ecr")
    assert image("vllm", "amd64", "framework", settings).registries == ("acr", "ecr")
