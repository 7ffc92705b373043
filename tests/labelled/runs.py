"""One test on one night: what ran, what it ran on, and what made it bad."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from random import Random
from typing import Any

from nightly_pipeline.model.history import TestResult, TestRow
from nightly_pipeline.model.signature import signature_of
from tests.labelled.scenario import Cause, Scenario
from tests.labelled.suite import FRAMEWORKS, Key, stage_of

FIRST_NIGHT = date(2026, 3, 1)
BAD = (TestResult.FAILED, TestResult.ERROR)
_OTHER_ENGINES_FAILURES = 0.3


@cache
def day(night: int) -> str:
    """The date of a night."""
    return (FIRST_NIGHT + timedelta(days=night)).isoformat()


@cache
def at_hour(night: int, hour: int) -> datetime:
    """A time of the day of a night, UTC."""
    return datetime.combine(FIRST_NIGHT, datetime.min.time(), UTC) + timedelta(days=night, hours=hour)


@dataclass(frozen=True)
class Run:
    """One run of a test as it happened: its row, what made it bad, and what made an attempt before it bad."""

    row: TestRow
    cause: Cause | None = None
    before: Cause | None = None


class Runner:
    """Runs tests on the images of the nights, which it builds one after the other."""

    def __init__(self, scenario: Scenario, causes: Mapping[Key, Sequence[Cause]], random: Random) -> None:
        self.scenario, self.causes, self.random = scenario, causes, random
        self.built: dict[str, int] = {}

    def build(self, night: int) -> None:
        """Tonight's images, where they are not those of the night before."""
        for framework in FRAMEWORKS:
            if (night, framework) not in self.scenario.reused or framework not in self.built:
                self.built[framework] = night

    def digest(self, framework: str) -> str:
        """The newest image."""
        return f"sha256:{framework}-{self.built[framework]:04d}"

    def runs(self, key: Key, night: int) -> list[Run]:
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

    def again(
        self, key: Key, row: TestRow, night: int, digest: str | None = None
    ) -> tuple[TestRow, Cause | None]:
        """A confirming rerun: on the same image, or on an earlier one."""
        image = int(digest[-4:]) if digest else self.built[key[0]]
        cause = self._failing(key, night, image, again=True)
        fields = {
            "source": "previous_image" if digest else "confirmation",
            "result": TestResult.FAILED if cause else TestResult.PASSED,
            "attempts": 1,
            "failed_attempts": int(cause is not None),
            "image_digest": digest or row.image_digest,
            **(self._told(cause, key) if cause else {"message": None, "signature": None}),
        }
        return row.model_copy(update=fields), cause

    def of_other_engine(self, night: int) -> list[TestRow]:
        """A run of the other engine, of the tests with causes; it fails a lot, for reasons of its own."""
        return [self._of_other_engine(key, night) for key in sorted(self.causes) if self.built]

    def _of_other_engine(self, key: Key, night: int) -> TestRow:
        bad = self.random.random() < _OTHER_ENGINES_FAILURES
        told = self._told(self.causes[key][0], key) if bad else {}
        result = TestResult.FAILED if bad else TestResult.PASSED
        row = self._row(key, night, result, failed_attempts=int(bad), **told)
        return row.model_copy(update={"engine_kind": "real"})

    def _run(self, key: Key, night: int, at: int) -> Run:
        cause, before = self._failing(key, night, self.built[key[0]]), None
        if cause is not None and key in self.scenario.retried:
            cause, before = self._failing(key, night, self.built[key[0]]), cause
        shown = cause or before
        row = self._row(
            key,
            night,
            self.random.choice(BAD) if cause else TestResult.PASSED,
            run=at,
            attempts=2 if before else 1,
            failed_attempts=(cause is not None) + (before is not None),
            **(self._told(shown, key) if shown else {}),
        )
        return Run(row, cause, before)

    def _failing(self, key: Key, night: int, image: int, *, again: bool = False) -> Cause | None:
        """The cause that makes a run bad, if one does. `image` is the night it was built."""
        return next((one for one in self.causes[key] if self._bites(one, night, image, again=again)), None)

    def _bites(self, cause: Cause, night: int, image: int, *, again: bool) -> bool:
        if cause.kind == "break":
            return cause.active(image)
        if cause.kind == "environment":
            return cause.active(night) and not (again and cause.passes)
        return cause.active(night) and self.random.random() < cause.rate

    def _told(self, cause: Cause, key: Key) -> dict[str, Any]:
        random = self.random
        message = cause.message(key).format(
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
            image_digest=self.digest(key[0]),
            source_revision=f"commit-{self.built[key[0]]}",
            engine_kind="mock",
            finished_at=at_hour(night, 9 + 3 * run),
            **fields,
        )
