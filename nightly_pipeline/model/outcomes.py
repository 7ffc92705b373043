"""What became of what was planned: the words for it, and the records that carry them.

The words are those the whole project uses: Dagster's check results, the tables, the page, Slack and
`nightly report --format json` all say exactly these.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class ImageStatus(StrEnum):
    """What became of a planned image."""

    BUILT = "built"
    REUSED = "reused"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    NOT_RUN = "not_run"


class StageStatus(StrEnum):
    """What became of a planned test stage."""

    PASSED = "passed"
    COLLECTED = "collected"  # a dry run on arm64: what would run is known, nothing ran
    FAILED = "failed"
    COLLECT_ERROR = "collect_error"
    NO_TESTS = "no_tests"  # nothing selected, or everything skipped
    TIMED_OUT = "timed_out"
    CRASHED = "crashed"  # the test process died: a signal, out of memory, an exit without a finish
    INFRA_ERROR = "infra_error"  # runner, daemon, registry, no GPU
    BLOCKED = "blocked"  # its image is not there
    CANCELLED = "cancelled"
    NOT_RUN = "not_run"


class PublicationStatus(StrEnum):
    """What became of a planned publication (an image in the second registry, a multi-arch index)."""

    PUBLISHED = "published"
    FAILED = "failed"
    INFRA_ERROR = "infra_error"  # a registry could not be asked
    BLOCKED = "blocked"  # there is nothing to publish
    CANCELLED = "cancelled"
    NOT_RUN = "not_run"


class NightStatus(StrEnum):
    """The verdict on a whole night, or on a partial run of one."""

    GREEN = "green"
    RED = "red"
    INCOMPLETE = "incomplete"


GOOD_IMAGE = frozenset({ImageStatus.BUILT, ImageStatus.REUSED})
GOOD_STAGE = frozenset({StageStatus.PASSED, StageStatus.COLLECTED})
GOOD_PUBLICATION = frozenset({PublicationStatus.PUBLISHED})
RED_IMAGE = frozenset({ImageStatus.FAILED, ImageStatus.TIMED_OUT})
RED_STAGE = frozenset(
    {
        StageStatus.FAILED,
        StageStatus.COLLECT_ERROR,
        StageStatus.NO_TESTS,
        StageStatus.TIMED_OUT,
        StageStatus.CRASHED,
    }
)
RED_PUBLICATION = frozenset({PublicationStatus.FAILED})


class Record(BaseModel):
    """A frozen value that is written down as JSON and read back unchanged."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class EngineFacts(Record):
    """Which inference engine was in the image: the real one or the mock, and which version."""

    kind: Literal["mock", "real"]
    name: str
    version: str | None = None


class StageCounts(Record):
    """How many tests ended how. `collected` counts the selected node ids, whether or not they ran."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    errors: int = 0
    collected: int = 0


class TestFailure(Record):
    """One test that failed, errored, hung or took the process with it.

    `test` is the pytest node id. `verdict`, `since` and `incident` stay null until history has been asked.
    `output` is the traceback and what was captured, cut; None where none is known. All text comes from inside a
    container: show it escaped.
    """

    __test__ = False  # not a test class, whatever pytest thinks of the name

    test: str
    message: str
    output: str | None = None
    verdict: str | None = None
    since: str | None = None
    incident: str | None = None


class ImageOutcome(Record):
    """One (framework, arch, kind) image of one run."""

    date: str
    run_id: str
    framework: str
    arch: str
    kind: Literal["framework", "runtime"]
    status: ImageStatus
    runner: str
    digest: str | None = None
    reference: str | None = Field(
        default=None, description="host/repository@digest, for everything downstream"
    )
    tags: tuple[str, ...] = ()
    size_bytes: int | None = Field(default=None, description="compressed size of config and layers")
    duration_s: float = 0.0
    started_at: datetime | None = None
    source_revision: str | None = None
    engine: EngineFacts | None = None
    base: str | None = Field(default=None, description="what it is built on, as image:tag")
    base_digest: str | None = Field(default=None, description="... and the digest that was pinned to")
    built_by_run: str | None = Field(default=None, description="the run that built a reused image")
    message: str | None = None
    artifacts: dict[str, str] = Field(default_factory=dict, description="name -> key in the artifact store")


class StageOutcome(Record):
    """One (framework, arch, stage) of one run."""

    date: str
    run_id: str
    framework: str
    arch: str
    stage: str
    status: StageStatus
    runner: str
    mode: Literal["run", "collect"] = "run"
    counts: StageCounts = StageCounts()
    failures: tuple[TestFailure, ...] = ()
    duration_s: float = 0.0
    started_at: datetime | None = None
    image_digest: str | None = None
    engine: EngineFacts | None = None
    message: str | None = None
    artifacts: dict[str, str] = Field(default_factory=dict)


class PublishedCopy(Record):
    """What one registry answered for one published image."""

    registry: str = Field(description="the registry's role in the profile: ecr, acr")
    reference: str
    tags: tuple[str, ...]
    digest: str | None
    uploaded_bytes: int = 0
    message: str | None = None


class PublicationOutcome(Record):
    """An image or a multi-arch index, in every registry it belongs in. `arch` is None for an index."""

    date: str
    run_id: str
    framework: str
    arch: str | None
    status: PublicationStatus
    digest: str | None = None
    platforms: tuple[str, ...] = ()
    copies: tuple[PublishedCopy, ...] = ()
    signed: bool = Field(default=False, description="whether every copy has its signature")
    duration_s: float = 0.0
    started_at: datetime | None = None
    message: str | None = None
    artifacts: dict[str, str] = Field(default_factory=dict)
