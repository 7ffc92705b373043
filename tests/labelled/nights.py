"""Nights played out: what a history would hold of a scenario, and the label of everything in it.

The labels come from the hidden causes and from what ran; the rules that are measured are not asked. Confirming reruns
happen as the pipeline makes them: of tests that were not bad the last time, bounded, none where most of a stage fails.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

from nightly_pipeline.model.history import TestIdentity, TestResult, TestRow
from nightly_pipeline.model.signature import signature_of
from tests.labelled.causes import Cause, Scenario
from tests.labelled.suite import FRAMEWORKS, STAGES, Key, stage_of

FIRST_NIGHT = date(2026, 3, 1)
MOST_CONFIRMED = 60
"""Tests of a stage that are repeated at most."""
_BAD = (TestResult.FAILED, TestResult.ERROR)


@dataclass(frozen=True)
class Run:
    """One run of a test as it happened: its row, what made it bad, and what made an attempt before it bad."""

    row: TestRow
    cause: Cause | None = None
    before: Cause | None = None


@dataclass
class Played:
    """A scenario as it happened.

    Attributes:
        rows: night -> rows of the tests that have a cause, as the history would hold them.
        digests: (night, framework) -> the image.
        labels: night -> test -> the verdict that is right: `new`, `recurring`, `fixed`, `flaky`, `environment`,
            `quarantined`.
        because: night -> bad test -> the name of its cause.
        keys: the tests with causes.
    """

    scenario: Scenario
    rows: dict[int, list[TestRow]] = field(default_factory=dict)
    digests: dict[tuple[int, str], str] = field(default_factory=dict)
    labels: dict[int, dict[TestIdentity, str]] = field(default_factory=dict)
    because: dict[int, dict[TestIdentity, str]] = field(default_factory=dict)
    keys: dict[Key, list[Cause]] = field(default_factory=dict)

    @property
    def nights(self) -> list[int]:
        """The nights there is anything of."""
        return [night for night in range(self.scenario.nights) if night not in self.scenario.missing]


def day(night: int) -> str:
    """The date of a night."""
    return (FIRST_NIGHT + timedelta(days=night)).isoformat()


def play(scenario: Scenario) -> Played:
    """Play all nights of a scenario, in order."""
    return _Player(scenario).play()


class _Player:
    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.random = Random(scenario.seed + 7)  # noqa: S311 - to be repeated by its seed
        self.played = Played(scenario)
        for cause in scenario.causes:
            for key in cause.tests:
                self.played.keys.setdefault(key, []).append(cause)
        self.built: dict[str, int] = {}
        self.proven: set[TestIdentity] = set()  # passed and failed on one image the last time they ran
        self.last: dict[Key, Cause | None] = {}  # what made its last result bad; None: it was good

    def play(self) -> Played:
        for night in self.played.nights:
            self._images(night)
            ran = {key: self._test(key, night) for key in sorted(self.played.keys)}
            own = [run.row for runs in ran.values() for run in runs]
            again = self._confirmations(ran, night)
            self.played.rows[night] = [*own, *again]
            self._label(ran, night)
            self._note_proofs([*own, *again])
        return self.played

    def _images(self, night: int) -> None:
        for framework in FRAMEWORKS:
            if (night, framework) not in self.scenario.reused or framework not in self.built:
                self.built[framework] = night
            self.played.digests[night, framework] = f"sha256:{framework}-{self.built[framework]:04d}"

    def _test(self, key: Key, night: int) -> list[Run]:
        """What ran of a test in the night itself, once or twice."""
        framework, number = key
        absent = self.scenario.infra.get((night, framework, stage_of(number)))
        if absent == "whole":
            return []
        if absent == "half" and number % 2:
            return [Run(self._row(key, night, TestResult.NOT_RUN, attempts=0))]
        if (night, key) in self.scenario.skipped:
            return [Run(self._row(key, night, TestResult.SKIPPED))]
        runs = 2 if (night, framework) in self.scenario.reruns else 1
        return [self._run(key, night, at) for at in range(runs)]

    def _run(self, key: Key, night: int, at: int) -> Run:
        cause, before = self._failing(key, night), None
        if cause is not None and key in self.scenario.retried:
            cause, before = self._failing(key, night), cause
        shown = cause or before
        row = self._row(
            key,
            night,
            self.random.choice(_BAD) if cause else TestResult.PASSED,
            run=at,
            attempts=2 if before else 1,
            failed_attempts=(cause is not None) + (before is not None),
            **(self._told(shown) if shown else {}),
        )
        return Run(row, cause, before)

    def _failing(
        self, key: Key, night: int, image: int | None = None, *, again: bool = False
    ) -> Cause | None:
        """The cause that makes a run bad, if one does. `image` is the night it was built, None for tonight's."""
        image = self.built[key[0]] if image is None else image
        return next(
            (one for one in self.played.keys[key] if self._bites(one, night, image, again=again)), None
        )

    def _bites(self, cause: Cause, night: int, image: int, *, again: bool) -> bool:
        if cause.kind == "break":
            return cause.active(image)
        if cause.kind == "environment":
            return cause.active(night) and not (again and cause.passes)
        return self.random.random() < cause.rate

    def _confirmations(self, ran: dict[Key, list[Run]], night: int) -> list[TestRow]:
        """The reruns of what is newly bad: on the same image and, when bad again, on last night's."""
        by_stage: dict[tuple[str, str], list[Key]] = {}
        for key, runs in ran.items():
            if (
                runs
                and runs[-1].cause
                and (self.last.get(key) is None or runs[-1].row.identity in self.proven)
            ):
                by_stage.setdefault((key[0], stage_of(key[1])), []).append(key)
        made: list[TestRow] = []
        for (_, stage), keys in by_stage.items():
            if len(keys) <= STAGES[stage] / 2:
                for key in keys[:MOST_CONFIRMED]:
                    made += self._confirm(key, ran[key][-1].row, night)
        return made

    def _confirm(self, key: Key, row: TestRow, night: int) -> list[TestRow]:
        again = self._again(key, row, night)
        before = max((one for one in self.played.nights if one < night), default=None)
        digest = self.played.digests.get((before, key[0])) if before is not None else None
        if again.result is TestResult.PASSED or digest is None or digest == row.image_digest:
            return [again]
        return [again, self._again(key, row, night, digest)]

    def _again(self, key: Key, row: TestRow, night: int, digest: str | None = None) -> TestRow:
        cause = self._failing(key, night, int(digest[-4:]) if digest else None, again=True)
        told = self._told(cause) if cause else {"message": None, "signature": None}
        return row.model_copy(
            update={
                "source": "previous_image" if digest else "confirmation",
                "result": TestResult.FAILED if cause else TestResult.PASSED,
                "attempts": 1,
                "failed_attempts": int(cause is not None),
                "image_digest": digest or row.image_digest,
                **told,
            }
        )

    def _label(self, ran: dict[Key, list[Run]], night: int) -> None:
        labels, because = self.played.labels.setdefault(night, {}), self.played.because.setdefault(night, {})
        for key, runs in ran.items():
            decided = [run for run in runs if run.row.result in (*_BAD, TestResult.PASSED)]
            if not decided:
                continue
            label = self._right(key, decided)
            if label:
                labels[decided[-1].row.identity] = label
            if decided[-1].cause:
                because[decided[-1].row.identity] = decided[-1].cause.name
            self.last[key] = decided[-1].cause

    def _right(self, key: Key, runs: list[Run]) -> str | None:
        cause, last = runs[-1].cause, self.last.get(key)
        if cause is None:
            flaked = any(one and one.kind == "flake" for run in runs for one in (run.cause, run.before))
            if flaked or self._passes_where_it_flaked(key, runs[-1].row):
                return "flaky"
            return "fixed" if last and last.kind == "break" else None
        if key in self.scenario.quarantined:
            return "quarantined"
        by_break = "unknown" if key not in self.last else "recurring" if last is cause else "new"
        return {"flake": "flaky", "environment": "environment"}.get(cause.kind, by_break)

    def _passes_where_it_flaked(self, key: Key, row: TestRow) -> bool:
        """Whether its last result was a flake on the very image that it passes on now."""
        last = self.last.get(key)
        before = max((one for one in self.played.nights if day(one) < row.date), default=None)
        same = before is not None and self.played.digests[before, key[0]] == row.image_digest
        return same and last is not None and last.kind == "flake" and row.identity not in self.proven

    def _note_proofs(self, rows: list[TestRow]) -> None:
        results: dict[TestIdentity, set[bool]] = {}
        for row in rows:
            if row.result in (*_BAD, TestResult.PASSED) and row.source != "previous_image":
                results.setdefault(row.identity, set()).add(row.result in _BAD)
        self.proven = {one for one in self.proven if one not in results} | {
            one for one, seen in results.items() if len(seen) > 1
        }

    def _told(self, cause: Cause) -> dict[str, str]:
        random = self.random
        message = cause.message.format(
            address=hex(random.getrandbits(44)),
            id=f"{random.getrandbits(48):012x}",
            ms=random.randint(1, 90_000),
            number=random.random() * 9,
            port=random.randint(1024, 65_535),
            clock=f"{random.randrange(24):02}:{random.randrange(60):02}:{random.randrange(60):02}",
        )
        return {"message": message, "signature": signature_of(message)}

    def _row(self, key: Key, night: int, result: TestResult, *, run: int = 0, **fields: Any) -> TestRow:
        return TestRow(
            date=day(night),
            run_id=f"run-{night}-{run}",
            **self.scenario.suite.identity(key, night).model_dump(),
            result=result,
            image_digest=self.played.digests[night, key[0]],
            source_revision=f"commit-{self.built[key[0]]}",
            engine_kind="mock",
            finished_at=at_hour(night, 9 + 3 * run),
            **fields,
        )


def at_hour(night: int, hour: int) -> datetime:
    """A time of the day of a night, UTC."""
    return datetime.combine(FIRST_NIGHT, datetime.min.time(), UTC) + timedelta(days=night, hours=hour)
