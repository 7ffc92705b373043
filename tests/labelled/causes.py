"""Draws what goes on in the made-up team's nights: breaks, flakes, and what is around the tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from tests.labelled.accidents import scenario_of
from tests.labelled.scenario import NEVER, Cause, Scenario
from tests.labelled.suite import FRAMEWORKS, STAGES, TESTS_A_FILE, Key

_TELLING = (
    "AttributeError: 'Engine{n}' object has no attribute 'kv_slots' at <Worker object at {address}>",
    "AssertionError: assert 'stop{n}' == 'length'  where request {id} took {ms} ms",
    "RuntimeError: shape mismatch in block_{n} on cuda:0: tensor([{number}, 1.0])",
    "KeyError: 'usage_{n}' in answer of http://127.0.0.1:{port}/v1/chat",
    "FileNotFoundError: [Errno 2] No such file or directory: '/tmp/pytest-of-root/pytest-{id}/cfg_v{n}x.json'",
    "ImportError: cannot import name 'sampler{n}' from 'engine' (/opt/{id}/engine/__init__.py)",
    "TypeError: forward{n}() got an unexpected keyword argument 'scale' (pid {port})",
    "ValueError: unknown quantisation 'q{n}' in engine.py:{port} at {clock}",
    "OSError: cannot reach https://hub{n}.example.org/m/{id} within {ms} ms",
)
"""Breaks, flakes and the surroundings draw from the same ones: the words tell no class."""
_GENERIC = (
    "AssertionError: assert False",
    "AssertionError: assert 404 == 200",
    "Failed: Timeout (>{ms}.0s) from pytest-timeout.",
    "ConnectionRefusedError: [Errno 111] Connection refused",
)
RATES = {0.01: 24, 0.03: 16, 0.05: 12, 0.1: 8, 0.2: 3, 0.3: 2, 0.5: 1}
"""How often a flake fails -> how many there are: most are rare, as they are everywhere."""
_WORSENING = (0.05, 0.1)
"""Flakes that fail so often until, one day, the image makes them fail always, with the error they always had."""
_BURSTS = 6
_MOST_OF_MODULE = 5


class _Maker:
    """Draws the causes of one scenario; no test has two of them unless the set is a hard one."""

    def __init__(self, seed: int, nights: int, *, hard: bool) -> None:
        self.random = Random(f"{seed}-{hard}")  # noqa: S311 - to be repeated by its seed
        self.nights, self.hard = nights, hard
        self.generic, self.several = (0.4, 0.3) if hard else (0.1, 0.1)
        self.taken: set[Key] = set()
        self.number = 0

    def message(self, generic: float) -> str:
        self.number += 1
        if self.random.random() < generic:
            return self.random.choice(_GENERIC)
        return self.random.choice(_TELLING).replace("{n}", f"_{chr(97 + self.number % 26)}{self.number}_")

    def free(self, keys: Sequence[Key]) -> frozenset[Key]:
        chosen = frozenset(keys) if self.hard else frozenset(keys) - self.taken
        self.taken |= chosen
        return chosen

    def module(self) -> list[Key]:
        """Some tests of one file, in one framework or in all."""
        first = self.random.randrange(sum(STAGES.values()) // TESTS_A_FILE) * TESTS_A_FILE
        numbers = range(first, first + TESTS_A_FILE)
        count = self.random.choice((1, 1, 2, 3, 5, 8, 15, 30))
        chosen = self.random.sample(numbers, count)
        frameworks = FRAMEWORKS if self.random.random() < 0.5 else (self.random.choice(FRAMEWORKS),)
        return [(framework, number) for framework in frameworks for number in chosen]

    def breaks(self, count: int) -> list[Cause]:
        return [self._break(f"break-{at}", self.random.randint(2, self.nights - 2)) for at in range(count)]

    def swaps(self, count: int) -> list[Cause]:
        """One is mended the night another comes, in the same file as a rule; in a hard set in the same tests."""
        found = []
        for at in range(count):
            night = self.random.randint(6, self.nights - 5)
            first = self._break(f"swap-{at}-a", night - 4, ends=night)
            tests = list(first.tests) if self.hard and at % 2 else None
            found += [first, self._break(f"swap-{at}-b", night, tests=tests)]
        return found

    def _break(
        self, name: str, begins: int, *, ends: int | None = None, tests: list[Key] | None = None
    ) -> Cause:
        lasts = self.random.choice((1, 2, 3, 5, 8, NEVER))
        broken = self.free(tests or self.module())
        several = len(broken) >= _MOST_OF_MODULE and self.random.random() < self.several
        return Cause(
            name=name,
            kind="break",
            tests=broken,
            messages=tuple(self.message(self.generic) for _ in range(2 if several else 1)),
            begins=begins,
            ends=ends or begins + lasts,
        )

    def flakes(self) -> list[Cause]:
        rates = [rate for rate, count in RATES.items() for _ in range(count)]
        return [self._flake(f"flake-{at}", rate) for at, rate in enumerate(rates)]

    def _flake(self, name: str, rate: float) -> Cause:
        key = (self.random.choice(FRAMEWORKS), self.random.randrange(sum(STAGES.values())))
        return Cause(name, "flake", self.free([key]), (self.message(self.generic),), rate=rate)

    def bursts(self) -> list[Cause]:
        """Flakes that fail often on some nights, when the machine is busy, and never on others."""
        found = []
        for at in range(_BURSTS):
            busy = frozenset(self.random.sample(range(self.nights), max(1, self.nights // 7)))
            found.append(replace(self._flake(f"burst-{at}", rate=0.6), only=busy))
        return found

    def worsening(self) -> list[Cause]:
        found = []
        for at, rate in enumerate(_WORSENING):
            flake = self._flake(f"worse-{at}", rate)
            night = self.random.randint(self.nights // 2, self.nights - 2)
            broken = replace(flake, name=f"worse-{at}-b", kind="break", rate=1.0, begins=night)
            found += [replace(flake, name=f"worse-{at}-a", ends=night), broken]
        return found

    def environments(self) -> list[Cause]:
        """Services are away for a night, or a moment of it; hard: more of the latter, and one a whole stage needs."""
        found = [self._environment(f"environment-{at}", range(5, 41)) for at in range(2)]
        found.append(self._environment("moment", range(5, 41), passes=True))
        found.append(self._environment("lone", range(1, 3), FRAMEWORKS[:1]))
        if self.hard:
            found.append(self._environment("moment-b", range(5, 41), passes=True))
            found.append(self._environment("lone-moment", range(1, 3), FRAMEWORKS[1:2], passes=True))
            found.append(self._environment("outage", range(150, 151), FRAMEWORKS[2:], of="e2e_multi_gpu"))
        return found

    def _environment(
        self,
        name: str,
        sizes: range,
        frameworks: Sequence[str] = FRAMEWORKS,
        *,
        passes: bool = False,
        of: str = "e2e_single_gpu",
    ) -> Cause:
        """Of end-to-end tests, from the first of a stage on; one error, whatever the test."""
        night = self.random.randint(3, self.nights - 1)
        stages = list(STAGES)
        first = sum(STAGES[stage] for stage in stages[: stages.index(of)])
        numbers = self.random.sample(range(first, sum(STAGES.values())), self.random.choice(sizes))
        return Cause(
            name=name,
            kind="environment",
            tests=self.free([(framework, number) for framework in frameworks for number in numbers]),
            messages=(self.message(generic=0.0),),
            begins=night,
            ends=night + 1,
            passes=passes,
        )


def make_scenario(seed: int, *, nights: int = 30, hard: bool = False) -> Scenario:
    """A month of nights.

    Args:
        seed: the same seed makes the same month.
        nights: how many.
        hard: what no rule can tell for certain is frequent, and nothing is repeated on some nights.
    """
    maker, months = _Maker(seed, nights, hard=hard), max(1, nights // 30)
    causes = [
        *maker.breaks(14 * months),
        *maker.swaps(3 * months),
        *maker.flakes(),
        *maker.worsening(),
        *(maker.bursts() if hard else []),
        *maker.environments(),
    ]
    return scenario_of(seed, nights, causes, maker.random, hard=hard)
