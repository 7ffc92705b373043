"""Runs the new failures of a night again: on the same image, then on the image on which they were good last.

What is found are rows for the history, by which the night is judged, and a record of each stage beside its artifacts.
No outcome of the night is touched: a stage stays as red as it was.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Literal

from pydantic import ValidationError

from nightly_pipeline.errors import NightlyError
from nightly_pipeline.model.confirmation import (
    Confirmed,
    GoodImage,
    Limits,
    PlannedRerun,
    last_good_image,
)
from nightly_pipeline.model.history import BAD_RESULTS, TestIdentity, TestResult, TestRow
from nightly_pipeline.model.outcomes import EngineFacts, ImageOutcome, ImageStatus, StageOutcome, StageStatus
from nightly_pipeline.model.plan import Key, PlannedStage, stage_key
from nightly_pipeline.model.untrusted import short_line
from nightly_pipeline.steps.ports import History, LineSink
from nightly_pipeline.steps.records import NightRecords
from nightly_pipeline.steps.rerun_tests import Purpose, Rerun, in_time, rerun_tests
from nightly_pipeline.steps.stages import StageRun, StageTools

RECORD_FILE = "confirmation.json"
_FEWEST_SECONDS = 1.0
_NAMED, _NAME_LIMIT = 3, 200  # of tests that were not there, and characters of each
_Where = Literal["confirmation", "previous_image"]


@dataclass(frozen=True)
class ConfirmTools:
    """What confirming reruns work with.

    Attributes:
        stages: the stages as the profile plans them.
        run_id: of the run that repeats the tests: containers and folders are its own.
        workspace: an empty folder for one rerun, removed afterwards.
    """

    stages: Mapping[Key, PlannedStage]
    run_id: str
    records: NightRecords
    history: History
    stage_tools: Callable[[Path], StageTools]
    workspace: Callable[[str, Key], AbstractContextManager[Path]]
    log: LineSink


def confirm(reruns: Iterable[PlannedRerun], tools: ConfirmTools, limits: Limits) -> tuple[Confirmed, ...]:
    """Run again what is planned, one stage after the other; what was confirmed before is not run another time.

    What goes wrong with one stage is said in its record, and the next one is repeated all the same.
    """
    end = monotonic() + limits.max_minutes * 60
    return tuple(_confirmed(rerun, tools, limits, end) for rerun in reruns)


def _confirmed(rerun: PlannedRerun, tools: ConfirmTools, limits: Limits, end: float) -> Confirmed:
    known = _known(rerun, tools)
    if known is not None and not known.problems:
        return known
    attempt = _Attempt(rerun, tools, limits, end, known)
    try:
        found = attempt.run()
    except (NightlyError, OSError) as error:
        found = attempt.with_problem(error.message if isinstance(error, NightlyError) else str(error))
    return _kept(found, rerun, tools)


def _folder(rerun: PlannedRerun, tools: ConfirmTools) -> str:
    stage = rerun.stage
    return f"{tools.records.folder(stage.date, stage.run_id, rerun.key)}/confirmation"


def _known(rerun: PlannedRerun, tools: ConfirmTools) -> Confirmed | None:
    """What was written down of this stage of this run before; nothing where it cannot be read."""
    try:
        content = tools.records.store.read(f"{_folder(rerun, tools)}/{RECORD_FILE}")
        return Confirmed.model_validate_json(content) if content else None
    except (NightlyError, ValidationError):
        return None


def _kept(found: Confirmed, rerun: PlannedRerun, tools: ConfirmTools) -> Confirmed:
    document = found.model_dump_json(indent=2).encode(errors="backslashreplace")
    try:
        tools.records.store.write(f"{_folder(rerun, tools)}/{RECORD_FILE}", document)
    except (NightlyError, OSError) as error:
        problem = f"it could not be written down: {error}"
        return found.model_copy(update={"problems": (*found.problems, problem)})
    return found


class _Attempt:
    """The reruns of one stage."""

    def __init__(
        self, rerun: PlannedRerun, tools: ConfirmTools, limits: Limits, end: float, known: Confirmed | None
    ) -> None:
        self.rerun, self.tools, self.limits, self.end = rerun, tools, limits, end
        stage = rerun.stage
        before = known.model_dump(include={"again", "previous", "previous_digest"}) if known else {}
        self.found = Confirmed(
            date=stage.date,
            run_id=stage.run_id,
            framework=stage.framework,
            arch=stage.arch,
            stage=stage.stage,
            left_out=rerun.left_out,
            notes=_notes(rerun),
            **before,
        )

    def run(self) -> Confirmed:
        """Repeat what is planned.

        Raises:
            NightlyError: the history cannot be read or written to, or a registry could not be asked.
        """
        if self.rerun.skipped is not None:
            return self.found
        again = self._again(self.rerun.tests, _tonights_image(self.rerun), "confirmation")
        self.found = self.found.model_copy(update={"again": {**self.found.again, **again}})
        bad = tuple(test for test, result in again.items() if result in BAD_RESULTS)
        if bad and self.limits.previous_image:
            self._on_previous_image(bad)
        return self.found

    def with_problem(self, problem: str) -> Confirmed:
        """What was found so far, and what went wrong."""
        self.found = self.found.model_copy(update={"problems": (*self.found.problems, problem)})
        return self.found

    def _on_previous_image(self, bad: tuple[str, ...]) -> None:
        stage = self.rerun.stage
        cell = {"framework": stage.framework, "arch": stage.arch, "stage": stage.stage}
        rows = self.tools.history.of_tests(
            [TestIdentity(**cell, node_id=test) for test in bad], until=stage.date
        )
        good = last_good_image(rows, bad, tonight=stage)
        if good is None:
            self._note("there is no other image on which they were good")
            return
        image = _earlier_image(stage, good)
        if not self._is_there(image):
            self._note(
                f"the image of {good.row.date}, on which they were good, is not in the registry any more"
            )
            return
        previous = self._again(good.tests, image, "previous_image")
        known = self.found.previous if self.found.previous_digest == image.digest else {}
        found = {"previous": {**known, **previous}, "previous_digest": image.digest}
        self.found = self.found.model_copy(update=found)

    def _is_there(self, image: ImageOutcome) -> bool:
        with self.tools.workspace(self.tools.run_id, (*self.rerun.key, "registry")) as folder:
            return self.tools.stage_tools(folder).registry.digest_of(image.digest or "") is not None

    def _note(self, note: str) -> None:
        self.found = self.found.model_copy(update={"notes": (*self.found.notes, note)})

    def _again(self, tests: tuple[str, ...], image: ImageOutcome, where: _Where) -> dict[str, TestResult]:
        """Run tests on an image, remember and return how they ended."""
        planned, seconds = self.tools.stages.get(self.rerun.key), self.end - monotonic()
        if planned is None or seconds < _FEWEST_SECONDS:
            why = "the profile plans this stage no more" if planned is None else "the time was over"
            self.with_problem(f"not repeated: {why}")
            return {}
        stage = self.rerun.stage
        whole = StageRun(planned, stage.date, self.tools.run_id, image, only=tests)
        run = in_time(whole, seconds)
        done = self._rerun(run, Purpose(where, self._place(where), image.source_revision))
        cut_short = run.planned.timeout_s < planned.timeout_s and done.status is StageStatus.TIMED_OUT
        rows = [self._own(row) for row in done.rows if _says_something(row, tests, cut_short=cut_short)]
        for problem in _not_repeated(tests, rows, done, cut_short=cut_short):
            self.with_problem(f"on the earlier image {problem}" if where == "previous_image" else problem)
        if rows:
            part = "-".join((where, *self.rerun.key))
            kept = self._seen_before(where, {row.node_id for row in rows})
            self.tools.history.add([*kept, *rows], date=stage.date, run_id=stage.run_id, part=part)
        return {row.node_id: row.result for row in rows}

    def _seen_before(self, where: _Where, tests: set[str]) -> list[TestRow]:
        """What an attempt that did not come to its end saw of other tests: it is as true as before."""
        stage = self.rerun.stage
        rows = self.tools.history.tests(stage.date, run_id=stage.run_id)
        own = (row for row in rows if row.source == where and row.node_id not in tests)
        return [row for row in own if stage_key(row.framework, row.arch, row.stage) == self.rerun.key]

    def _rerun(self, run: StageRun, purpose: Purpose) -> Rerun:
        with self.tools.workspace(self.tools.run_id, (*self.rerun.key, purpose.source)) as folder:
            done = rerun_tests(run, self.tools.stage_tools(folder), self.tools.log, purpose)
        kept = {f"{purpose.source}_{name}": key for name, key in done.artifacts.items()}
        self.found = self.found.model_copy(update={"artifacts": {**self.found.artifacts, **kept}})
        return done

    def _place(self, where: _Where) -> str:
        name = "same_image" if where == "confirmation" else where
        return f"{_folder(self.rerun, self.tools)}/{name}"

    def _own(self, row: TestRow) -> TestRow:
        """The row as one of the run whose failures are repeated, not of the run that repeats them."""
        return row.model_copy(update={"run_id": self.rerun.stage.run_id})


def _notes(rerun: PlannedRerun) -> tuple[str, ...]:
    if rerun.skipped is not None:
        return (rerun.skipped,)
    return (f"{rerun.left_out} more failures were not repeated",) if rerun.left_out else ()


def _says_something(row: TestRow, tests: tuple[str, ...], *, cut_short: bool) -> bool:
    """Whether a row tells of one of these tests; what our own, shorter deadline ended tells nothing."""
    ended = row.result not in {TestResult.NOT_RUN, TestResult.COLLECTED}
    return row.node_id in tests and ended and not (cut_short and row.result is TestResult.CRASHED)


def _not_repeated(
    tests: Sequence[str], rows: Iterable[TestRow], done: Rerun, *, cut_short: bool
) -> Iterator[str]:
    """One line for each reason why tests have no row; what was not there is named, as the others ran all the same."""
    told = {row.node_id for row in rows}
    reasons: dict[str, list[str]] = defaultdict(list)
    for test in tests:
        if test not in told:
            over = cut_short and test not in done.absent
            reasons["the time was over" if over else done.why_not(test)].append(test)
    for why, missing in reasons.items():
        names = f" ({_names(missing)})" if missing[0] in done.absent else ""
        yield f"{len(missing)} of {len(tests)} could not be repeated{names}: {why}"


def _names(tests: Sequence[str]) -> str:
    more = [f"{len(tests) - _NAMED} more"] if len(tests) > _NAMED else []
    return ", ".join([*(short_line(test, _NAME_LIMIT) for test in tests[:_NAMED]), *more])


def _tonights_image(rerun: PlannedRerun) -> ImageOutcome:
    stage = rerun.stage
    return _image(stage, stage.image_digest, stage.engine, rerun.revision)


def _earlier_image(stage: StageOutcome, good: GoodImage) -> ImageOutcome:
    row, engine = good.row, stage.engine
    if row.engine and row.engine_kind:
        name, _, version = row.engine.partition(" ")
        engine = EngineFacts(kind=row.engine_kind, name=name, version=version or None)
    return _image(stage, row.image_digest, engine, row.source_revision)


def _image(
    stage: StageOutcome, digest: str | None, engine: EngineFacts | None, revision: str | None
) -> ImageOutcome:
    return ImageOutcome(
        date=stage.date,
        run_id=stage.run_id,
        framework=stage.framework,
        arch=stage.arch,
        kind="runtime",
        status=ImageStatus.BUILT,
        runner=stage.runner,
        digest=digest,
        engine=engine,
        source_revision=revision,
    )
