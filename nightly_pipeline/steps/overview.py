"""The list of nights: what the history remembers, and what the store still keeps of nights it does not know."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

from pydantic import ValidationError

from nightly_pipeline.errors import NightlyError
from nightly_pipeline.model.history import EntryRow, NightRow
from nightly_pipeline.model.night_rows import entry_rows_of, night_row_of
from nightly_pipeline.model.overview import Overview, overview_of
from nightly_pipeline.model.report import Report
from nightly_pipeline.steps.ports import ArtifactStore, History
from nightly_pipeline.steps.report import REPORT_JSON, REPORT_PAGE

INDEX_PAGE = "index.html"
_DAYS = 400


def gather_overview(store: ArtifactStore, history: History) -> tuple[Overview, dict[str, str], str | None]:
    """Every night of the last 400 days, the addresses of pages relative to the list, and what went wrong.

    Only the history failing is no reason to fail: then there are the nights whose artifacts are kept.
    """
    kept = _kept(store)
    nights, entries, problem = _remembered(history, kept)
    known = {night.date for night in nights}
    for day in sorted(set(kept) - known):
        report = _report(store, kept[day])
        if report is not None:
            nights.append(night_row_of(report))
            entries += entry_rows_of(report)
    pages = {day: f"{folder}/{REPORT_PAGE}" for day, folder in kept.items()}
    return overview_of(nights, entries), pages, problem


def _remembered(history: History, kept: Iterable[str]) -> tuple[list[NightRow], list[EntryRow], str | None]:
    try:
        newest = max([*(night.date for night in history.nights()), *kept], default=None)
        if newest is None:
            return [], [], None
        since = (date.fromisoformat(newest) - timedelta(days=_DAYS)).isoformat()
        nights, entries = list(history.nights(since=since)), list(history.entries(since=since))
        damaged = [str(problem) for problem in history.problems()]
        return nights, entries, f"The past is not known whole: {damaged[0]}" if damaged else None
    except (NightlyError, OSError) as error:
        message = error.message if isinstance(error, NightlyError) else str(error)
        return (
            [],
            [],
            f"The history could not be read: {message}. Only nights whose artifacts are kept are listed.",
        )


def _kept(store: ArtifactStore) -> dict[str, str]:
    """Date -> folder of the run whose page was written last."""
    found = {}
    for day in store.dates():
        pages = [key for key in store.keys(day.isoformat()) if _is_page(key)]
        if pages:
            newest = pages[0] if len(pages) == 1 else max(pages, key=lambda key: _written(store, key))
            found[day.isoformat()] = newest.rpartition("/")[0]
    return found


_PAGE_PARTS = 3


def _is_page(key: str) -> bool:
    return key.endswith(f"/{REPORT_PAGE}") and key.count("/") == _PAGE_PARTS - 1


def _written(store: ArtifactStore, key: str) -> tuple[str, str]:
    """When the run of a page started, as its report says; of one that cannot be read nothing is known."""
    report = _report(store, key.rpartition("/")[0])
    return (max((f"{run.started_at}" for run in report.runs), default="") if report else "", key)


def _report(store: ArtifactStore, folder: str) -> Report | None:
    try:
        return Report.model_validate_json(store.read(f"{folder}/{REPORT_JSON}") or b"")
    except ValidationError:
        return None
