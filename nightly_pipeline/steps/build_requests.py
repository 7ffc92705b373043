"""A build as a value: what buildx will be asked to do for one planned image in one run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from nightly_pipeline.model.plan import PlannedImage
from nightly_pipeline.model.requests import BuildRequest, Revision
from nightly_pipeline.model.tags import framework_run_tag, run_tag
from nightly_pipeline.steps.bases import base_of, pinned, pinned_arguments


@dataclass(frozen=True)
class ImageRun:
    """One planned image in one run: what is the same for all of it.

    Attributes:
        source: the revision's files on this machine.
        bases: base image as `image:tag` -> the digest it is pinned to.
    """

    planned: PlannedImage
    date: str
    run_id: str
    revision: Revision
    source: Path
    bases: Mapping[str, str] = field(default_factory=dict)

    @property
    def run_tag(self) -> str:
        """The tag of this run alone, which never moves."""
        planned = self.planned
        tag = run_tag if planned.kind == "runtime" else framework_run_tag
        return tag(planned.framework, planned.arch, self.run_id)


@dataclass(frozen=True)
class BuildPlace:
    """Where a build pushes to, and what it may use.

    Attributes:
        push_reference: host/repository:tag of the image.
        cache_repository: host/repository of the layer caches; None builds without.
        secrets: BuildKit secret id -> file.
        builder: name of the buildx builder; None is the default one.
        docker_config: folder with the registry logins; None is the user's own.
        sbom_generator: the image that lists the packages of a runtime image; None attaches no list.
    """

    push_reference: str
    cache_repository: str | None = None
    secrets: Mapping[str, Path] = field(default_factory=dict)
    builder: str | None = None
    docker_config: Path | None = None
    sbom_generator: str | None = None


def build_request(run: ImageRun, place: BuildPlace, *, created: datetime) -> BuildRequest:
    """What buildx will be asked to do. `created` becomes a label."""
    planned, caches = run.planned, place.cache_repository
    generator = place.sbom_generator if planned.kind == "runtime" else None
    return BuildRequest(
        dockerfile=run.source / planned.dockerfile,
        context=run.source / planned.context,
        target=planned.kind,
        platform=planned.platform,
        build_args=pinned_arguments(planned.build_args, run.bases),
        labels={**planned.labels, **_labels(run, created)},
        push_reference=place.push_reference,
        cache_from=_cache_sources(planned, caches) if caches else (),
        cache_to=f"{caches}:{planned.cache_tag}" if caches else None,
        secrets=place.secrets,
        deadline_s=planned.timeout_s,
        builder=place.builder,
        docker_host=planned.docker_host,
        docker_config=place.docker_config,
        sbom_generator=pinned(generator, run.bases) if generator else None,
    )


def _cache_sources(planned: PlannedImage, caches: str) -> tuple[str, ...]:
    # A runtime image shares the framework image's layers, so that cache serves it on a builder that is new.
    framework_cache = planned.cache_tag.replace("-runtime-", "-framework-", 1)
    return tuple(dict.fromkeys(f"{caches}:{tag}" for tag in (planned.cache_tag, framework_cache)))


def _labels(run: ImageRun, created: datetime) -> dict[str, str]:
    name, digest = base_of(run.planned, run.bases)
    base = {"org.opencontainers.image.base.name": name, "org.opencontainers.image.base.digest": digest}
    return {
        **{label: value for label, value in base.items() if value},
        "org.opencontainers.image.revision": run.revision.label,
        "org.opencontainers.image.source": run.revision.repository,
        "org.opencontainers.image.created": created.isoformat(timespec="seconds"),
        "io.nightly.run-id": run.run_id,
        "io.nightly.date": run.date,
    }
