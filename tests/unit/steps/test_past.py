"""What the history adds to the pages, and what they do without it."""

from __future__ import annotations

import pytest

from nightly_pipeline.errors import RecordError
from nightly_pipeline.steps.overview import gather_overview
from nightly_pipeline.steps.past import gather_trends
from tests.factories import DATE, run_facts, whole_night
from tests.fakes.history import MemoryHistory
from tests.fakes.store import MemoryStore
from tests.judged import DATES, GAPS, judged_night, past


@pytest.fixture
def history() -> MemoryHistory:
    remembered = MemoryHistory()
    nights, entries = past()
    for night in nights:
        remembered.write(night, [one for one in entries if one.date == night.date], ())
    return remembered


@pytest.fixture
def store() -> MemoryStore:
    kept = MemoryStore()
    for run_id in ("run-1", "run-2"):
        report = whole_night(runs=[run_facts(run_id=run_id)])
        kept.write(f"{DATE}/{run_id}/report.json", report.model_dump_json().encode())
        kept.write(f"{DATE}/{run_id}/report.html", b"page")
    return kept


def test_trends_come_from_the_last_thirty_nights(history: MemoryHistory) -> None:
    trends = gather_trends(judged_night(), history)

    assert trends.problem is None
    assert set(trends.dates) - trends.known == GAPS


@pytest.mark.parametrize("error", [RecordError("the disk is full"), OSError("gone")])
def test_a_history_that_fails_is_told_and_no_error(history: MemoryHistory, error: Exception) -> None:
    history.refusal = error
    trends = gather_trends(judged_night(), history)

    assert trends.charts == ()
    assert trends.problem is not None
    assert str(error.args[0]) in trends.problem


def test_the_list_has_the_remembered_nights_and_links_to_those_that_are_kept(history, store) -> None:
    overview, pages, problem = gather_overview(store, history)

    assert problem is None
    assert overview.nights[0].date == DATE
    assert len(overview.nights) == len(DATES)
    assert list(pages) == [DATE]


def test_a_night_the_history_does_not_know_is_read_from_its_report(store) -> None:
    overview, pages, problem = gather_overview(store, MemoryHistory())

    assert [(line.date, line.status) for line in overview.nights] == [(DATE, "green")]
    assert pages == {DATE: f"{DATE}/run-2/report.html"}
    assert problem is None


def test_without_a_history_the_list_says_so_and_has_what_is_kept(history, store) -> None:
    history.refusal = RecordError("the disk is full")
    overview, _, problem = gather_overview(store, history)

    assert [line.date for line in overview.nights] == [DATE]
    assert problem is not None
    assert "the disk is full" in problem


def test_a_report_that_cannot_be_read_is_left_out(store) -> None:
    for key in list(store.kept):
        if key.endswith(".json"):
            store.kept[key] = b"{"
    overview, pages, _ = gather_overview(store, MemoryHistory())

    assert overview.nights == ()
    assert list(pages) == [DATE]


def test_the_list_itself_and_other_files_are_no_nights(store) -> None:
    store.write("index.html", b"")
    store.write(f"{DATE}/run-2/vllm/amd64/unit/report.html", b"")

    assert gather_overview(store, MemoryHistory())[1] == {DATE: f"{DATE}/run-2/report.html"}


def test_damage_in_the_history_is_told_and_the_rest_is_shown(history, store) -> None:
    history.left_out = ["month=2026-10/a.parquet: cut short", "another"]
    trends = gather_trends(judged_night(), history)
    overview, _, problem = gather_overview(store, history)

    assert trends.problem == "The past is not known whole: month=2026-10/a.parquet: cut short (and 1 more)"
    assert len(trends.charts) == 8
    assert len(overview.nights) == len(DATES)
    assert problem == "The past is not known whole: month=2026-10/a.parquet: cut short"
