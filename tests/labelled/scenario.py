"""A month of a made-up team: what really goes on in its nights, and what the labels are taken from."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.labelled.suite import Key, Suite

NEVER = 10**6


@dataclass(frozen=True)
class Cause:
    """One reason for tests to fail.

    Attributes:
        kind: `break` (in the image), `flake` (by chance), `environment` (outside the image, on some nights).
        messages: templates, each test has one of them; what is in braces differs from run to run.
        begins, ends: first night with it and first without.
        rate: how likely a run is to fail by it.
        passes: it is over before the reruns of the same night.
        only: the nights on which it is there at all; None: on all between `begins` and `ends`.
    """

    name: str
    kind: str
    tests: frozenset[Key]
    messages: tuple[str, ...]
    begins: int = 0
    ends: int = NEVER
    rate: float = 1.0
    passes: bool = False
    only: frozenset[int] | None = None

    def active(self, night: int) -> bool:
        """Whether it is there on a night (of an image, where it is a break)."""
        return self.begins <= night < self.ends and (self.only is None or night in self.only)

    def message(self, key: Key) -> str:
        """The error that it shows as in one test: the same in every framework."""
        return self.messages[key[1] % len(self.messages)]


@dataclass(frozen=True)
class Scenario:
    """A month of a team: its causes, and the nights on which something did not run.

    Attributes:
        nights: how many.
        missing: nights of which there is nothing at all, or nothing but a run of the other engine.
        other_engine: those of them on which a run of the other engine failed a lot.
        partial: night -> the one framework that ran.
        infra: (night, framework, stage) that did not run; half of it where `half` is told.
        reused: (night, framework): no new image, that of the night before runs again.
        reruns: (night, framework): the cell runs a second time on the same image.
        unconfirmed: nights on which nothing is repeated.
        forgotten: nights on which no earlier image is in the registry any more.
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
    other_engine: frozenset[int] = frozenset()
    partial: dict[int, str] = field(default_factory=dict)
    infra: dict[tuple[int, str, str], str] = field(default_factory=dict)
    reused: frozenset[tuple[int, str]] = frozenset()
    reruns: frozenset[tuple[int, str]] = frozenset()
    unconfirmed: frozenset[int] = frozenset()
    forgotten: frozenset[int] = frozenset()
    skipped: frozenset[tuple[int, Key]] = frozenset()
    retried: frozenset[Key] = frozenset()
    quarantined: frozenset[Key] = frozenset()
    moves: dict[tuple[str, ...], tuple[int, float, float]] = field(default_factory=dict)
    outliers: float = 0.0
