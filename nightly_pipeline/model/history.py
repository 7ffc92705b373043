"""What is remembered of every night: one row per test, one per image and stage, flat enough for a table.

The history outlives the artifacts. A row names a test by its identity (node id, framework, arch, stage), says how it
ended and on what: the image's digest, the commit, the runner, the engine. Rows of a run are written together, once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

from nightly_pipeline.model.outcomes import Record


class TestResult(StrEnum):
    """How a test ended, after its last attempt."""

    __test__ = False

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"  # set-up, tear-down, or a module that could not be imported
    SKIPPED = "skipped"
    XFAILED = "xfailed"
    XPASSED = "xpassed"
    CRASHED = "crashed"  # it took the process with it, or hung until the deadline
    COLLECTED = "collected"  # a dry run: known to exist, not run
    NOT_RUN = "not_run"  # collected for a real run that ended before it


BAD_RESULTS = frozenset({TestResult.FAILED, TestResult.ERROR, TestResult.CRASHED})
GOOD_RESULTS = frozenset({TestResult.PASSED, TestResult.XFAILED, TestResult.XPASSED})

Source = Literal["night", "confirmation", "previous_image", "bisect", "import"]
"""Why a test ran: in the night itself, again on the same image, again on the last night's, in a search, elsewhere."""


class TestIdentity(Record):
    """What makes two results results of the same test."""

    __test__ = False

    framework: str
    arch: str
    stage: str
    node_id: str

    @property
    def cell(self) -> tuple[str, str]:
        """(framework, arch)."""
        return self.framework, self.arch


class TestRow(Record):
    """One test of one run.

    Attributes:
        date: the night, YYYY-MM-DD.
        attempts: how often it ran in this stage, reruns included; 0 for what did not run.
        failed_attempts: how many of those were bad: with a good result this is a flake seen inside one stage.
        duration_s: of all phases of the last attempt.
        signature: the normalised error, equal for failures of one cause; None where nothing was bad.
        message: the error's first lines, untrusted text, cut.
        image_digest: of the runtime image it ran in.
        finished_at: when its stage ended, which orders runs of one night.
    """

    __test__ = False

    date: str
    run_id: str
    framework: str
    arch: str
    stage: str
    node_id: str
    result: TestResult
    source: Source = "night"
    attempts: int = 1
    failed_attempts: int = 0
    duration_s: float = 0.0
    signature: str | None = None
    message: str | None = None
    image_digest: str | None = None
    source_revision: str | None = None
    runner: str | None = None
    engine: str | None = None
    engine_kind: Literal["mock", "real"] | None = None
    finished_at: datetime | None = None

    @property
    def identity(self) -> TestIdentity:
        """Which test this is a result of."""
        return TestIdentity(framework=self.framework, arch=self.arch, stage=self.stage, node_id=self.node_id)


@dataclass(frozen=True, slots=True)
class SharedRow:
    """One row for all the tests of which it would say the same: night after night, most tests of a stage just pass.

    Attributes:
        row: where several tests have it, its `node_id` is empty and its `duration_s` 0.
        places: of these tests among those that were asked for.
    """

    row: TestRow
    places: Sequence[int]


class EntryRow(Record):
    """One image, publication or stage of one run: what trends and baselines are made of.

    Attributes:
        name: `framework_image`, `runtime_image`, `published_image`, `multi_arch_image`, or a stage's name.
        status: a word of the outcomes.
        size_bytes, pushed_bytes, build_wall_s, cache_hit_rate: of images; None elsewhere.
        build_steps: of an image that was built, as JSON: step -> seconds, see `metrics.step_seconds`; None elsewhere,
            and on nights that were remembered before there was such a column.
        passed, failed, skipped, errors, collected: tests of a stage; 0 elsewhere.
        seen: False when it never began in this run and `status` only says why: an older result of the night counts.
    """

    date: str
    run_id: str
    framework: str
    arch: str | None
    name: str
    status: str
    good: bool
    runner: str | None = None
    duration_s: float = 0.0
    started_at: datetime | None = None
    digest: str | None = None
    source_revision: str | None = None
    engine: str | None = None
    engine_kind: Literal["mock", "real"] | None = None
    size_bytes: int | None = None
    pushed_bytes: int | None = None
    build_wall_s: float | None = None
    cache_hit_rate: float | None = None
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    errors: int = 0
    collected: int = 0
    seen: bool = True
    build_steps: str | None = None

    @property
    def step_seconds(self) -> Mapping[str, float]:
        """How long each step of the build took; empty where it is not known."""
        steps: Mapping[str, float] = json.loads(self.build_steps) if self.build_steps else {}
        return steps


class NightRow(Record):
    """One run of a night, as a whole."""

    date: str
    run_id: str
    status: str
    engine_kind: Literal["mock", "real"]
    profile: str
    partial: bool
    source_revision: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
