"""What changed in an image from one night to another: digests, base, packages, size, build time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nightly_pipeline.model.judgement import ImageChange, PackageChange, StepChange
from nightly_pipeline.model.metrics import BuildMetrics, step_seconds
from nightly_pipeline.model.outcomes import ImageOutcome
from nightly_pipeline.model.supply_chain import Package

MOST_STEPS = 10
_STEP_MATTERS_S, _STEP_SHARE = 5.0, 0.2


@dataclass(frozen=True)
class ImageFacts:
    """What is on record about one image. `packages` and `metrics` are None where they are not kept (any more)."""

    outcome: ImageOutcome
    packages: Sequence[Package] | None = None
    metrics: BuildMetrics | None = None


def image_change(before: ImageFacts, after: ImageFacts) -> ImageChange:
    """What changed between two images of the same framework, architecture and kind."""
    return ImageChange(
        framework=after.outcome.framework,
        arch=after.outcome.arch,
        kind=after.outcome.kind,
        compared_with=before.outcome.date,
        digest_before=before.outcome.digest,
        digest_after=after.outcome.digest,
        base_before=before.outcome.base_digest,
        base_after=after.outcome.base_digest,
        packages=_package_changes(before, after),
        size_before=before.outcome.size_bytes,
        size_after=after.outcome.size_bytes,
        build_before_s=_build_s(before),
        build_after_s=_build_s(after),
        steps=_step_changes(before, after),
    )


def _build_s(facts: ImageFacts) -> float | None:
    """How long it was built, and not how long it took to take over an image that was there."""
    return facts.metrics.wall_s if facts.metrics else None


def _step_changes(before: ImageFacts, after: ImageFacts) -> tuple[StepChange, ...]:
    """Steps that took at least some seconds and a fifth more or less; none where one of the builds is not known."""
    if before.metrics is None or after.metrics is None:
        return ()
    old, new = step_seconds(before.metrics.build_steps), step_seconds(after.metrics.build_steps)
    moved = [name for name in {**old, **new} if _has_moved(old.get(name, 0.0), new.get(name, 0.0))]
    moved.sort(key=lambda name: (-abs(new.get(name, 0.0) - old.get(name, 0.0)), name))
    return tuple(
        StepChange(name=name, before_s=old.get(name), after_s=new.get(name)) for name in moved[:MOST_STEPS]
    )


def _has_moved(before: float, after: float) -> bool:
    return abs(after - before) >= max(_STEP_MATTERS_S, _STEP_SHARE * max(before, after))


def _package_changes(before: ImageFacts, after: ImageFacts) -> tuple[PackageChange, ...]:
    """None of them where one of the two lists is not known: a missing list is no removal of everything."""
    if before.packages is None or after.packages is None:
        return ()
    return package_changes(before.packages, after.packages)


def package_changes(before: Iterable[Package], after: Iterable[Package]) -> tuple[PackageChange, ...]:
    """Packages that were added, removed or changed their version, by name.

    A package that is there several times (two versions side by side) is shown with all its versions.
    """
    old, new = _versions(before), _versions(after)
    changed = sorted(key for key in {*old, *new} if old.get(key) != new.get(key))
    return tuple(
        PackageChange(name=name, before=old.get((kind, name)), after=new.get((kind, name)))
        for kind, name in changed
    )


def _versions(packages: Iterable[Package]) -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for package in packages:
        found[package.type, package.name].add(package.version or "no version")
    return {key: ", ".join(sorted(versions)) for key, versions in found.items()}
