"""One look of a search: the test, run on a night's image or on the image of a commit."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

from nightly_pipeline.errors import (
    BuildLoginRefused,
    DiskFull,
    EnvironmentNotReady,
    NightlyError,
    NoGpu,
    ProcessError,
    RegistryForbidden,
    RegistryUnavailable,
)
from nightly_pipeline.model.bisect import Finding
from nightly_pipeline.model.bisect_record import Look
from nightly_pipeline.model.history import BAD_RESULTS, GOOD_RESULTS, TestIdentity, TestRow
from nightly_pipeline.model.judgement import Commit
from nightly_pipeline.model.outcomes import ImageOutcome, ImageStatus
from nightly_pipeline.model.plan import Key, PlannedImage, PlannedStage
from nightly_pipeline.model.requests import Revision
from nightly_pipeline.model.tags import search_tag
from nightly_pipeline.model.untrusted import first_line
from nightly_pipeline.steps.build import BuildTools
from nightly_pipeline.steps.build_requests import BuildPlace, ImageRun, build_request
from nightly_pipeline.steps.ports import History, LineSink
from nightly_pipeline.steps.rerun_tests import Purpose, Rerun, rerun_tests
from nightly_pipeline.steps.stages import StageRun, StageTools

AT_WORK = "bisect-"
"""How the folder of a search begins that is at work, and the run that its containers are of."""
Workspace = Callable[[str, Key], AbstractContextManager[Path]]
"""An empty folder for one look, removed afterwards."""
_OF_THE_MACHINE = (
    BuildLoginRefused,
    DiskFull,
    EnvironmentNotReady,
    NoGpu,
    ProcessError,
    RegistryForbidden,
    RegistryUnavailable,
)
"""Errors that the next look would meet as well: neither an image nor a commit is to blame."""


@dataclass(frozen=True)
class Looks:
    """What all looks of one search share.

    Attributes:
        test: what is run.
        stage, image: its stage and the runtime image of its cell, as tonight's plan has them.
        images: night -> the image of that night.
        bases: what base images are pinned to, for every build of the search alike.
        checkout: the revision of a commit, and its files.
        repeat: how often a test runs at each look; it is bad when it is bad once.
        name: of the search; log and evidence are kept below it, and images are tagged with it.
    """

    test: TestIdentity
    stage: PlannedStage
    image: PlannedImage
    images: dict[str, ImageOutcome]
    bases: dict[str, str]
    checkout: Callable[[str], tuple[Revision, Path]]
    stage_tools: Callable[[Path], StageTools]
    build_tools: Callable[[Path], BuildTools]
    workspace: Workspace
    history: History
    log: LineSink
    name: str
    repeat: int = 1

    def at_night(self, night: str) -> Look:
        """Run the test on a night's image.

        Raises:
            NightlyError: the machine or a registry is to blame, not the image.
        """
        image = self.images[night]
        started = monotonic()
        with self.workspace(f"{AT_WORK}{self.name}", (night,)) as folder:
            there = self.stage_tools(folder).registry.digest_of(image.digest or "") is not None
        if not there:
            said = _Said(Finding.UNCLEAR, "its image is not in the registry any more")
            return _look(night, said, started, gone=True)
        said = self._test(night, image, image.source_revision)
        return _look(night, said, started, digest=image.digest)

    def at_commit(self, commit: Commit) -> Look:
        """Build the image of a commit, and run the test on it.

        Raises:
            NightlyError: the machine or a registry is to blame, not the commit.
        """
        started = monotonic()
        try:
            image = self._build(commit)
        except _OF_THE_MACHINE:
            raise
        except NightlyError as error:
            said = _Said(Finding.UNCLEAR, f"its image does not build: {first_line(error.message)}")
            return _look(commit.revision, said, started, built=True)
        said = self._test(commit.revision[:12], image, commit.revision)
        return _look(commit.revision, said, started, digest=image.digest, built=True)

    def _build(self, commit: Commit) -> ImageOutcome:
        """The runtime image of a commit, under a tag of the search; no tag that people use is moved."""
        revision, files = self.checkout(commit.revision)
        now = datetime.now(UTC)
        run = ImageRun(self.image, now.date().isoformat(), self.name, revision, files, self.bases)
        reference, digest = self._push(run, commit, now)
        return ImageOutcome(
            date=run.date,
            run_id=self.name,
            framework=self.image.framework,
            arch=self.image.arch,
            kind="runtime",
            status=ImageStatus.BUILT,
            runner=self.image.runner,
            digest=digest,
            reference=reference,
            source_revision=revision.commit,
            engine=self.image.engine,
        )

    def _push(self, run: ImageRun, commit: Commit, now: datetime) -> tuple[str, str]:
        """Build and push it; return where it is, and its digest."""
        with self.workspace(f"{AT_WORK}{self.name}", (commit.revision[:12], "build")) as folder:
            tools = self.build_tools(folder)
            tag = search_tag(self.image.framework, self.image.arch, self.name, commit.revision)
            reference = tools.registry.reference(tag)
            with tools.logins.docker_config() as docker_config:
                place = BuildPlace(
                    push_reference=reference,
                    secrets=tools.secrets,
                    builder=tools.buildx_builder,
                    docker_config=docker_config,
                )
                result = tools.builder.build(build_request(run, place, created=now), self.log)
        return reference, result.digest

    def _test(self, name: str, image: ImageOutcome, revision: str | None) -> _Said:
        """Run the test as often as asked for, until it is bad once."""
        said = _Said(Finding.UNCLEAR, "it was not run")
        for number in range(1, self.repeat + 1):
            said = self._meaning(self._run(f"{name}-{number}", image, revision))
            if said.finding is not Finding.GOOD:
                break
        return said

    def _run(self, part: str, image: ImageOutcome, revision: str | None) -> Rerun:
        # The container is of this search: of the run that built the image it would be a leftover, to be removed.
        search = f"{AT_WORK}{self.name}"
        run = StageRun(self.stage, image.date, search, image, only=(self.test.node_id,))
        purpose = Purpose("bisect", f"bisects/{self.name}/{part}", revision)
        with self.workspace(search, (part,)) as folder:
            done = rerun_tests(run, self.stage_tools(folder), self.log, purpose)
        rows = [row.model_copy(update={"run_id": image.run_id}) for row in done.rows]
        if rows:
            self.history.add(rows, date=image.date, run_id=image.run_id, part=f"{search}-{part}")
        return done

    def _meaning(self, done: Rerun) -> _Said:
        if isinstance(done.error, _OF_THE_MACHINE):  # said without its secrets, by `message` alone
            raise NightlyError(first_line(done.message or ""), next_step=done.error.next_step)
        row = next((row for row in done.rows if row.node_id == self.test.node_id), None)
        if row is None:
            return _Said(Finding.UNCLEAR, f"the test did not run: {done.why_not(self.test.node_id)}")
        if row.result in BAD_RESULTS:
            return _Said(Finding.BAD, _line(row), row.signature)
        if row.result not in GOOD_RESULTS:
            return _Said(Finding.UNCLEAR, f"the test was {row.result.value}")
        if row.failed_attempts:
            return _Said(Finding.UNCLEAR, "the test failed, and passed when it was repeated: a flake")
        return _Said(Finding.GOOD)


@dataclass(frozen=True)
class _Said:
    """What running the test said."""

    finding: Finding
    line: str = ""
    signature: str | None = None


def _look(  # noqa: PLR0913 - a look as it is
    name: str,
    said: _Said,
    started: float,
    *,
    digest: str | None = None,
    built: bool = False,
    gone: bool = False,
) -> Look:
    return Look(
        name=name,
        finding=said.finding,
        line=said.line,
        digest=digest,
        built=built,
        duration_s=round(monotonic() - started, 1),
        signature=said.signature,
        gone=gone,
    )


def _line(row: TestRow) -> str:
    """The first line of the error that says something."""
    return first_line(row.message or "").strip() or row.result.value
