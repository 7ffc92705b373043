"""Which failures of a night are run again to tell chance, surroundings and regressions apart, and what that showed.

Only failures are of which that can tell more: those that are new, and those that may be chance but were not proven so
tonight. How many, how long and whether at all is bounded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pydantic import Field

from nightly_pipeline.model.catalog import Strict
from nightly_pipeline.model.history import BAD_RESULTS, GOOD_RESULTS, TestResult, TestRow
from nightly_pipeline.model.judgement import TestVerdict, Verdict
from nightly_pipeline.model.outcomes import Record, StageOutcome
from nightly_pipeline.model.past import engine_kind
from nightly_pipeline.model.plan import Key, stage_key

_ON_ITS_OWN_NIGHT = frozenset({"night", "import", "confirmation"})


class Limits(Strict):
    """How far confirming reruns go.

    Attributes:
        enabled: whether there are any.
        max_tests: of one stage; the rest is left out.
        max_minutes: for all reruns of a run of the night together.
        max_failed_share: of the tests of a stage that ran; when more of them are bad, none of the stage is repeated.
        always_up_to: so few bad tests of a stage may be repeated whatever their share: repeating a handful costs
            little, and of a small stage a handful is a large share.
        previous_image: also run what is bad again on the image on which it was good last.
    """

    enabled: bool = True
    max_tests: int = Field(default=50, gt=0)
    max_minutes: float = Field(default=30.0, gt=0)
    max_failed_share: float = Field(default=0.5, gt=0, le=1)
    always_up_to: int = Field(default=3, ge=0)
    previous_image: bool = True


class PlannedRerun(Record):
    """What is run again of one stage.

    Attributes:
        tests: node ids, none when `skipped` says why; those that took their process with them come last.
        left_out: how many failures are more than may be repeated.
        revision: the commit of the image, as far as it is known.
    """

    stage: StageOutcome
    tests: tuple[str, ...] = ()
    revision: str | None = None
    left_out: int = 0
    skipped: str | None = None

    @property
    def key(self) -> Key:
        """The key of the stage."""
        return stage_key(self.stage.framework, self.stage.arch, self.stage.stage)


class Confirmed(Record):
    """What the confirming reruns of one stage showed. It changes no outcome.

    Attributes:
        run_id: the run of the night whose failures these are.
        again: node id -> how it ended on the same image.
        previous: node id -> how it ended on the image on which it was good last, `previous_digest`.
        left_out: how many failures were not repeated.
        notes: what was not done, and why.
        problems: what should have been done and could not be; asked again, it is tried again.
        artifacts: name -> key in the artifact store.
    """

    date: str
    run_id: str
    framework: str
    arch: str
    stage: str
    again: dict[str, TestResult] = Field(default_factory=dict)
    previous: dict[str, TestResult] = Field(default_factory=dict)
    previous_digest: str | None = None
    left_out: int = 0
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    artifacts: dict[str, str] = Field(default_factory=dict)

    @property
    def bad_again(self) -> tuple[str, ...]:
        """The tests that were bad on the same image once more."""
        return tuple(test for test, result in self.again.items() if result in BAD_RESULTS)


@dataclass(frozen=True)
class GoodImage:
    """An image on which tests were good before tonight, by one of its results."""

    row: TestRow
    tests: tuple[str, ...]


def plan_reruns(
    stages: Iterable[StageOutcome],
    verdicts: Iterable[TestVerdict],
    limits: Limits,
    *,
    revision: str | None = None,
) -> tuple[PlannedRerun, ...]:
    """What to run again: one entry for each stage with failures to repeat, also where nothing of it may run.

    Args:
        stages: of one run.
        verdicts: of that run's tests, before anything was repeated.
        limits: the profile's.
        revision: the commit of the run's images.
    """
    open_: dict[tuple[str, str, str], list[TestVerdict]] = defaultdict(list)
    for one in verdicts:
        if one.verdict is Verdict.NEW or _may_be_chance(one):
            open_[one.test.framework, one.test.arch, one.test.stage].append(one)
    found = ((stage, open_.get((stage.framework, stage.arch, stage.stage), [])) for stage in stages)
    planned = (_planned(stage, own, limits) for stage, own in found if own and limits.enabled)
    return tuple(one.model_copy(update={"revision": revision}) for one in planned)


def _may_be_chance(one: TestVerdict) -> bool:
    """Bad tonight, and on one image both good and bad, but not yet tonight: on an earlier night, or across two nights.

    Without a repetition an image that runs another night makes all that is bad on it look like chance, and a flake
    that fails on two nights in a row look like a break.
    """
    tonight = one.strip[-1] if one.strip else None
    if tonight is None or tonight.flaky or tonight.result not in BAD_RESULTS:
        return False
    flaked = any(night.flaky for night in one.strip)
    return one.verdict is Verdict.FLAKY or (one.verdict is Verdict.RECURRING and flaked)


def _planned(stage: StageOutcome, bad: Sequence[TestVerdict], limits: Limits) -> PlannedRerun:
    skipped = _why_not(stage, limits)
    if skipped is not None:
        return PlannedRerun(stage=stage, left_out=len(bad), skipped=skipped)
    tests = [one.test.node_id for one in sorted(bad, key=_order) if "::" in one.test.node_id]
    if not tests:
        skipped = "its files could not be collected: there are no single tests to repeat"
    chosen = tuple(tests[: limits.max_tests])
    return PlannedRerun(stage=stage, tests=chosen, left_out=len(bad) - len(chosen), skipped=skipped)


def _why_not(stage: StageOutcome, limits: Limits) -> str | None:
    counts = stage.counts
    bad = counts.failed + counts.errors
    share = bad / max(counts.passed + bad, 1)
    if stage.mode == "collect" or stage.image_digest is None:
        return "nothing of it ran"
    if bad > limits.always_up_to and share > limits.max_failed_share:
        return f"{bad} of {counts.passed + bad} tests are bad: too large a share to be repeated"
    return None


def _order(verdict: TestVerdict) -> tuple[bool, bool, str]:
    """What is new comes first; what took its process with it last, or what comes after it would not run."""
    crashed = bool(verdict.strip) and verdict.strip[-1].result is TestResult.CRASHED
    return crashed, verdict.verdict is not Verdict.NEW, verdict.test.node_id


def last_good_image(
    rows: Iterable[TestRow], tests: Sequence[str], *, tonight: StageOutcome
) -> GoodImage | None:
    """The image on which these tests were good last, if it is another than tonight's.

    Where they were last good on different images, it is the newest of them, with the tests that were good on it.
    """
    newest: dict[str, TestRow] = {}
    for row in rows:
        if row.node_id in tests and _is_good_before(row, tonight):
            known = newest.get(row.node_id)
            newest[row.node_id] = row if known is None or _when(row) >= _when(known) else known
    others = [row for row in newest.values() if row.image_digest != tonight.image_digest]
    if not others:
        return None
    last = max(others, key=_when)
    own = {row.node_id for row in others if row.image_digest == last.image_digest}
    return GoodImage(last, tuple(test for test in tests if test in own))


def _is_good_before(row: TestRow, tonight: StageOutcome) -> bool:
    same_stage = (row.framework, row.arch, row.stage) == (tonight.framework, tonight.arch, tonight.stage)
    same_engine = tonight.engine is None or engine_kind(row) == tonight.engine.kind
    good = row.result in GOOD_RESULTS and row.source in _ON_ITS_OWN_NIGHT
    return same_stage and same_engine and good and row.date < tonight.date and row.image_digest is not None


def _when(row: TestRow) -> tuple[str, float]:
    return row.date, row.finished_at.timestamp() if row.finished_at else 0.0
