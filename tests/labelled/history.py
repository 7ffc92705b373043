"""A played scenario as a history: rows of the tests with causes as they happened, all others' made when asked."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from random import Random
from typing import Any
from zlib import crc32

from nightly_pipeline.model.history import (
    BAD_RESULTS,
    EntryRow,
    NightRow,
    SharedRow,
    TestIdentity,
    TestResult,
    TestRow,
)
from tests.fakes.history import together
from tests.labelled.nights import Played
from tests.labelled.runs import at_hour, day
from tests.labelled.suite import COLLECTED, FRAMEWORKS, STAGES, Key, stage_of

_NOISE = 10_007
_SECONDS = {"unit": 900, "integration": 2_700, "e2e_single_gpu": 4_500, "e2e_multi_gpu": 5_400}
_NOT_SHORT = 1.0
_SIZES = {"framework_image": 9e9, "runtime_image": 6e9}


_PASSED = TestRow(
    date="",
    run_id="",
    framework="",
    arch="amd64",
    stage="",
    node_id="",
    result=TestResult.PASSED,
    engine_kind="mock",
)
_COLLECTED = _PASSED.model_copy(update={"result": TestResult.COLLECTED, "attempts": 0})


def row_like(row: TestRow, **fields: Any) -> TestRow:
    """A copy with other fields, without the checks: there are millions of them."""
    copy = TestRow.__new__(TestRow)
    object.__setattr__(copy, "__dict__", {**row.__dict__, **fields})
    object.__setattr__(copy, "__pydantic_fields_set__", row.__pydantic_fields_set__)
    object.__setattr__(copy, "__pydantic_extra__", None)
    object.__setattr__(copy, "__pydantic_private__", None)
    return copy


class LabelledHistory:
    """`steps.ports.History` of a played scenario, complete: 13,500 cases a night."""

    def __init__(self, played: Played) -> None:
        self.played = played
        self.scenario = played.scenario
        random = Random(self.scenario.seed + 99)  # noqa: S311 - to be repeated by its seed
        self._noise = [random.lognormvariate(0, 1) for _ in range(_NOISE)]
        self._causeless = [key for key in self.scenario.suite.keys if key not in played.keys]
        self._by_name = {
            (key[0], name): key for key in self._causeless for name in self.scenario.suite.names(key[1])
        }
        self._stage_of = {key: stage_of(key[1]) for key in self._causeless}
        self._made: dict[
            TestIdentity, dict[int, TestRow | None]
        ] = {}  # the slow ones are asked for every night
        self._by_test: dict[TestIdentity, list[TestRow]] = {}
        for night in sorted({*played.rows, *played.of_other_engine}):
            for row in (*played.rows.get(night, ()), *played.of_other_engine.get(night, ())):
                self._by_test.setdefault(row.identity, []).append(row)

    def write(self, night: NightRow, entries: Sequence[EntryRow], tests: Sequence[TestRow]) -> None:
        raise NotImplementedError

    def add(self, tests: Sequence[TestRow], *, date: str, run_id: str, part: str) -> None:
        raise NotImplementedError

    def problems(self) -> Sequence[object]:
        return ()

    def nights(self, *, since: str | None = None, until: str | None = None) -> list[NightRow]:
        return [
            NightRow(
                date=day(night),
                run_id=f"run-{night}-0",
                status="red",
                engine_kind="real" if night in self.scenario.other_engine else "mock",
                profile="labelled",
                partial=night in self.scenario.partial,
                started_at=at_hour(night, 8),
                ended_at=at_hour(night, 12),
            )
            for night in self._within(since, until)
        ]

    def entries(self, *, since: str | None = None, until: str | None = None) -> list[EntryRow]:
        nights = [night for night in self._within(since, until) if night not in self.scenario.other_engine]
        return [row for night in nights for row in self._entries(night)]

    def tests(self, date: str, *, run_id: str | None = None, bad_only: bool = False) -> list[TestRow]:
        night = next((night for night in self.played.nights if day(night) == date), None)
        if night is None:
            others = (night for night in self.scenario.other_engine if day(night) == date)
            return [row for night in others for row in self.played.of_other_engine[night]]
        own = [row for row in self.played.rows[night] if not bad_only or row.result in BAD_RESULTS]
        return own if bad_only else [*own, *self._others(night), *self._collected(night)]

    def of_tests(
        self, identities: Sequence[TestIdentity], *, since: str | None = None, until: str | None = None
    ) -> list[TestRow]:
        dates = {day(night) for night in self._within(since, until)}
        found = [row for one in identities for row in self._by_test.get(one, ()) if row.date in dates]
        asked = [one for one in identities if (one.framework, one.node_id) in self._by_name]
        nights = [night for night in self.played.nights if day(night) in dates]
        return [*found, *(row for one in asked for row in self._always_good(one, nights))]

    def shared_rows(
        self,
        identities: Sequence[TestIdentity],
        *,
        alone: Collection[TestIdentity] = (),
        since: str | None = None,
        until: str | None = None,
    ) -> list[SharedRow]:
        return together(self.of_tests(identities, since=since, until=until), identities, alone)

    def bad_tests(self, *, since: str, until: str) -> list[TestIdentity]:
        return [
            test
            for test, rows in self._by_test.items()
            if any(since <= row.date <= until and row.result in BAD_RESULTS for row in rows)
        ]

    def _within(self, since: str | None, until: str | None) -> list[int]:
        return [
            night
            for night in sorted({*self.played.nights, *self.scenario.other_engine})
            if (since is None or day(night) >= since) and (until is None or day(night) <= until)
        ]

    def _always_good(self, test: TestIdentity, nights: Sequence[int]) -> Iterator[TestRow]:
        """The nights of a test without a cause, as long as it has this name and its stage runs."""
        made = self._made.setdefault(test, {})
        for night in nights:
            if night not in made:
                made[night] = self._one_good(test, night)
            row = made[night]
            if row is not None:
                yield row

    def _one_good(self, test: TestIdentity, night: int) -> TestRow | None:
        key = self._by_name[test.framework, test.node_id]
        named = self.scenario.suite.node_id(key[1], night) == test.node_id
        ran = (night, key[0], test.stage) not in self.scenario.infra
        return self._passed(key, night) if named and ran else None

    def _others(self, night: int) -> Iterator[TestRow]:
        absent = {
            framework: {stage for stage in STAGES if (night, framework, stage) in self.scenario.infra}
            for framework in FRAMEWORKS
        }
        for key in self._causeless:
            if self._stage_of[key] not in absent[key[0]]:
                yield self._passed(key, night)

    def _collected(self, night: int) -> Iterator[TestRow]:
        for framework in FRAMEWORKS:
            for number in range(COLLECTED):
                key = (framework, number)
                yield row_like(_COLLECTED, **self._named(key, night), arch="arm64", date=day(night))

    def _passed(self, key: Key, night: int) -> TestRow:
        return row_like(
            _PASSED,
            **self._named(key, night),
            date=day(night),
            duration_s=self._seconds(key, night),
            image_digest=self.played.digests[night, key[0]],
            finished_at=at_hour(night, 9),
        )

    def _named(self, key: Key, night: int) -> dict[str, str]:
        return {
            "framework": key[0],
            "stage": self._stage_of.get(key) or stage_of(key[1]),
            "node_id": self.scenario.suite.node_id(key[1], night),
            "run_id": f"run-{night}-0",
        }

    def _seconds(self, key: Key, night: int) -> float:
        """A test's duration: most are short, some are long; those in `moves` change."""
        series = ("test", key[0], str(key[1]))
        if series in self.scenario.moves:
            return self._moved(series, 40.0, night, spread=0.08)
        usual = 0.2 * self._noise[(key[1] * 31 + len(key[0]) * 7) % _NOISE] ** 2
        return usual if usual < _NOT_SHORT else self._moved(series, usual, night, spread=0.08)

    def _entries(self, night: int) -> Iterator[EntryRow]:
        for framework in FRAMEWORKS:
            if (night, framework) not in self.scenario.reused:
                for name, size in _SIZES.items():
                    yield self._image(framework, name, size, night)
            for stage in STAGES:
                if (night, framework, stage) not in self.scenario.infra:
                    yield self._stage(framework, stage, night)

    def _image(self, framework: str, name: str, size: float, night: int) -> EntryRow:
        seconds = self._moved(("build", framework, name), 4_200.0, night, spread=0.07)
        size = self._moved(("image_size", framework, name), size, night, spread=0.004)
        shared = {"size_bytes": int(size), "build_wall_s": seconds, "duration_s": seconds}
        return self._entry(framework, name, "built", night, **shared)

    def _stage(self, framework: str, stage: str, night: int) -> EntryRow:
        seconds = self._moved(("stage", framework, stage), _SECONDS[stage], night, spread=0.06)
        return self._entry(framework, stage, "passed", night, duration_s=seconds)

    def _entry(self, framework: str, name: str, status: str, night: int, **fields: float) -> EntryRow:
        return EntryRow(
            date=day(night),
            run_id=f"run-{night}-0",
            framework=framework,
            arch="amd64",
            name=name,
            status=status,
            good=True,
            engine_kind="mock",
            **fields,
        )

    def _moved(self, series: tuple[str, ...], usual: float, night: int, *, spread: float) -> float:
        draw = self._noise[hash_of(series, night) % _NOISE]
        value = usual * draw**spread
        begins, factor, growth = self.scenario.moves.get(series, (0, 1.0, 0.0))
        if night >= begins:
            value *= factor * (1 + growth) ** (night - begins)
        strange = hash_of((*series, f"strange-{self.scenario.seed}"), night) % 1_000 < (
            1_000 * self.scenario.outliers if series[0] != "image_size" else 0
        )
        return value * (1.7 if strange else 1.0)


def hash_of(series: tuple[str, ...], night: int) -> int:
    """The same number for the same series and night in every process."""
    return crc32(f"{'/'.join(series)}/{night}".encode())
