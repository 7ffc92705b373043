"""Builders of outcomes, reports and plans for tests: plausible defaults, nothing random.

>>> night(stages=[stage(status="failed", failures=[failure("tests/test_a.py::test_b")])]).status.value
'red'
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from nightly_pipeline.model.outcomes import (
    EngineFacts,
    ImageOutcome,
    PublicationOutcome,
    PublishedCopy,
    StageCounts,
    StageOutcome,
    TestFailure,
)
from nightly_pipeline.model.plan import Plan, PlannedImage, PlannedIndex, PlannedPublication, PlannedStage
from nightly_pipeline.model.report import Outcome, Report, RunFacts, RunState, key_of
from nightly_pipeline.model.tags import (
    cache_tag,
    framework_run_tag,
    framework_tag,
    index_run_tag,
    index_tag,
    nightly_tag,
    run_tag,
)
from nightly_pipeline.model.verdict import night_status

DATE = "2026-11-20"
RUN_ID = "1f3a9c02-5d1e-4a8e-9a57-2f1f0b6f9b1d"
REVISION = "9c1d5e0f7a3b42c8d6e4f1a0b2c3d4e5f6a7b8c9"
STARTED = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
FRAMEWORKS = ("vllm", "sglang", "trtllm")
ARCHITECTURES = ("amd64", "arm64")
STAGES = ("unit", "integration", "e2e_single_gpu", "e2e_multi_gpu")
MOCK = EngineFacts(kind="mock", name="mock-engine", version="0.1.0")
_BUILD_RUNNERS = {"amd64": "cpu-amd-m5-4xlarge", "arm64": "cpu-arm-r8g-4xlarge"}


def digest(*parts: str) -> str:
    """A digest that is the same for the same parts."""
    return "sha256:" + "".join(f"{ord(char):02x}" for char in "/".join(parts)).ljust(64, "0")[:64]


def failure(
    test: str = "tests/test_api.py::test_answers", message: str = "AssertionError: no", **fields: Any
) -> TestFailure:
    """One failing test."""
    return TestFailure(test=test, message=message, **fields)


def image(
    framework: str = "vllm", arch: str = "amd64", kind: str = "runtime", status: str = "built", **fields: Any
) -> ImageOutcome:
    """One image; a good one has digest, tags and size, a bad one has none of them."""
    defaults: dict[str, Any] = {
        "date": DATE,
        "run_id": RUN_ID,
        "runner": _BUILD_RUNNERS.get(arch, "cpu-other"),
    }
    if status in {"built", "reused"}:
        tags = (
            (framework_tag(framework, arch), framework_run_tag(framework, arch, RUN_ID))
            if kind == "framework"
            else (nightly_tag(framework, arch), run_tag(framework, arch, RUN_ID))
        )
        name = digest(framework, arch, kind)
        defaults |= {
            "digest": name,
            "reference": f"localhost:5000/nightly@{name}",
            "tags": tags,
            "size_bytes": 61_500_000,
            "duration_s": 83.0,
            "started_at": STARTED,
            "source_revision": REVISION,
            "engine": MOCK,
            "artifacts": artifacts(framework, arch, f"{kind}_image", "build.log", "metrics.json"),
        }
    return ImageOutcome(framework=framework, arch=arch, kind=kind, status=status, **(defaults | fields))


def stage(
    framework: str = "vllm",
    arch: str = "amd64",
    stage: str = "unit",
    status: str | None = None,
    **fields: Any,
) -> StageOutcome:
    """One stage; amd64 runs and arm64 collects unless `mode` says otherwise."""
    mode = fields.pop("mode", "collect" if arch == "arm64" else "run")
    status = status or ("collected" if mode == "collect" else "passed")
    defaults: dict[str, Any] = {
        "date": DATE,
        "run_id": RUN_ID,
        "runner": "cpu-arm-r8g-4xlarge" if mode == "collect" else "gpu-l40-amd64",
    }
    failures = tuple(fields.get("failures", ()))
    if status in {"passed", "collected", "failed"}:
        counts = (
            StageCounts(collected=38)
            if mode == "collect"
            else StageCounts(passed=36, failed=len(failures), skipped=2, collected=38 + len(failures))
        )
        defaults |= {
            "counts": counts,
            "duration_s": 12.3,
            "started_at": STARTED + timedelta(minutes=3),
            "image_digest": digest(framework, arch, "runtime"),
            "engine": MOCK,
            "artifacts": artifacts(framework, arch, stage, "junit.xml", "output.log"),
        }
    return StageOutcome(
        framework=framework,
        arch=arch,
        stage=stage,
        status=status,
        mode=mode,
        **(defaults | fields),
    )


def publication(
    framework: str = "vllm", arch: str | None = "amd64", status: str = "published", **fields: Any
) -> PublicationOutcome:
    """One published image, or with `arch=None` a multi-arch index, in both registries."""
    defaults: dict[str, Any] = {"date": DATE, "run_id": RUN_ID}
    if status == "published":
        name = digest(framework, arch or "index", "runtime")
        tags = (
            (nightly_tag(framework, arch), run_tag(framework, arch, RUN_ID))
            if arch
            else (index_tag(framework), index_run_tag(framework, RUN_ID))
        )
        defaults |= {
            "digest": name,
            "platforms": (f"linux/{arch}",) if arch else ("linux/amd64", "linux/arm64"),
            "copies": tuple(
                PublishedCopy(
                    registry=role, reference=f"localhost:{port}/nightly@{name}", tags=tags, digest=name
                )
                for role, port in (("ecr", 5000), ("acr", 5001))
            ),
            "duration_s": 1.4,
        }
    return PublicationOutcome(framework=framework, arch=arch, status=status, **(defaults | fields))


def artifacts(framework: str, arch: str, step: str, *names: str) -> dict[str, str]:
    """Artifact names -> keys in the store."""
    return {name: f"{DATE}/{RUN_ID}/{framework}/{arch}/{step}/{name}" for name in names}


def run_facts(state: str = "succeeded", **fields: Any) -> RunFacts:
    """What the orchestrator knows of a run of three hours and twelve minutes."""
    defaults: dict[str, Any] = {"run_id": RUN_ID, "date": DATE, "planned": (), "started_at": STARTED}
    if state != "running":
        defaults["ended_at"] = STARTED + timedelta(hours=3, minutes=12)
    return RunFacts(state=RunState(state), **(defaults | fields))


def night(
    images: Iterable[ImageOutcome] = (),
    stages: Iterable[StageOutcome] = (),
    publications: Iterable[PublicationOutcome] = (),
    **fields: Any,
) -> Report:
    """A report of exactly these outcomes, its verdict by the rule."""
    images, stages, publications = tuple(images), tuple(stages), tuple(publications)
    outcomes: tuple[Outcome, ...] = (*images, *stages, *publications)
    keys = tuple(key_of(outcome) for outcome in outcomes)
    runs = fields.pop("runs", None) or (run_facts(planned=keys, started=keys),)
    defaults: dict[str, Any] = {
        "date": DATE,
        "run_id": runs[-1].run_id,
        "source_revision": REVISION,
        "status": night_status(
            (one.status for one in images),
            (one.status for one in stages),
            (one.status for one in publications),
        ),
        "engine": "mock",
        "profile": "local",
        "partial": all(run.partial for run in runs),
        "running": any(run.state is RunState.RUNNING for run in runs),
        "runs": tuple(runs),
        "started_at": STARTED,
        "ended_at": runs[-1].ended_at,
    }
    return Report(images=images, stages=stages, publications=publications, **(defaults | fields))


def whole_night(
    *changed: ImageOutcome | StageOutcome | PublicationOutcome,
    frameworks: Sequence[str] = FRAMEWORKS,
    architectures: Sequence[str] = ARCHITECTURES,
    stages: Sequence[str] = STAGES,
    **fields: Any,
) -> Report:
    """The whole table, all good but for the outcomes given, each in the place of the one with its key."""
    cells = [(framework, arch) for framework in frameworks for arch in architectures]
    good: tuple[Outcome, ...] = (
        *(image(*cell, kind) for cell in cells for kind in ("framework", "runtime")),
        *(publication(*cell) for cell in cells),
        *(publication(framework, None) for framework in frameworks),
        *(stage(*cell, name) for cell in cells for name in stages),
    )
    everything = {key_of(outcome): outcome for outcome in good}
    everything |= {key_of(outcome): outcome for outcome in changed}
    values = everything.values()
    return night(
        [one for one in values if isinstance(one, ImageOutcome)],
        [one for one in values if isinstance(one, StageOutcome)],
        [one for one in values if isinstance(one, PublicationOutcome)],
        **fields,
    )


def broken_night(**fields: Any) -> Report:
    """A night with one of almost everything that can go wrong."""
    blocked = "vllm/arm64/runtime_image is not there"
    return whole_night(
        image("vllm", "arm64", "framework", duration_s=431.0),
        image(
            "vllm",
            "arm64",
            "runtime",
            "failed",
            duration_s=94.2,
            message="[runtime 4/9] RUN uv pip install vllm\nERROR: No matching distribution for vllm==0.32.0",
            artifacts=artifacts("vllm", "arm64", "runtime_image", "build.log", "metrics.json"),
        ),
        publication("vllm", "arm64", "blocked", message=blocked),
        publication("vllm", None, "blocked", message="vllm/arm64/published_image is not there"),
        *(stage("vllm", "arm64", name, "blocked", message=blocked) for name in STAGES),
        stage(
            "sglang",
            "amd64",
            "unit",
            "failed",
            failures=(
                failure(
                    "tests/unit/test_radix_cache.py::test_evicts_the_oldest[lru-4096]",
                    "AssertionError: assert 4095 == 4096\n  +  where 4095 = len(<RadixCache size=4095>)\n"
                    "tests/unit/test_radix_cache.py:88: AssertionError",
                ),
                failure(
                    "tests/unit/test_router.py::test_prefers_the_warm_worker",
                    "TimeoutError: no worker answered in 5.0 s",
                ),
            ),
        ),
        stage(
            "sglang",
            "amd64",
            "e2e_multi_gpu",
            "infra_error",
            message="gpu-l40-amd64 has 1 GPU, the stage asks for 2",
        ),
        stage(
            "trtllm",
            "amd64",
            "integration",
            "timed_out",
            duration_s=5400.0,
            message="ended by its deadline after 90 min; last test: tests/test_stream.py::test_long_answer",
            failures=(failure("tests/test_stream.py::test_long_answer", "still running at the deadline"),),
        ),
        stage(
            "trtllm",
            "amd64",
            "e2e_single_gpu",
            "no_tests",
            message="nothing was selected by `trtllm and e2e and gpu_1`",
        ),
        **fields,
    )


def planned_image(
    framework: str = "vllm", arch: str = "amd64", kind: str = "runtime", **fields: Any
) -> PlannedImage:
    """One image of a plan."""
    tag = framework_tag if kind == "framework" else nightly_tag
    defaults: dict[str, Any] = {
        "platform": f"linux/{arch}",
        "dockerfile": f"docker/{framework}/Dockerfile",
        "context": "docker",
        "build_args": {},
        "labels": {},
        "runner": _BUILD_RUNNERS[arch],
        "timeout_s": 9000.0,
        "moving_tag": tag(framework, arch),
        "cache_tag": cache_tag(framework, arch, kind),
        "registries": ("ecr",) if kind == "framework" else ("ecr", "acr"),
    }
    return PlannedImage(framework=framework, arch=arch, kind=kind, **(defaults | fields))


def planned_stage(
    framework: str = "vllm", arch: str = "amd64", stage: str = "unit", **fields: Any
) -> PlannedStage:
    """One stage of a plan."""
    collect = arch == "arm64"
    defaults: dict[str, Any] = {
        "platform": f"linux/{arch}",
        "mode": "collect" if collect else "run",
        "markers": "unit and (nightly or post_merge or pre_merge)",
        "runner": "cpu-arm-r8g-4xlarge" if collect else "gpu-l40-amd64",
        "timeout_s": 900.0 if collect else 2700.0,
        "gpus": 0,
        "shm_gb": 8.0,
        "environment": {},
        "pass_environment": (),
    }
    return PlannedStage(framework=framework, arch=arch, stage=stage, **(defaults | fields))


def plan(
    frameworks: Sequence[str] = FRAMEWORKS,
    architectures: Sequence[str] = ARCHITECTURES,
    stages: Sequence[str] = STAGES,
    **fields: Any,
) -> Plan:
    """The plan of a whole night."""
    cells = [(framework, arch) for framework in frameworks for arch in architectures]
    defaults: dict[str, Any] = {
        "profile": "local",
        "engine": "mock",
        "source_repository": ".",
        "source_ref": "HEAD",
        "partial": False,
        "images": tuple(planned_image(*cell, kind) for cell in cells for kind in ("framework", "runtime")),
        "publications": tuple(
            PlannedPublication(
                framework=framework,
                arch=arch,
                platform=f"linux/{arch}",
                registries=("ecr", "acr"),
                moving_tag=nightly_tag(framework, arch),
                runner=_BUILD_RUNNERS[arch],
            )
            for framework, arch in cells
        ),
        "indexes": tuple(
            PlannedIndex(
                framework=framework,
                architectures=tuple(architectures),
                platforms=tuple(f"linux/{arch}" for arch in architectures),
                registries=("ecr", "acr"),
                moving_tag=index_tag(framework),
                runner=_BUILD_RUNNERS["amd64"],
            )
            for framework in frameworks
        ),
        "stages": tuple(planned_stage(*cell, name) for cell in cells for name in stages),
    }
    return Plan(**(defaults | fields))
