"""What a night means against the nights before it: verdicts, incidents, changes and drifts.

A report says what happened; a judgement says what is new, since when, and what belongs together. It is made from the
history alone, and explains: it never makes a red stage green.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from nightly_pipeline.model.history import TestIdentity, TestResult
from nightly_pipeline.model.outcomes import Record


class Verdict(StrEnum):
    """What a test's result means, seen over time."""

    NEW = "new"  # bad tonight, good the last time it ran
    RECURRING = "recurring"  # bad the last time it ran, too
    FLAKY = "flaky"  # a pass and a fail on one and the same image digest
    ENVIRONMENT = (
        "environment"  # bad on last night's image now as well, where it was good: not the image's doing
    )
    FIXED = "fixed"  # good tonight, bad the last time it ran
    QUARANTINED = "quarantined"  # bad, and known by name, owner and date
    UNKNOWN = "unknown"  # bad, and there is nothing to compare it with


class NightResult(Record):
    """One square of a history strip. `result` is None where the test did not run that night."""

    date: str
    result: TestResult | None
    flaky: bool = False


class TestVerdict(Record):
    """One test of one cell.

    Attributes:
        since: the first bad night of the present row of bad ones (of a fixed test: of the row that ended).
        nights: how many nights in a row it was bad, tonight included.
        first_bad_revision: the commit of `since`.
        last_good, last_good_revision: the night before that row when it was good, and its commit.
        incident: id of the incident it belongs to.
        strip: the last nights, oldest first, tonight last.
        why: what the verdict stands on, in a sentence.
    """

    __test__ = False

    test: TestIdentity
    verdict: Verdict
    since: str | None = None
    nights: int = 0
    first_bad_revision: str | None = None
    last_good: str | None = None
    last_good_revision: str | None = None
    incident: str | None = None
    owners: tuple[str, ...] = ()
    strip: tuple[NightResult, ...] = ()
    why: str = ""


class Incident(Record):
    """Failures with one cause, read as one line: `1 incident, 30 tests, 4 cells, since Tuesday`.

    Attributes:
        id: short and stable from night to night while the error stays the same.
        title: the error in a line, untrusted text.
        verdict: of its tests: new when all are, else recurring; flaky, environment or quarantined when all are.
        message: one of the errors in full.
        owners: who is asked first, as the owners' file spells them.
        suspects: authors of commits since the last good night, newest first.
    """

    id: str
    title: str
    verdict: Verdict
    tests: tuple[TestIdentity, ...]
    cells: tuple[tuple[str, str], ...]
    since: str | None
    nights: int
    message: str = ""
    last_good: str | None = None
    first_bad_revision: str | None = None
    last_good_revision: str | None = None
    owners: tuple[str, ...] = ()
    suspects: tuple[str, ...] = ()


class Drift(Record):
    """A duration or size that left its usual range.

    Attributes:
        what: `stage`, `test`, `build`, `build_step`, `image_size` or `night`.
        name: of the test or build step; of a build or its size the image (`runtime_image`); empty elsewhere.
        usual, spread: median and median absolute deviation of the nights before, in the unit of `value`.
        nights: how many nights those are.
        slow: it crept there over many nights; `value` is then the median of the last few.
    """

    what: Literal["stage", "test", "build", "build_step", "image_size", "night"]
    framework: str | None
    arch: str | None
    stage: str | None = None
    name: str = ""
    value: float
    usual: float
    spread: float
    unit: Literal["s", "bytes"]
    nights: int
    slow: bool = False


class QuarantineNote(Record):
    """How an entry of the quarantine stands tonight.

    Attributes:
        test: the entry's pattern of node ids.
        state: `active`; `expired`: its failures count again; `ready_to_leave`: every test of it passed long enough,
            so it counts no more; `unmatched`: no test of tonight's is meant.
        failing: how many of its tests are bad tonight.
        passed_nights: for how many nights in a row all of its tests have been good.
    """

    test: str
    state: Literal["active", "expired", "ready_to_leave", "unmatched"]
    owner: str
    reason: str
    issue: str
    expires: str
    cells: tuple[str, ...] = ()
    failing: int = 0
    passed_nights: int = 0


class PackageChange(Record):
    """A package of an image: added (no `before`), removed (no `after`) or of another version."""

    name: str
    before: str | None
    after: str | None


class Commit(Record):
    """One commit between two nights. All text is the author's own: untrusted."""

    revision: str
    author: str
    subject: str


class StepChange(Record):
    """A step of an image's build that took another time. None: it was cached, or was not there."""

    name: str
    before_s: float | None
    after_s: float | None


class ImageChange(Record):
    """What changed in one image since the night it is compared with. None and empty mean not known or nothing.

    Attributes:
        steps: those of the build that account for the difference, the largest first.
    """

    framework: str
    arch: str
    kind: Literal["framework", "runtime"]
    compared_with: str
    digest_before: str | None = None
    digest_after: str | None = None
    base_before: str | None = None
    base_after: str | None = None
    packages: tuple[PackageChange, ...] = ()
    size_before: int | None = None
    size_after: int | None = None
    build_before_s: float | None = None
    build_after_s: float | None = None
    steps: tuple[StepChange, ...] = ()


class Judgement(Record):
    """A night against its past.

    Attributes:
        compared_with: the night before with results of the same kind of engine; None: there is none.
        known_nights: how many nights of history it stands on.
        verdicts: every bad test of tonight, and the fixed ones.
        strips_left_out: how many verdicts were written down without their strip, where there were too many.
    """

    compared_with: str | None = None
    known_nights: int = 0
    verdicts: tuple[TestVerdict, ...] = ()
    incidents: tuple[Incident, ...] = ()
    drifts: tuple[Drift, ...] = ()
    changes: tuple[ImageChange, ...] = ()
    commits: tuple[Commit, ...] = ()
    quarantine: tuple[QuarantineNote, ...] = ()
    strips_left_out: int = 0
