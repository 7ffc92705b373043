"""Series of durations and sizes, taken from the rows of the nights, and those of them that moved."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from nightly_pipeline.model.baseline import Measure, Move, Thresholds, move_of
from nightly_pipeline.model.history import GOOD_RESULTS, EntryRow, NightRow, TestRow
from nightly_pipeline.model.judgement import Drift
from nightly_pipeline.model.outcomes import NightStatus

IMAGES = ("framework_image", "runtime_image")
PUBLICATIONS = ("published_image", "multi_arch_image")
_MEGABYTE = 1_000_000


def entry_drifts(entries: Iterable[EntryRow], thresholds: Thresholds, *, tonight: str) -> list[Drift]:
    """Stages, builds and image sizes that moved. Only good results are put side by side.

    Args:
        entries: of nights up to tonight, of one kind of engine.
        thresholds: what counts as moved.
        tonight: the night that is judged; what has no good result on it has not moved.
    """
    series: dict[tuple[str, str | None, str], list[EntryRow]] = defaultdict(list)
    for entry in sorted(entries, key=lambda one: one.date):
        if entry.good and entry.date <= tonight and entry.name not in PUBLICATIONS:
            series[entry.framework, entry.arch, entry.name].append(entry)
    return [drift for rows in series.values() for drift in _of_entry(rows, thresholds, tonight)]


def _of_entry(rows: Sequence[EntryRow], thresholds: Thresholds, tonight: str) -> Iterator[Drift]:
    last = rows[-1]
    if last.date != tonight:
        return
    if last.name not in IMAGES:
        alike = [row.duration_s for row in rows if row.status == last.status]
        if move := move_of(alike, thresholds, Measure(thresholds.stage_s)):
            yield _drift("stage", move, last, stage=last.name)
        return
    built = [row.build_wall_s or row.duration_s for row in rows if row.status == "built"]
    if last.status == "built" and (move := move_of(built, thresholds, Measure(thresholds.build_s))):
        yield _drift("build", move, last, name=last.name)
    sizes = [float(row.size_bytes) for row in rows if row.size_bytes]
    measure = Measure(thresholds.image_mb * _MEGABYTE, both_ways=True, by_chance=False)
    if last.size_bytes and (move := move_of(sizes, thresholds, measure)):
        yield _drift("image_size", move, last, name=last.name)


def slow_test_drifts(rows: Iterable[TestRow], thresholds: Thresholds, *, tonight: str) -> list[Drift]:
    """Tests that became slower; only nights on which they passed count."""
    series: dict[tuple[str, str, str, str], dict[str, TestRow]] = defaultdict(dict)
    for row in rows:
        if row.result in GOOD_RESULTS and row.source == "night" and row.date <= tonight:
            series[row.framework, row.arch, row.stage, row.node_id][row.date] = row
    return [drift for own in series.values() if (drift := _of_test(own, thresholds, tonight)) is not None]


def _of_test(own: Mapping[str, TestRow], thresholds: Thresholds, tonight: str) -> Drift | None:
    last = own.get(tonight)
    values = [own[date].duration_s for date in sorted(own)]
    measure = Measure(thresholds.test_s, strictness=thresholds.test_share / thresholds.share)
    move = move_of(values, thresholds, measure) if last else None
    return _drift("test", move, last, stage=last.stage, name=last.node_id) if last and move else None


def step_drifts(entries: Iterable[EntryRow], thresholds: Thresholds, *, tonight: str) -> list[Drift]:
    """Steps of builds that became slower. Cached ones took no time and do not count.

    Args:
        entries: of nights up to tonight, of one kind of engine.
        thresholds: what counts as moved.
        tonight: the night that is judged; a step that did not run on it has not moved.
    """
    builds: dict[tuple[str, str | None, str], list[EntryRow]] = defaultdict(list)
    for entry in sorted(entries, key=lambda one: one.date):
        if entry.build_steps and entry.status == "built" and entry.date <= tonight:
            builds[entry.framework, entry.arch, entry.name].append(entry)
    own = [rows for rows in builds.values() if rows[-1].date == tonight]
    return [drift for rows in own for drift in _of_steps(rows, thresholds)]


def _of_steps(builds: Sequence[EntryRow], thresholds: Thresholds) -> Iterator[Drift]:
    """Of one image's builds, oldest first, tonight's last."""
    series: dict[str, list[float]] = defaultdict(list)
    for build in builds:
        for name, seconds in build.step_seconds.items():
            series[name].append(seconds)
    last = builds[-1]
    for name in sorted(last.step_seconds):
        if move := move_of(series[name], thresholds, Measure(thresholds.build_step_s)):
            yield _drift("build_step", move, last, name=name)


def night_drifts(nights: Iterable[NightRow], thresholds: Thresholds, *, tonight: str) -> list[Drift]:
    """Whether the whole night took longer: the first whole run of each date, incomplete ones left out."""
    first: dict[str, float] = {}
    for night in nights:
        whole = not night.partial and night.status != NightStatus.INCOMPLETE and night.date <= tonight
        if whole and night.started_at and night.ended_at:
            first.setdefault(night.date, (night.ended_at - night.started_at).total_seconds())
    values = [first[date] for date in sorted(first)]
    move = move_of(values, thresholds, Measure(thresholds.night_s)) if tonight in first else None
    return [_drift("night", move, None)] if move else []


def _drift(
    what: str, move: Move, row: EntryRow | TestRow | None, *, stage: str | None = None, name: str = ""
) -> Drift:
    return Drift(
        what=what,
        framework=row.framework if row else None,
        arch=row.arch if row else None,
        stage=stage,
        name=name,
        value=move.value,
        usual=move.usual,
        spread=move.spread,
        unit="bytes" if what == "image_size" else "s",
        nights=move.nights,
        slow=move.slow,
    )
