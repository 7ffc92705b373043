"""The plan of a night: what will happen, as pure values that can be printed and tested before anything runs.

Names are the assets' names: an entry's `key` is (framework, arch, name), or (framework, name) for an index.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from nightly_pipeline.model.outcomes import EngineFacts, Record

Key = tuple[str, ...]

ImageKind = Literal["framework", "runtime"]
IMAGE_KINDS: tuple[ImageKind, ...] = ("framework", "runtime")
SOURCE_KEY: Key = ("source_revision",)
SUMMARY_KEY: Key = ("nightly_summary",)
CONFIRMATION_KEY: Key = ("confirmed_failures",)


def image_key(framework: str, arch: str, kind: str) -> Key:
    """Key of an image's asset."""
    return (framework, arch, f"{kind}_image")


def publication_key(framework: str, arch: str) -> Key:
    """Key of a published image's asset."""
    return (framework, arch, "published_image")


def index_key(framework: str) -> Key:
    """Key of a multi-arch index's asset."""
    return (framework, "multi_arch_image")


def stage_key(framework: str, arch: str, stage: str) -> Key:
    """Key of a test stage's asset."""
    return (framework, arch, f"{stage}_tests")


class PlannedImage(Record):
    """One image to build.

    Attributes:
        build_args: what the Dockerfile takes; the same on every night of the same profile.
        labels: those that do not depend on the run.
        moving_tag: the tag that moves to this image when it is good.
        cache_tag: its layer cache in the cache repository.
    """

    framework: str
    arch: str
    kind: ImageKind
    platform: str
    dockerfile: str
    context: str
    build_args: dict[str, str]
    labels: dict[str, str]
    runner: str
    timeout_s: float
    moving_tag: str
    cache_tag: str
    registries: tuple[str, ...]
    docker_host: str | None = None

    @property
    def key(self) -> Key:
        """The asset's key."""
        return image_key(self.framework, self.arch, self.kind)

    @property
    def engine(self) -> EngineFacts:
        """The inference engine that is put into it."""
        kind: Literal["mock", "real"] = "mock" if self.build_args.get("ENGINE_KIND") == "mock" else "real"
        return EngineFacts(kind=kind, name=self.framework, version=self.build_args.get("ENGINE_VERSION"))

    @property
    def depends_on(self) -> tuple[Key, ...]:
        """Keys of what must be good before this can start."""
        if self.kind == "framework":
            return (SOURCE_KEY,)
        return (image_key(self.framework, self.arch, "framework"),)


class PlannedPublication(Record):
    """One runtime image to bring to the registries beside the one it was pushed to."""

    framework: str
    arch: str
    platform: str
    registries: tuple[str, ...]
    moving_tag: str
    runner: str

    @property
    def key(self) -> Key:
        """The asset's key."""
        return publication_key(self.framework, self.arch)

    @property
    def platforms(self) -> tuple[str, ...]:
        """The one there is; an index has several."""
        return (self.platform,)

    @property
    def depends_on(self) -> tuple[Key, ...]:
        """Keys of what must be good before this can start."""
        return (image_key(self.framework, self.arch, "runtime"),)


class PlannedIndex(Record):
    """One multi-arch index to put in every registry that has all of its platforms."""

    framework: str
    architectures: tuple[str, ...]
    platforms: tuple[str, ...]
    registries: tuple[str, ...]
    moving_tag: str
    runner: str

    @property
    def key(self) -> Key:
        """The asset's key."""
        return index_key(self.framework)

    @property
    def arch(self) -> None:
        """Of none: it is of all."""
        return None

    @property
    def depends_on(self) -> tuple[Key, ...]:
        """Keys of what must be good before this can start."""
        return tuple(publication_key(self.framework, arch) for arch in self.architectures)


class PlannedStage(Record):
    """One test stage of one cell. `mode` is `collect` where tests are only collected (a dry run)."""

    framework: str
    arch: str
    stage: str
    platform: str
    mode: Literal["run", "collect"]
    markers: str
    runner: str
    timeout_s: float
    gpus: int
    shm_gb: float
    environment: dict[str, str]
    pass_environment: tuple[str, ...]
    docker_host: str | None = None

    @property
    def key(self) -> Key:
        """The asset's key."""
        return stage_key(self.framework, self.arch, self.stage)

    @property
    def depends_on(self) -> tuple[Key, ...]:
        """Keys of what must be good before this can start."""
        return (image_key(self.framework, self.arch, "runtime"),)


PlannedEntry = PlannedImage | PlannedPublication | PlannedIndex | PlannedStage


class Plan(Record):
    """A whole night, or the part of it that was selected."""

    profile: str
    engine: Literal["mock", "real"]
    source_repository: str
    source_ref: str
    partial: bool
    images: tuple[PlannedImage, ...]
    publications: tuple[PlannedPublication, ...]
    indexes: tuple[PlannedIndex, ...]
    stages: tuple[PlannedStage, ...]

    @property
    def entries(self) -> tuple[PlannedEntry, ...]:
        """Everything, in the order it can happen."""
        return (*self.images, *self.publications, *self.indexes, *self.stages)

    def part(self, keys: Collection[Key]) -> Plan:
        """The entries with these keys alone."""
        names = ("images", "publications", "indexes", "stages")
        parts = {name: tuple(entry for entry in getattr(self, name) if entry.key in keys) for name in names}
        return self.model_copy(update={"partial": len(keys) < len(self.entries), **parts})
