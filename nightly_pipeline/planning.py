"""Settings make a plan. Pure: the same settings and selection give the same plan."""

from __future__ import annotations

from collections.abc import Iterator

from nightly_pipeline.model.catalog import BaseImage, Framework
from nightly_pipeline.model.masking import without_credentials
from nightly_pipeline.model.plan import (
    IMAGE_KINDS,
    ImageKind,
    Plan,
    PlannedImage,
    PlannedIndex,
    PlannedPublication,
    PlannedStage,
)
from nightly_pipeline.model.selection import Selection, select
from nightly_pipeline.model.tags import cache_tag, framework_tag, index_tag, nightly_tag
from nightly_pipeline.settings import Settings


def make_plan(settings: Settings, selection: Selection | None = None) -> Plan:
    """The night as the settings have it, or the selected part of it. Tests bring their images along."""
    selection = selection or select(settings.table)
    cells = [(framework, arch) for framework in selection.frameworks for arch in selection.architectures]
    return Plan(
        profile=settings.profile,
        engine=settings.engine,
        source_repository=without_credentials(settings.source.repository),
        source_ref=settings.source.ref,
        partial=selection.partial,
        images=tuple(_image(settings, *cell, kind) for cell in cells for kind in IMAGE_KINDS),
        publications=tuple(_publication(settings, *cell) for cell in cells),
        indexes=tuple(_indexes(settings, selection)),
        stages=tuple(_stage(settings, *cell, stage) for cell in cells for stage in selection.stages),
    )


def _image(settings: Settings, framework: str, arch: str, kind: ImageKind) -> PlannedImage:
    row, architecture = settings.table.frameworks[framework], settings.table.architectures[arch]
    tag = framework_tag if kind == "framework" else nightly_tag
    return PlannedImage(
        framework=framework,
        arch=arch,
        kind=kind,
        platform=architecture.platform,
        dockerfile=row.dockerfile,
        context=row.context,
        build_args=_build_args(settings, row, arch),
        labels={"io.nightly.image": kind},
        runner=architecture.build_runner,
        timeout_s=row.build_timeout_minutes * 60,
        moving_tag=tag(framework, arch),
        cache_tag=cache_tag(framework, arch, kind),
        registries=registries_for(settings, kind),
        docker_host=settings.table.runners[architecture.build_runner].docker_host,
    )


def _build_args(settings: Settings, row: Framework, arch: str) -> dict[str, str]:
    override = row.overrides.get(arch)
    base = _base(settings.base or row.base, override.base_tag if override and not settings.base else None)
    runtime = settings.base or _base(row.runtime_base or base, override.runtime_tag if override else None)
    mock = settings.engine == "mock"
    torch_backend = override.torch_backend if override else None
    return {
        "BASE_IMAGE": base.image,
        "BASE_IMAGE_TAG": base.tag,
        "RUNTIME_IMAGE": runtime.image,
        "RUNTIME_IMAGE_TAG": runtime.tag,
        "CUDA_VERSION": (override and override.cuda_version) or row.cuda_version,
        "TORCH_BACKEND": row.torch_backend if torch_backend is None else torch_backend,
        "ENGINE_KIND": settings.engine,
        "ENGINE_REQUIREMENT": settings.mock_engine.requirement if mock else f"{row.package}=={row.version}",
        "ENGINE_VERSION": settings.mock_engine.version if mock else row.version,
        "FRAMEWORK_VERSION": row.version,
        **row.build_args,
    }


def _base(image: BaseImage, tag: str | None) -> BaseImage:
    return image.model_copy(update={"tag": tag}) if tag else image


def _publication(settings: Settings, framework: str, arch: str) -> PlannedPublication:
    architecture = settings.table.architectures[arch]
    return PlannedPublication(
        framework=framework,
        arch=arch,
        platform=architecture.platform,
        registries=registries_for(settings, "runtime"),
        moving_tag=nightly_tag(framework, arch),
        runner=architecture.build_runner,
    )


def _indexes(settings: Settings, selection: Selection) -> Iterator[PlannedIndex]:
    """An index must have every platform of the table: it is planned only where all of them are selected."""
    architectures = tuple(settings.table.architectures)
    if selection.architectures != architectures:
        return
    for framework in selection.frameworks:
        yield PlannedIndex(
            framework=framework,
            architectures=architectures,
            platforms=tuple(row.platform for row in settings.table.architectures.values()),
            registries=registries_for(settings, "runtime"),
            moving_tag=index_tag(framework),
            runner=settings.table.architectures[architectures[0]].build_runner,
        )


def _stage(settings: Settings, framework: str, arch: str, stage: str) -> PlannedStage:
    row, architecture = settings.table.stages[stage], settings.table.architectures[arch]
    collect = architecture.tests == "collect"
    runner = (architecture.collect_runner if collect else None) or row.runner
    return PlannedStage(
        framework=framework,
        arch=arch,
        stage=stage,
        platform=architecture.platform,
        mode=architecture.tests,
        markers=row.markers.format(framework=framework),
        runner=runner,
        timeout_s=60 * (row.collect_timeout_minutes if collect else row.timeout_minutes),
        # A dry run and a mock engine need no GPU; asking for one would fail where there is none.
        gpus=0 if collect or settings.engine == "mock" else row.gpus,
        shm_gb=row.shm_gb,
        environment={"NIGHTLY_TEST_MODEL": settings.tests.model, **row.environment},
        pass_environment=row.pass_environment,
        docker_host=settings.table.runners[runner].docker_host,
    )


def registries_for(settings: Settings, kind: str) -> tuple[str, ...]:
    """Roles of the registries a kind of image belongs in, the primary first."""
    roles = [role for role, registry in settings.registries.items() if kind in registry.images]
    return tuple(sorted(roles, key=lambda role: role != settings.primary))
