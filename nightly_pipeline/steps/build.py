"""Building one image: push it under its run's tag, look at it, then move the tags people use."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

from nightly_pipeline.errors import BuildError, BuildTimedOut, NightlyError, RegistryError
from nightly_pipeline.model.metrics import BuildMetrics
from nightly_pipeline.model.outcomes import ImageOutcome, ImageStatus
from nightly_pipeline.model.plan import PlannedImage
from nightly_pipeline.model.requests import BuildResult
from nightly_pipeline.model.supply_chain import packages_json
from nightly_pipeline.model.tags import framework_tag
from nightly_pipeline.steps.bases import base_of
from nightly_pipeline.steps.build_requests import BuildPlace, ImageRun, build_request
from nightly_pipeline.steps.logs import KeptLog
from nightly_pipeline.steps.ports import ContainerRunner, ImageBuilder, LineSink, Registry
from nightly_pipeline.steps.records import NightRecords
from nightly_pipeline.steps.sanity import check_sanity, sanity_spec
from nightly_pipeline.steps.sizes import blobs_of, image_bytes, new_bytes
from nightly_pipeline.steps.supply_chain import packages_of

LOG_FILE = "build.log"
METRICS_FILE = "metrics.json"
PACKAGES_FILE = "packages.json"


class Logins(Protocol):
    """Registry logins for a command that talks to registries by itself."""

    def docker_config(self) -> AbstractContextManager[Path | None]:
        """A DOCKER_CONFIG of this step's own with fresh logins, removed afterwards; None needs none."""
        ...


@dataclass(frozen=True)
class BuildTools:
    """What a build works with.

    Attributes:
        registry: where builds push to, the primary one.
        cache_repository: host/repository of the layer caches; None builds without.
        secrets: BuildKit secret id -> file.
        workspace: an empty folder for this step alone.
        buildx_builder: name of the buildx builder; None is the default one.
        sbom_generator: the image that lists the packages of runtime images; None attaches no list.
    """

    builder: ImageBuilder
    registry: Registry
    containers: ContainerRunner
    records: NightRecords
    logins: Logins
    cache_repository: str | None
    secrets: Mapping[str, Path]
    workspace: Path
    buildx_builder: str | None = None
    sbom_generator: str | None = None


def build_image(run: ImageRun, tools: BuildTools, log: LineSink) -> ImageOutcome:
    """Build, push, check, tag; write outcome and metrics down, whatever happens, and return the outcome.

    A build that fails is an outcome, not an exception. What interrupts this process passes through, after the
    outcome `cancelled` was written; so does a defect of ours, after `failed` was.
    """
    started, clock = datetime.now(UTC), monotonic()
    fields: dict[str, Any] = {"status": ImageStatus.CANCELLED, "message": "interrupted"}
    metrics: BuildMetrics | None = None
    try:
        with KeptLog(log, tools.workspace / LOG_FILE) as kept:
            before = blobs_of(tools.registry, _earlier(run.planned))
            result = _build(run, tools, kept)
            metrics = result.metrics
            _look_into(run, tools, result.digest, kept)
            _list_packages(run, tools, result.digest, kept)
            metrics = _measured(metrics, tools.registry, result.digest, before)
            fields = _settle(run, tools, result.digest, kept)
            fields["size_bytes"] = metrics.image_bytes
    except NightlyError as error:
        metrics = metrics or _metrics_of(error)
        fields = {"status": _status_of(error), "message": str(error)}
    except Exception as error:
        fields = {"status": ImageStatus.FAILED, "message": f"{type(error).__name__}: {error}"}
        raise
    finally:
        outcome = _outcome(run, fields, started=started, duration_s=monotonic() - clock)
        outcome = _write(run, tools, outcome, metrics)
    return outcome


def reuse_image(run: ImageRun, tools: BuildTools) -> ImageOutcome | None:
    """Take over the image this night already has of the same revision and engine, if it is in the registry.

    The run's tag is put on it and the outcome `reused` written down. None when there is nothing to take over.

    Raises:
        RegistryError: the registry refused, or could not be asked.
    """
    planned = run.planned
    image = tools.records.good_image(run.date, planned.framework, planned.arch, planned.kind)
    if image is None or image.digest is None or tools.registry.digest_of(image.digest) is None:
        return None
    if (image.source_revision, image.engine) != (run.revision.label, planned.engine):
        return None
    tools.registry.put_tag(run.run_tag, image.digest)
    moved = tools.registry.digest_of(planned.moving_tag) == image.digest
    outcome = image.model_copy(
        update={
            "run_id": run.run_id,
            "status": ImageStatus.REUSED,
            "tags": (planned.moving_tag, run.run_tag) if moved else (run.run_tag,),
            "built_by_run": image.built_by_run or image.run_id,
            "started_at": datetime.now(UTC),
            "duration_s": 0.0,
            "artifacts": {name: key for name, key in image.artifacts.items() if name == "packages"},
        }
    )
    tools.records.write_outcome(outcome)
    return outcome


def _build(run: ImageRun, tools: BuildTools, log: LineSink) -> BuildResult:
    with tools.logins.docker_config() as docker_config:
        place = BuildPlace(
            push_reference=tools.registry.reference(run.run_tag),
            cache_repository=tools.cache_repository,
            secrets=tools.secrets,
            builder=tools.buildx_builder,
            docker_config=docker_config,
            sbom_generator=tools.sbom_generator,
        )
        return tools.builder.build(build_request(run, place, created=datetime.now(UTC)), log)


def _look_into(run: ImageRun, tools: BuildTools, digest: str, log: LineSink) -> None:
    """Ask the registry what was pushed, and the image whether it is what it says."""
    answered = tools.registry.digest_of(run.run_tag)
    if answered != digest:
        reference = tools.registry.reference(run.run_tag)
        raise BuildError(f"{digest} was pushed as {reference}, which answers {answered}")
    if run.planned.kind == "runtime":
        _check_sanity(run, tools, digest, log)


def _list_packages(run: ImageRun, tools: BuildTools, digest: str, log: LineSink) -> None:
    """Read the package list back from the registry, and keep it: nights are compared after their images are gone.

    One that is attached and cannot be read (too long, of another form) fails no image; it is not kept.
    """
    if run.planned.kind != "runtime" or tools.sbom_generator is None:
        return
    try:
        packages = packages_of(tools.registry, digest, run.planned.platform)
    except RegistryError as error:
        if type(error) is not RegistryError:  # the registry could not be asked, or holds something else
            raise
        log(f"no package list is kept: {error.message}")
        return
    if not packages:
        raise BuildError(
            f"{tools.sbom_generator} was to list the packages of {tools.registry.reference(digest)}, but"
            f" {'none is attached' if packages is None else 'its list is empty'}",
            next_step="Look at the step `generating sbom` in the build log, or set `build.sbom` to none.",
        )
    (tools.workspace / PACKAGES_FILE).write_text(packages_json(packages), encoding="utf-8")


def _settle(run: ImageRun, tools: BuildTools, digest: str, log: LineSink) -> dict[str, Any]:
    """What is said of a good image. Its tag moves last: nothing that fails may come after it."""
    return {
        "status": ImageStatus.BUILT,
        "digest": digest,
        "reference": tools.registry.reference(digest),
        "tags": (*_moved(run, tools, digest, log), run.run_tag),
    }


def _moved(run: ImageRun, tools: BuildTools, digest: str, log: LineSink) -> tuple[str, ...]:
    """Move the tag people use, unless it belongs to a newer night; return what was moved."""
    tag, newer = run.planned.moving_tag, tools.records.newer_night(run.date, run.planned.key)
    if newer is not None:
        log(f"{tag} stays with the night of {newer}")
        return ()
    tools.registry.put_tag(tag, digest)
    return (tag,)


def _earlier(planned: PlannedImage) -> tuple[str, ...]:
    """Tags whose blobs the registry has: the image before this one, and the framework's, which shares layers."""
    return (planned.moving_tag, framework_tag(planned.framework, planned.arch))


def _measured(
    metrics: BuildMetrics, registry: Registry, digest: str, before: Mapping[str, int]
) -> BuildMetrics:
    """BuildKit says neither how large an image is nor how much of it was pushed; the registry's manifests do."""
    after = blobs_of(registry, [digest])
    sizes = {"image_bytes": image_bytes(registry, digest), "pushed_bytes": new_bytes(before, after)}
    return metrics.model_copy(update=sizes)


def _check_sanity(run: ImageRun, tools: BuildTools, digest: str, log: LineSink) -> None:
    with tools.logins.docker_config() as docker_config:
        image = tools.registry.reference(digest)
        spec = sanity_spec(run.planned, image=image, run_id=run.run_id, docker_config=docker_config)
        check_sanity(spec, tools.containers, workspace=tools.workspace / "sanity", log=log)


def _outcome(
    run: ImageRun, fields: Mapping[str, Any], *, started: datetime, duration_s: float
) -> ImageOutcome:
    planned = run.planned
    base, base_digest = base_of(planned, run.bases)
    return ImageOutcome(
        date=run.date,
        run_id=run.run_id,
        framework=planned.framework,
        arch=planned.arch,
        kind=planned.kind,
        runner=planned.runner,
        started_at=started,
        duration_s=round(duration_s, 3),
        source_revision=run.revision.label,
        engine=planned.engine,
        base=base,
        base_digest=base_digest,
        **fields,
    )


def _write(
    run: ImageRun, tools: BuildTools, outcome: ImageOutcome, metrics: BuildMetrics | None
) -> ImageOutcome:
    outcome = outcome.model_copy(update={"artifacts": _keep(run, tools, metrics)})
    tools.records.write_outcome(outcome)
    return outcome


def _keep(run: ImageRun, tools: BuildTools, metrics: BuildMetrics | None) -> dict[str, str]:
    """Keep log, package list and metrics. What cannot be kept is left out; the outcome matters more."""
    records, where = tools.records, (run.date, run.run_id, run.planned.key)
    kept = {}
    for name, file in (("log", LOG_FILE), ("packages", PACKAGES_FILE)):
        with suppress(NightlyError, OSError):
            if (tools.workspace / file).is_file():
                kept[name] = records.keep_file(*where, tools.workspace / file)
    with suppress(NightlyError, OSError):
        if metrics is not None:
            kept["metrics"] = records.write_text(*where, METRICS_FILE, metrics.model_dump_json(indent=2))
    return kept


def _status_of(error: NightlyError) -> ImageStatus:
    return ImageStatus.TIMED_OUT if isinstance(error, BuildTimedOut) else ImageStatus.FAILED


def _metrics_of(error: NightlyError) -> BuildMetrics | None:
    metrics = getattr(error, "metrics", None)
    return metrics if isinstance(metrics, BuildMetrics) else None
