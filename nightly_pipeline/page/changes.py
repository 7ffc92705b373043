"""What changed since the night before, and what left its usual range, as the page shows it."""

from __future__ import annotations

from dataclasses import dataclass

from nightly_pipeline.model.change_lines import package_text, step_text
from nightly_pipeline.model.judgement import Drift, ImageChange
from nightly_pipeline.model.quantities import NOTHING, bytes_text, digest_text, duration_text
from nightly_pipeline.model.report import Report
from nightly_pipeline.model.untrusted import short_line

_COMMITS_LISTED, _PACKAGES_LISTED, _DRIFTS_LISTED = 100, 300, 100
_HARDLY = 0.0005
_KINDS = {
    "stage": "stage",
    "test": "test",
    "build": "build",
    "build_step": "build step",
    "image_size": "image size",
    "night": "whole night",
}


@dataclass(frozen=True)
class ChangeShown:
    """One image against the night before. A text is empty where nothing is known, `same` where nothing changed."""

    label: str
    digest: str
    base: str
    size: str
    size_change: str
    build: str
    build_change: str
    steps: tuple[str, ...]
    packages: tuple[str, ...]
    packages_more: int


@dataclass(frozen=True)
class DriftShown:
    """One figure that left its usual range."""

    what: str
    where: str
    name: str
    value: str
    usual: str
    change: str
    up: bool


@dataclass(frozen=True)
class CommitShown:
    """One commit; all of it is the author's own text."""

    revision: str
    author: str
    subject: str


@dataclass(frozen=True)
class ChangesShown:
    """Everything that differs. `compared_with` is the night it is compared with, where there is one."""

    compared_with: str | None
    images: tuple[ChangeShown, ...]
    commits: tuple[CommitShown, ...]
    commits_more: int
    drifts: tuple[DriftShown, ...]
    drifts_more: int
    known_nights: int


def shown_changes(report: Report) -> ChangesShown | None:
    """None where the past was not asked."""
    judgement = report.judgement
    if judgement is None:
        return None
    drifts = sorted(judgement.drifts, key=lambda one: -_surprise(one))
    return ChangesShown(
        compared_with=judgement.compared_with,
        images=tuple(_change(one) for one in judgement.changes),
        commits=tuple(
            CommitShown(one.revision[:12], short_line(one.author, 100), short_line(one.subject, 200))
            for one in judgement.commits[:_COMMITS_LISTED]
        ),
        commits_more=max(0, len(judgement.commits) - _COMMITS_LISTED),
        drifts=tuple(_drift(one) for one in drifts[:_DRIFTS_LISTED]),
        drifts_more=max(0, len(drifts) - _DRIFTS_LISTED),
        known_nights=judgement.known_nights,
    )


def percent(before: float | None, after: float | None) -> str:
    """`+4.1 %`; empty when one of the two is not known, `same` when they hardly differ."""
    if not before or after is None:
        return ""
    change = after / before - 1
    return "same" if abs(change) < _HARDLY else f"{change:+.1%}".replace("%", " %")


def _change(one: ImageChange) -> ChangeShown:
    listed = one.packages[:_PACKAGES_LISTED]
    return ChangeShown(
        label=f"{one.framework}/{one.arch}/{one.kind}_image",
        digest=_moved(one.digest_before, one.digest_after),
        base=_moved(one.base_before, one.base_after),
        size=_both(bytes_text(one.size_before), bytes_text(one.size_after)),
        size_change=percent(one.size_before, one.size_after),
        build=_both(duration_text(one.build_before_s), duration_text(one.build_after_s)),
        build_change=percent(one.build_before_s, one.build_after_s),
        steps=tuple(step_text(step) for step in one.steps),
        packages=tuple(short_line(package_text(package), 200) for package in listed),
        packages_more=len(one.packages) - len(listed),
    )


def _moved(before: str | None, after: str | None) -> str:
    if before is None and after is None:
        return ""
    return "same" if before == after else short_line(_both(digest_text(before), digest_text(after)), 200)


def _both(before: str, after: str) -> str:
    if before == NOTHING == after:
        return ""
    return after if before == after else f"{before} → {after}"


def _surprise(one: Drift) -> float:
    return abs(one.value / one.usual - 1) if one.usual else float("inf")


def _drift(one: Drift) -> DriftShown:
    where = "/".join(part for part in (one.framework, one.arch, one.stage) if part)
    return DriftShown(
        what=_KINDS[one.what],
        where=where,
        name=short_line(one.name, 400),
        value=_quantity(one.value, one.unit),
        usual=f"{_quantity(one.usual, one.unit)} ± {_quantity(one.spread, one.unit)} over {one.nights} nights",
        change=percent(one.usual, one.value),
        up=one.value > one.usual,
    )


def _quantity(value: float, unit: str) -> str:
    return bytes_text(round(value)) if unit == "bytes" else duration_text(value)
