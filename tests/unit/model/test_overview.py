from __future__ import annotations

from nightly_pipeline.model.history import EntryRow, NightRow
from nightly_pipeline.model.outcomes import NightStatus
from nightly_pipeline.model.overview import overview_of, status_of
from tests.factories import STARTED
from tests.judged import DATES, GAPS, past


def run(date: str, run_id: str = "r", **fields) -> NightRow:
    defaults = {"status": "green", "engine_kind": "real", "profile": "production", "partial": False}
    return NightRow(date=date, run_id=run_id, **(defaults | fields))


def entry(status: str, *, good: bool, **fields) -> EntryRow:
    defaults = {"date": "2026-11-20", "run_id": "r", "framework": "vllm", "arch": "amd64", "name": "unit"}
    return EntryRow(status=status, good=good, **(defaults | fields))


def test_a_night_is_green_only_when_all_of_it_is() -> None:
    good, red, open_ = entry("passed", good=True), entry("crashed", good=False), entry("blocked", good=False)

    assert status_of([good, good]) is NightStatus.GREEN
    assert status_of([good, open_, red]) is NightStatus.RED
    assert status_of([good, open_]) is NightStatus.INCOMPLETE
    assert status_of([]) is NightStatus.INCOMPLETE


def test_nights_come_newest_first_and_a_day_without_one_has_its_line() -> None:
    found = overview_of([run("2026-11-17"), run("2026-11-20")], [entry("passed", good=True)])

    assert [line.date for line in found.nights] == ["2026-11-20", "2026-11-19", "2026-11-18", "2026-11-17"]
    assert [line.run_id for line in found.nights] == ["r", None, None, "r"]
    assert [line.status for line in found.nights] == [NightStatus.GREEN, None, None, NightStatus.GREEN]


def test_a_word_nobody_knows_is_never_green() -> None:
    assert overview_of([run("2026-11-20", status="splendid")], []).nights[0].status is NightStatus.INCOMPLETE


def test_several_runs_are_one_line_with_the_newest_results() -> None:
    first = run("2026-11-20", "a", status="red", started_at=STARTED, ended_at=STARTED.replace(hour=9))
    again = run("2026-11-20", "b", partial=True, started_at=STARTED, ended_at=STARTED.replace(minute=10))
    [line] = overview_of([first, again], [entry("passed", good=True, passed=4)]).nights

    assert (line.run_id, line.runs, line.partial, line.status) == ("b", 2, False, NightStatus.GREEN)
    assert (line.duration_s, line.passed, line.failed) == (4200.0, 4, 0)


def test_one_mock_run_makes_it_a_mock_night() -> None:
    rows = [run("2026-11-20", "a", engine_kind="mock"), run("2026-11-20", "b")]

    assert overview_of(rows, []).nights[0].engine_kind == "mock"


def test_cells_have_verdicts_of_their_own_and_an_index_belongs_to_none() -> None:
    rows = [
        entry("passed", good=True),
        entry("failed", good=False, framework="sglang"),
        entry("published", good=True, arch=None, name="multi_arch_image"),
    ]
    found = overview_of([run("2026-11-20")], rows)

    assert found.cells == (("vllm", "amd64"), ("sglang", "amd64"))
    assert found.nights[0].cells == {
        ("vllm", "amd64"): NightStatus.GREEN,
        ("sglang", "amd64"): NightStatus.RED,
    }


def test_a_month_has_all_its_days() -> None:
    found = overview_of(*past())

    assert [line.date for line in found.nights] == list(reversed(DATES[:-1]))
    assert {line.date for line in found.nights if line.run_id is None} == GAPS
    assert len(found.cells) == 6
    assert overview_of([], []).nights == ()
