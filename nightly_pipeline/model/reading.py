"""A report as people read it: in which order, with which mark, what is a problem and what follows from one.

The table, the page, the message and the terminal all read a report through this, so they cannot disagree.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from nightly_pipeline.model.outcomes import (
    GOOD_IMAGE,
    RED_IMAGE,
    RED_PUBLICATION,
    RED_STAGE,
    ImageOutcome,
    ImageStatus,
    NightStatus,
    PublicationOutcome,
    StageOutcome,
    TestFailure,
)
from nightly_pipeline.model.plan import Key
from nightly_pipeline.model.report import Outcome, Report, RunState, key_of
from nightly_pipeline.model.tags import short_run_id
from nightly_pipeline.model.verdict import Status, is_good


class Tone(StrEnum):
    """What a status means for the night. Unknown is never good."""

    GOOD = "good"
    BAD = "bad"
    UNKNOWN = "unknown"
    PENDING = "pending"  # not there yet, and its run is still going


SYMBOLS = {Tone.GOOD: "✓", Tone.BAD: "✗", Tone.UNKNOWN: "?", Tone.PENDING: "…"}
NIGHT_TONES = {
    NightStatus.GREEN: Tone.GOOD,
    NightStatus.RED: Tone.BAD,
    NightStatus.INCOMPLETE: Tone.UNKNOWN,
}
MOCK_NOTE = "MOCK ENGINE: no real inference engine ran. These results say nothing about one."

_CAUSE_ORDER = (
    "failed",
    "timed_out",
    "crashed",
    "collect_error",
    "no_tests",
    "infra_error",
    "cancelled",
    "not_run",
)
_NEWEST_FIRST = {"new": 0, None: 1, "recurring": 2, "flaky": 3, "quarantined": 4}


def tone_of(status: Status) -> Tone:
    """What a status means for the night, when its run has ended."""
    if is_good(status):
        return Tone.GOOD
    red = status in RED_IMAGE or status in RED_STAGE or status in RED_PUBLICATION
    return Tone.BAD if red else Tone.UNKNOWN


@dataclass(frozen=True)
class Item:
    """One image, publication or stage of a report."""

    outcome: Outcome
    tone: Tone
    follows: bool = False
    """It is not good only because something before it is not."""

    @property
    def cell(self) -> str:
        """`framework/arch`, or the framework alone for a multi-arch index."""
        return "/".join(part for part in (self.outcome.framework, self.outcome.arch) if part)

    @property
    def name(self) -> str:
        """`framework_image`, `runtime_image`, `published_image`, `multi_arch_image`, or the stage's name."""
        return self.outcome.stage if isinstance(self.outcome, StageOutcome) else key_of(self.outcome)[-1]

    @property
    def label(self) -> str:
        """Its whole name: `vllm/amd64/unit`."""
        return f"{self.cell}/{self.name}"

    @property
    def word(self) -> str:
        """Its status, in the word that the whole project uses."""
        return self.outcome.status.value

    @property
    def symbol(self) -> str:
        """A mark that does not lean on colour."""
        return SYMBOLS[self.tone]

    @property
    def runner(self) -> str | None:
        """Label of the runner; publications have none."""
        return None if isinstance(self.outcome, PublicationOutcome) else self.outcome.runner

    @property
    def failures(self) -> tuple[TestFailure, ...]:
        """Failing tests, new ones first."""
        if not isinstance(self.outcome, StageOutcome):
            return ()
        return tuple(sorted(self.outcome.failures, key=_newness))

    @property
    def anchor(self) -> str:
        """A name for links inside a page."""
        return "".join(char if char.isalnum() else "-" for char in self.label)


def label_of(key: Key) -> str:
    """The name of an entry of a plan, as tables and log lines have it.

    >>> label_of(("vllm", "amd64", "unit_tests"))
    'vllm/amd64/unit'
    """
    return "/".join((*key[:-1], key[-1].removesuffix("_tests")))


def items(report: Report) -> tuple[Item, ...]:
    """Everything of a report, cell by cell: images, publication, stages; then the framework's index."""
    outcomes: tuple[Outcome, ...] = (*report.images, *report.publications, *report.stages)
    frameworks = list(dict.fromkeys(outcome.framework for outcome in outcomes))
    arches = list(dict.fromkeys(outcome.arch for outcome in outcomes if outcome.arch))
    ordered = sorted(
        outcomes,
        key=lambda one: (
            frameworks.index(one.framework),
            arches.index(one.arch) if one.arch else len(arches),
        ),
    )
    lost = _lost_cells(report)
    running = {run.run_id for run in report.runs if run.state is RunState.RUNNING}
    return tuple(_item(outcome, lost, pending=outcome.run_id in running) for outcome in ordered)


def causes(report: Report) -> tuple[Item, ...]:
    """What is not good by itself: new failures first, then what makes a night red, then what nobody knows."""
    found = [one for one in items(report) if one.tone in {Tone.BAD, Tone.UNKNOWN} and not one.follows]
    return tuple(sorted(found, key=_urgency))


def consequences(report: Report) -> tuple[Item, ...]:
    """What is not good because something before it is not."""
    return tuple(one for one in items(report) if one.follows and one.tone is not Tone.PENDING)


def headline(report: Report) -> str:
    """The verdict in a few words: `green`, `red, partial run`, or how far a running night has come."""
    partial = ", partial run" if report.partial else ""
    if not report.running:
        return f"{report.status.value}{partial}"
    everything = items(report)
    done = sum(one.tone is not Tone.PENDING for one in everything)
    so_far = ", red so far" if report.status is NightStatus.RED else ""
    return f"running{partial}{so_far}, {done} of {len(everything)} done"


def night_tone(report: Report) -> Tone:
    """What the verdict means. A night that still runs is red as soon as something failed, and never green."""
    tone = NIGHT_TONES[report.status]
    return Tone.PENDING if report.running and tone is not Tone.BAD else tone


def mock_note(report: Report) -> str | None:
    """What must stand beside every result of a mock engine; None when every engine seen was real.

    An outcome that says `mock` is believed over a plan that says `real`.
    """
    outcomes: tuple[ImageOutcome | StageOutcome, ...] = (*report.images, *report.stages)
    seen = {outcome.engine.kind for outcome in outcomes if outcome.engine} | {report.engine}
    return MOCK_NOTE if "mock" in seen else None


def notes(report: Report) -> tuple[str, ...]:
    """What a reader must know to read the verdict right: partial, re-run, several runs, revision."""
    found = []
    if report.partial:
        found.append(
            "Partial run: only a selected part of the night was planned; nothing is said about the rest."
        )
    found += [
        f"Re-run: {short_run_id(run.run_id)} repeats {short_run_id(run.rerun_of)}."
        for run in report.runs
        if run.rerun_of
    ]
    if len(report.runs) > 1:
        found.append(f"Shows the newest result of each from {len(report.runs)} runs.")
    if report.source_revision is None:
        found.append("The source revision is not known.")
    elif "-dirty" in report.source_revision:
        found.append("Built from a working tree with changes that are in no commit.")
    return tuple(found)


def short_revision(report: Report) -> str:
    """The commit as people quote it: its first twelve characters, and `-dirty` where it was."""
    revision = report.source_revision or "unknown"
    commit, dirty, _ = revision.partition("-dirty")
    return commit[:12] + dirty


def duration_s(report: Report) -> float | None:
    """Seconds the night's runs took, one after the other; None when none has ended."""
    spans = [
        (run.ended_at - run.started_at).total_seconds()
        for run in report.runs
        if run.started_at and run.ended_at
    ]
    return sum(spans) if spans else None


def _item(outcome: Outcome, lost: frozenset[str], *, pending: bool) -> Item:
    waits = outcome.status.value == "not_run" and pending
    lost_image = isinstance(outcome, ImageOutcome) and outcome.kind == "runtime" and _cell(outcome) in lost
    follows = outcome.status.value == "blocked" or (lost_image and outcome.status is ImageStatus.NOT_RUN)
    return Item(outcome, Tone.PENDING if waits and not follows else tone_of(outcome.status), follows=follows)


def _lost_cells(report: Report) -> frozenset[str]:
    """Cells whose framework image is known not to be there."""
    return frozenset(
        _cell(image)
        for image in report.images
        if image.kind == "framework" and image.status not in GOOD_IMAGE | {ImageStatus.NOT_RUN}
    )


def _cell(image: ImageOutcome) -> str:
    return f"{image.framework}/{image.arch}"


def _newness(failure: TestFailure) -> int:
    return _NEWEST_FIRST.get(failure.verdict, 1)


def _urgency(item: Item) -> tuple[int, int, int]:
    newest = min((_newness(failure) for failure in item.failures), default=1)
    word = _CAUSE_ORDER.index(item.word) if item.word in _CAUSE_ORDER else len(_CAUSE_ORDER)
    return (item.tone is not Tone.BAD, min(newest, 1), word)
