"""What a night of a profile needs of the machine it starts on."""

from __future__ import annotations

from nightly_pipeline.model.host import BuildNeed, GpuNeed, HostNeeds, ImageNeed, RegistryNeed, SigningNeed
from nightly_pipeline.model.plan import Plan, PlannedImage, PlannedStage
from nightly_pipeline.settings import Settings
from nightly_pipeline.settings_registries import RegistrySettings

FREE_GIB = 5.0
"""What a whole night with the mock engine needs, its pinned layers shared by all cells."""

FREE_GIB_A_REAL_CELL = 38.0
"""Image store, registry and build cache each keep a copy, 8 to 10 GB installed, 4 GB packed: docs/real-engines.md."""


def needs_of(settings: Settings, plan: Plan) -> HostNeeds:
    """The needs of this plan under these settings."""
    return HostNeeds(
        root=settings.root,
        home=settings.home,
        source=_source(settings),
        free_gib=_free_gib(settings, plan),
        webserver=settings.dagster_url,
        builds=_builds(plan),
        registries=tuple(_registry(role, registry) for role, registry in settings.registries.items()),
        base_image=_base_image(settings, plan),
        gpus=_gpus(plan),
        slack=_slack(settings),
        sbom_generator=_sbom_generator(settings),
        signing=_signing(settings),
    )


def _registry(role: str, registry: RegistrySettings) -> RegistryNeed:
    caches = [registry.cache_repository] if registry.cache_repository else []
    return RegistryNeed(
        role=role,
        host=registry.host,
        insecure=registry.insecure,
        kind=registry.kind,
        repositories=tuple(dict.fromkeys([registry.repository, *caches])),
        creates=registry.create is not None,
    )


def _free_gib(settings: Settings, plan: Plan) -> float:
    cells = {(entry.framework, entry.arch) for entry in plan.images if entry.docker_host is None}
    return FREE_GIB + (FREE_GIB_A_REAL_CELL * len(cells) if settings.engine == "real" else 0.0)


def _source(settings: Settings) -> str:
    """A relative path is relative to the project."""
    local = settings.root / settings.source.repository
    return str(local.resolve()) if local.exists() else settings.source.repository


def _builds(plan: Plan) -> tuple[BuildNeed, ...]:
    entries = [entry for entry in plan.entries if isinstance(entry, PlannedImage | PlannedStage)]
    needs = (BuildNeed(entry.runner, entry.docker_host, entry.platform) for entry in entries)
    return tuple(dict.fromkeys(needs))


def _gpus(plan: Plan) -> tuple[GpuNeed, ...]:
    largest: dict[tuple[str, str | None], int] = {}
    for entry in plan.entries:
        if isinstance(entry, PlannedStage) and entry.mode == "run":
            place = (entry.runner, entry.docker_host)
            largest[place] = max(largest.get(place, 0), entry.gpus)
    return tuple(GpuNeed(runner, docker_host, count) for (runner, docker_host), count in largest.items())


def _base_image(settings: Settings, plan: Plan) -> ImageNeed | None:
    """Only a base in one of our own registries is ours to have ready."""
    platforms = {entry.platform for entry in plan.entries if isinstance(entry, PlannedImage)}
    base = settings.base
    return _own_image(settings, f"{base.image}:{base.tag}", tuple(sorted(platforms))) if base else None


def _sbom_generator(settings: Settings) -> ImageNeed | None:
    """It runs where images are built, whatever they are for."""
    generator = settings.build.sbom_generator
    return _own_image(settings, generator, ()) if generator else None


def _own_image(settings: Settings, reference: str, platforms: tuple[str, ...]) -> ImageNeed | None:
    hosts = {registry.host: registry.insecure for registry in settings.registries.values()}
    host = reference.partition("/")[0]
    return ImageNeed(reference, hosts[host], platforms) if host in hosts else None


def _signing(settings: Settings) -> SigningNeed | None:
    signing = settings.signing
    if signing.key is None:
        return None
    file = settings.root / signing.key if signing.is_file else None
    return SigningNeed(signing.key, file, has_password=signing.password is not None)


def _slack(settings: Settings) -> str | None:
    if settings.slack.token is not None:
        return f"#{(settings.slack.channel or '').lstrip('#')}"
    return "a webhook" if settings.slack.webhook is not None else None
