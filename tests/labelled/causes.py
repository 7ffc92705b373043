"""What really goes on in the made-up team's nights: the hidden causes that the labels are taken from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from tests.labelled.suite import FRAMEWORKS, STAGES, TESTS_A_FILE, Key, Suite, file_of

NEVER = 10**6
_TELLING = (
    "AttributeError: 'Engine{n}' object has no attribute 'kv_slots' at <Worker object at {address}>",
    "AssertionError: assert 'stop{n}' == 'length'  where request {id} took {ms} ms",
    "RuntimeError: shape mismatch in block_{n} on cuda:0: tensor([{number}, 1.0])",
    "KeyError: 'usage_{n}' in answer of http://127.0.0.1:{port}/v1/chat",
    "FileNotFoundError: [Errno 2] No such file or directory: '/tmp/pytest-of-root/pytest-{id}/cfg_v{n}x.json'",
    "ImportError: cannot import name 'sampler{n}' from 'engine' (/opt/{id}/engine/__init__.py)",
    "TypeError: forward{n}() got an unexpected keyword argument 'scale' (pid {port})",
    "ValueError: unknown quantisation 'q{n}' in engine.py:{port} at {clock}",
)
_GENERIC = (
    "AssertionError: assert False",
    "AssertionError: assert 404 == 200",
    "Failed: Timeout (>{ms}.0s) from pytest-timeout.",
    "ConnectionRefusedError: [Errno 111] Connection refused",
)
RATES = {0.01: 24, 0.03: 16, 0.05: 12, 0.1: 8, 0.2: 3, 0.3: 2, 0.5: 1}
"""How often a flake fails -> how many there are: most are rare, as they are everywhere."""


@dataclass(frozen=True)
class Cause:
    """One reason for tests to fail.

    Attributes:
        kind: `break` (in the image), `flake` (by chance), `environment` (outside the image, on some nights).
        begins, ends: first night with it and first without.
        rate: how likely a run is to fail by it.
        message: a template; what is in braces differs from run to run.
        passes: it is over before the reruns of the same night.
    """

    name: str
    kind: str
    tests: frozenset[Key]
    message: str
    begins: int = 0
    ends: int = NEVER
    rate: float = 1.0
    passes: bool = False

    def active(self, night: int) -> bool:
        """Whether it is there on a night (of an image, where it is a break)."""
        return self.begins <= night < self.ends


@dataclass(frozen=True)
class Scenario:
    """A month of a team: its causes, and the nights on which something did not run.

    Attributes:
        nights: how many.
        missing: nights of which there is nothing at all.
        infra: (night, framework, stage) that did not run; half of it where `half` is told.
        reused: (night, framework): no new image, that of the night before runs again.
        reruns: (night, framework): the cell runs a second time on the same image.
        skipped: (night, test): it was skipped.
        retried: tests that are run again at once when they fail.
        quarantined: tests with an entry in the quarantine from the first night on.
        moves: series -> what moved it.
        outliers: share of nights on which a duration is far off for no reason.
    """

    seed: int
    nights: int
    suite: Suite
    causes: tuple[Cause, ...]
    missing: frozenset[int] = frozenset()
    infra: dict[tuple[int, str, str], str] = field(default_factory=dict)
    reused: frozenset[tuple[int, str]] = frozenset()
    reruns: frozenset[tuple[int, str]] = frozenset()
    skipped: frozenset[tuple[int, Key]] = frozenset()
    retried: frozenset[Key] = frozenset()
    quarantined: frozenset[Key] = frozenset()
    moves: dict[tuple[str, ...], tuple[int, float, float]] = field(default_factory=dict)
    outliers: float = 0.0


class _Maker:
    """Draws the causes of one scenario; no test has two of them unless the set is a hard one."""

    def __init__(self, seed: int, nights: int, *, hard: bool) -> None:
        self.random = Random(f"{seed}-{hard}")  # noqa: S311 - to be repeated by its seed
        self.nights, self.hard = nights, hard
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

    def breaks(self, count: int, generic: float) -> list[Cause]:
        return [
            self._break(f"break-{at}", self.random.randint(2, self.nights - 2), generic)
            for at in range(count)
        ]

    def swaps(self, count: int, generic: float) -> list[Cause]:
        """One is mended the night another comes, in the same file as a rule; in a hard set in the same tests."""
        found = []
        for at in range(count):
            night = self.random.randint(6, self.nights - 5)
            first = self._break(f"swap-{at}-a", night - 4, generic, ends=night)
            tests = list(first.tests) if self.hard and at % 2 else None
            found += [first, self._break(f"swap-{at}-b", night, generic, tests=tests)]
        return found

    def _break(
        self,
        name: str,
        begins: int,
        generic: float,
        *,
        ends: int | None = None,
        tests: list[Key] | None = None,
    ) -> Cause:
        lasts = self.random.choice((1, 2, 3, 5, 8, NEVER))
        return Cause(
            name=name,
            kind="break",
            tests=self.free(tests or self.module()),
            message=self.message(generic),
            begins=begins,
            ends=ends or begins + lasts,
        )

    def flakes(self, generic: float) -> list[Cause]:
        found = []
        for at, rate in enumerate(rate for rate, count in RATES.items() for _ in range(count)):
            key = (self.random.choice(FRAMEWORKS), self.random.randrange(sum(STAGES.values())))
            found.append(Cause(f"flake-{at}", "flake", self.free([key]), self.message(generic), rate=rate))
        return found

    def environments(self, count: int) -> list[Cause]:
        """A service that some end-to-end tests need is away for a night."""
        found = []
        for at in range(count):
            night = self.random.randint(3, self.nights - 1)
            first = sum(STAGES[stage] for stage in ("unit", "integration"))
            numbers = self.random.sample(range(first, sum(STAGES.values())), self.random.randint(5, 40))
            keys = [(framework, number) for framework in FRAMEWORKS for number in numbers]
            message = f"OSError: cannot reach https://hub-{'abcdefgh'[at % 8]}.example.org/m/{{id}} within {{ms}} ms"
            found.append(
                Cause(
                    name=f"environment-{at}",
                    kind="environment",
                    tests=self.free(keys),
                    message=message,
                    begins=night,
                    ends=night + 1,
                    passes=self.hard and at % 2 == 0,
                )
            )
        return found


def make_scenario(seed: int, *, nights: int = 30, hard: bool = False) -> Scenario:
    """A month of nights.

    Args:
        seed: the same seed makes the same month.
        nights: how many.
        hard: errors that say little and are shared, causes in the same tests, services that come back, strange nights.
    """
    maker = _Maker(seed, nights, hard=hard)
    random, generic, months = maker.random, 0.4 if hard else 0.0, max(1, nights // 30)
    causes = [
        *maker.breaks(14 * months, generic),
        *maker.swaps(3 * months, generic),
        *maker.flakes(generic),
        *maker.environments(2 * months),
    ]
    return _with_accidents(seed, nights, causes, random, hard=hard)


def _with_accidents(seed: int, nights: int, causes: list[Cause], random: Random, *, hard: bool) -> Scenario:
    broken = [cause for cause in causes if cause.kind == "break"]
    flakes = [cause for cause in causes if cause.kind == "flake"]
    return Scenario(
        seed=seed,
        nights=nights,
        suite=Suite(_renames(broken, random)),
        causes=tuple(causes),
        missing=frozenset(random.sample(range(4, nights - 1), 2)),
        infra={
            (
                random.randrange(3, nights),
                random.choice(FRAMEWORKS),
                random.choice(list(STAGES)),
            ): random.choice(("whole", "half"))
            for _ in range(6)
        },
        reused=frozenset((random.randrange(3, nights), random.choice(FRAMEWORKS)) for _ in range(8)),
        reruns=frozenset((random.randrange(3, nights), random.choice(FRAMEWORKS)) for _ in range(4)),
        skipped=frozenset(
            (random.randrange(3, nights), random.choice(sorted(random.choice(broken).tests) or [("vllm", 0)]))
            for _ in range(10)
        ),
        retried=frozenset(key for cause in random.sample(flakes, 8) for key in cause.tests),
        quarantined=frozenset(key for cause in random.sample(flakes, 4) for key in cause.tests),
        moves=_moves(random, nights),
        outliers=0.003 if hard else 0.0,
    )


def _renames(broken: Sequence[Cause], random: Random) -> dict[str, tuple[int, str]]:
    """Two files get another name: one while a test of it is broken, one at any time."""
    lasting = [cause for cause in broken if cause.ends - cause.begins > 2 and cause.tests]
    found = {}
    for cause in random.sample(lasting, min(2, len(lasting))):
        file = file_of(min(cause.tests)[1])
        found[file] = (cause.begins + 1, file.replace("module", "renamed"))
    return found


def _moves(random: Random, nights: int) -> dict[tuple[str, ...], tuple[int, float, float]]:
    """Series -> (first night, factor at once, growth a night)."""
    found: dict[tuple[str, ...], tuple[int, float, float]] = {}
    for framework in FRAMEWORKS:
        stage = random.choice(list(STAGES))
        found["stage", framework, stage] = _move(random, nights)
        found["image_size", framework, random.choice(("framework_image", "runtime_image"))] = _move(
            random, nights
        )
        found["build", framework, "runtime_image"] = _move(random, nights)
        for number in random.sample(range(sum(STAGES.values())), 4):
            found["test", framework, str(number)] = _move(random, nights, slowest=1.8)
    return found


def _move(random: Random, nights: int, slowest: float = 1.45) -> tuple[int, float, float]:
    if random.random() < 0.5:
        return random.randint(10, nights - 3), random.uniform(slowest, slowest + 0.8), 0.0
    return 2, 1.0, random.uniform(0.015, 0.03) * slowest / 1.45
