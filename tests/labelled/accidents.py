"""What happens to nights beside their causes: what did not run, ran twice, has another name, became slower."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from tests.labelled.scenario import Cause, Scenario
from tests.labelled.suite import FRAMEWORKS, STAGES, Key, Suite, file_of, stage_of

_PAUSE = 5
"""For so many nights a stage does not run at all."""


def scenario_of(seed: int, nights: int, causes: list[Cause], random: Random, *, hard: bool) -> Scenario:
    """The causes with the accidents of a month.

    Args:
        seed: of the scenario.
        nights: how many.
        causes: what makes tests fail.
        random: draws the accidents.
        hard: also what takes away the means of telling: no reruns, no earlier images, strange durations.
    """
    broken = [cause for cause in causes if cause.kind == "break"]
    flakes = [cause for cause in causes if cause.kind == "flake"]
    missing = random.sample(range(4, nights - 1), 2)
    partial = {random.randrange(3, nights): random.choice(FRAMEWORKS)}
    idle = {(night, one) for night, only in partial.items() for one in FRAMEWORKS if one != only}
    return Scenario(
        seed=seed,
        nights=nights,
        suite=_suite(broken, random, nights),
        causes=tuple(causes),
        missing=frozenset(missing),
        other_engine=frozenset(missing[:1]),
        partial=partial,
        infra={**_absent(random, nights), **{(*one, stage): "whole" for one in idle for stage in STAGES}},
        reused=frozenset({*idle, *_cells(random, nights, 8)}),
        reruns=frozenset(_cells(random, nights, 4)),
        unconfirmed=frozenset(random.sample(range(3, nights), 4 if hard else 0)),
        forgotten=frozenset(random.sample(range(3, nights), 5 if hard else 0)),
        skipped=frozenset((random.randrange(3, nights), _one_of(broken, random)) for _ in range(10)),
        retried=frozenset(key for cause in random.sample(flakes, 8) for key in cause.tests),
        quarantined=frozenset(key for cause in random.sample(flakes, 4) for key in cause.tests),
        moves=_moves(random, nights),
        outliers=0.003 if hard else 0.0,
    )


def _cells(random: Random, nights: int, count: int) -> list[tuple[int, str]]:
    return [(random.randrange(3, nights), random.choice(FRAMEWORKS)) for _ in range(count)]


def _absent(random: Random, nights: int) -> dict[tuple[int, str, str], str]:
    """Stages of single nights that did not run, or stopped half-way; one that is left out for some nights."""
    found = {
        (night, framework, random.choice(list(STAGES))): random.choice(("whole", "half"))
        for night, framework in _cells(random, nights, 6)
    }
    (first, framework), stage = _cells(random, nights - _PAUSE, 1)[0], random.choice(list(STAGES))
    return {**found, **{(night, framework, stage): "whole" for night in range(first, first + _PAUSE)}}


def _one_of(broken: Sequence[Cause], random: Random) -> Key:
    return random.choice(sorted(random.choice(broken).tests) or [("vllm", 0)])


def _suite(broken: Sequence[Cause], random: Random, nights: int) -> Suite:
    """Two files get another name while a test of them is broken; single tests another file, or another name."""
    lasting = [cause for cause in broken if cause.ends - cause.begins > 2 and cause.tests]
    found = {}
    for cause in random.sample(lasting, min(2, len(lasting))):
        file = file_of(min(cause.tests)[1])
        found[file] = (cause.begins + 1, file.replace("module", "renamed"))
    others = [cause for cause in broken if cause.tests and file_of(min(cause.tests)[1]) not in found]
    numbers = [min(cause.tests)[1] for cause in random.sample(others, min(6, len(others)))]
    when = {number: random.randrange(3, nights) for number in numbers}
    moved = {number: (when[number], f"{stage_of(number)}/test_elsewhere.py") for number in numbers[:3]}
    return Suite(found, moved, {number: when[number] for number in numbers[3:]})


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
