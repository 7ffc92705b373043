"""The resource every step works with: the profile's settings made into tools, and a workspace a step."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import dagster as dg
from pydantic import PrivateAttr

from nightly_pipeline.assets.output import print_line
from nightly_pipeline.model.evidence import StageEvidence
from nightly_pipeline.model.plan import Key
from nightly_pipeline.model.requests import Revision
from nightly_pipeline.planning import make_plan
from nightly_pipeline.settings import Settings, load_settings
from nightly_pipeline.steps.bases import bases_of, bases_of_run
from nightly_pipeline.steps.build import BuildTools
from nightly_pipeline.steps.publish import PublishTools
from nightly_pipeline.steps.records import NightRecords
from nightly_pipeline.steps.source import NightRun, revision_of
from nightly_pipeline.steps.stages import StageTools
from nightly_pipeline.stores import open_records, open_source
from nightly_pipeline.tools.base_images import digests_behind
from nightly_pipeline.tools.buildx import BuildxBuilder
from nightly_pipeline.tools.buildx_command import BuildOptions
from nightly_pipeline.tools.containers import DockerContainerRunner
from nightly_pipeline.tools.cosign import CosignSigner
from nightly_pipeline.tools.junit import write_junit
from nightly_pipeline.tools.leftovers import WORK_FOLDER
from nightly_pipeline.tools.logins import RegistryLogins, builder_of, open_registries
from nightly_pipeline.tools.ownership import installation_id


class Workplace(dg.ConfigurableResource[None]):
    """What the steps of one profile work with.

    Attributes:
        profile: name or path of the profile.
    """

    profile: str

    _settings: Settings | None = PrivateAttr(default=None)

    def settings(self) -> Settings:
        """The validated profile, read once a process."""
        if self._settings is None:
            self._settings = load_settings(self.profile)
        return self._settings

    def records(self) -> NightRecords:
        """The records of every night."""
        return open_records(self.settings())

    def revision(self, run: NightRun) -> Revision:
        """The commit of a run, resolved once and on record from then on."""
        settings = self.settings()
        return revision_of(
            run, repository=open_source(settings), ref=settings.source.ref, records=self.records()
        )

    def bases(self, run: NightRun) -> dict[str, str]:
        """What the base images of a run are pinned to; looked up and put on record the first time."""
        references, look_up = _pinned_references(self.settings()), digests_behind(self.settings())
        return bases_of_run(run, references, look_up=look_up, records=self.records(), log=print_line)

    def export(self, revision: Revision) -> Path:
        """The files of a revision, shared by every build of it."""
        settings = self.settings()
        return open_source(settings).export(revision, settings.sources_root)

    @contextmanager
    def workspace(self, run_id: str, key: Key) -> Iterator[Path]:
        """An empty folder for one step, removed afterwards."""
        folder = self.settings().home / WORK_FOLDER / run_id / "__".join(key)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):  # another step of the run is still at work
                folder.parent.rmdir()

    def build_tools(self, workspace: Path) -> BuildTools:
        """What a build works with."""
        settings = self.settings()
        logins = RegistryLogins.of_builds(settings, _references(settings))
        return BuildTools(
            builder=builder_of(settings, BuildxBuilder(_build_options(settings)), logins),
            registry=open_registries(settings)[settings.primary],
            containers=_containers(settings),
            records=self.records(),
            logins=logins,
            cache_repository=_cache_repository(settings),
            secrets=_build_secrets(settings),
            workspace=workspace,
            buildx_builder=settings.build.builder,
            sbom_generator=settings.build.sbom_generator,
        )

    def publish_tools(self) -> PublishTools:
        """What a publication works with."""
        settings = self.settings()
        return PublishTools(
            registries=open_registries(settings),
            primary=settings.primary,
            records=self.records(),
            signer=CosignSigner.of(settings, RegistryLogins.of(settings)),
        )

    def stage_tools(self, workspace: Path) -> StageTools:
        """What a test stage works with."""
        settings = self.settings()
        return StageTools(
            containers=_containers(settings),
            registry=open_registries(settings)[settings.primary],
            records=self.records(),
            logins=RegistryLogins.of_primary(settings),
            write_junit=_write_junit,
            environment=settings.environment,
            workspace=workspace,
            memory_gb=settings.tests.memory_gb,
            pids_limit=settings.tests.pids_limit,
        )


def _references(settings: Settings) -> list[str]:
    """The base images of the whole table, and the image that lists packages."""
    generator = settings.build.sbom_generator
    return [*bases_of(make_plan(settings).images), *([generator] if generator else [])]


def _pinned_references(settings: Settings) -> list[str]:
    """Those of them that the profile does not pin itself."""
    return [reference for reference in _references(settings) if "@" not in reference]


def _build_options(settings: Settings) -> BuildOptions:
    build = settings.build
    return BuildOptions(
        compression=build.compression,
        compression_level=build.compression_level,
        provenance=None if build.provenance == "none" else f"mode={build.provenance}",
        builder_id=settings.dagster_url,
    )


def _build_secrets(settings: Settings) -> dict[str, Path]:
    """Files that builds may read while they install packages, by the id the Dockerfiles know them by."""
    files = {"ca": settings.build.ca_bundle, "index": settings.build.index_file}
    return {name: path for name, path in files.items() if path is not None}


def _containers(settings: Settings) -> DockerContainerRunner:
    network = None if settings.tests.network else "none"
    return DockerContainerRunner(owner=installation_id(settings.home), network=network)


def _cache_repository(settings: Settings) -> str | None:
    registry = settings.registries[settings.primary]
    if not settings.build.cache or registry.cache_repository is None:
        return None
    return f"{registry.host}/{registry.cache_repository}"


def _write_junit(
    evidence: StageEvidence, path: Path, suite: str, properties: Mapping[str, str], problem: str | None
) -> None:
    write_junit(evidence, path, suite=suite, properties=properties, problem=problem)
