from __future__ import annotations

import pytest

from nightly_pipeline.model.history import EntryRow, NightRow
from nightly_pipeline.model.outcomes import StageCounts
from nightly_pipeline.model.report import Report
from nightly_pipeline.model.trends import Chart, Trends, last_dates, trends_of
from tests.factories import DATE, STARTED, failure, image, night, run_facts, stage
from tests.judged import DATES, GAPS, judged_night, past

YESTERDAY, DAY_BEFORE = DATES[-2], DATES[-3]


def entry(date: str = YESTERDAY, name: str = "unit", status: str = "passed", **fields) -> EntryRow:
    defaults = {"run_id": "r", "framework": "vllm", "arch": "amd64", "good": status in {"passed", "built"}}
    return EntryRow(date=date, name=name, status=status, engine_kind="mock", **(defaults | fields))


def chart(trends: Trends, key: str) -> Chart:
    return next(one for one in trends.charts if one.key == key)


def values(trends: Trends, key: str, line: int = 0) -> list[float | None]:
    return [one and one.value for one in chart(trends, key).lines[line].values]


def tonight(**fields) -> Report:
    return night([image()], [stage(counts=StageCounts(passed=9, failed=1, collected=10), **fields)])


def test_the_window_is_calendar_days_and_ends_tonight() -> None:
    assert last_dates("2026-03-01", 3) == ("2026-02-27", "2026-02-28", "2026-03-01")
    assert last_dates("no date", 3) == ("no date",)


def test_every_day_has_a_place_and_a_missing_night_is_a_gap() -> None:
    trends = trends_of(tonight(), [], [entry(DAY_BEFORE, passed=4)], length=4)

    assert trends.dates == DATES[-4:]
    assert values(trends, "pass-rate") == [None, 100.0, None, 90.0]
    assert trends.known == {DAY_BEFORE, DATE}


def test_tonight_stands_for_itself_whatever_the_history_says_of_it() -> None:
    rows = [entry(DATE, passed=1), entry(YESTERDAY, passed=1)]

    assert values(trends_of(tonight(), [], rows, length=2), "pass-rate") == [100.0, 90.0]


def test_nights_of_another_kind_of_engine_are_gaps() -> None:
    other = entry(passed=4).model_copy(update={"engine_kind": "real"})
    trends = trends_of(tonight(), [], [other], length=2)

    assert values(trends, "pass-rate") == [None, 90.0]
    assert trends.known == {DATE}


def test_the_pass_rate_leaves_skips_out_and_says_when_a_stage_did_not_end() -> None:
    rows = [
        entry(passed=8, failed=1, errors=1, skipped=90, status="failed"),
        entry(DAY_BEFORE, passed=5),
        entry(DAY_BEFORE, name="integration", status="infra_error"),
    ]
    [line] = chart(trends_of(tonight(), [], rows, length=3), "pass-rate").lines

    assert [(one.value, one.whole) for one in line.values if one] == [
        (100.0, False),
        (80.0, True),
        (90.0, True),
    ]


def test_a_night_in_which_nothing_ran_has_no_pass_rate() -> None:
    rows = [entry(status="no_tests", skipped=12)]

    assert values(trends_of(tonight(), [], rows, length=2), "pass-rate") == [None, 90.0]


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [(("built", "built"), 150.0), (("built", "reused"), None), (("reused", "reused"), None)],
)
def test_build_time_is_of_nights_that_built_both_images(
    statuses: tuple[str, str], expected: float | None
) -> None:
    rows = [
        entry(name=name, status=status, good=True, duration_s=100, build_wall_s=wall)
        for name, status, wall in zip(
            ("framework_image", "runtime_image"), statuses, (50.0, None), strict=True
        )
    ]

    assert values(trends_of(tonight(), [], rows, length=2), "build-time")[0] == expected


def test_a_build_that_failed_is_marked() -> None:
    rows = [entry(name="runtime_image", status="failed", duration_s=30)]
    [line] = chart(trends_of(tonight(), [], rows, length=2), "build-time").lines

    assert [one and one.whole for one in line.values] == [False, True]


def test_the_size_is_the_runtime_images() -> None:
    rows = [
        entry(name="framework_image", status="built", size_bytes=9),
        entry(name="runtime_image", status="built", size_bytes=5),
    ]

    assert values(trends_of(tonight(), [], rows, length=2), "image-size") == [5.0, 61_500_000.0]


def test_cells_that_only_collect_have_no_duration() -> None:
    report = night([], [stage(), stage(arch="arm64")])

    assert [line.name for line in chart(trends_of(report, [], []), "stage-unit").lines] == ["vllm/amd64"]


def test_a_lines_frameworks_stand_together_in_their_order() -> None:
    report = night([image(*cell.split("/")) for cell in ("vllm/arm64", "sglang/amd64", "vllm/amd64")])
    lines = chart(trends_of(report, [], []), "image-size").lines

    assert [line.name for line in lines] == ["vllm/amd64", "vllm/arm64", "sglang/amd64"]


def test_the_nights_duration_is_of_its_first_whole_run() -> None:
    def run(run_id: str, minutes: int, **fields) -> NightRow:
        defaults = {"status": "green", "engine_kind": "mock", "profile": "local", "partial": False}
        return NightRow(
            date=YESTERDAY,
            run_id=run_id,
            started_at=STARTED,
            ended_at=STARTED.replace(minute=minutes),
            **(defaults | fields),
        )

    rows = [run("a", 5, partial=True), run("b", 30), run("c", 40)]
    report = night([image()], runs=[run_facts(), run_facts(run_id="again", partial=True)])
    [line] = chart(trends_of(report, rows, [], length=2), "night").lines

    assert [(one.value, one.whole) for one in line.values if one] == [(1800.0, True), (11520.0, True)]


def test_a_month_of_nights_has_its_gaps() -> None:
    trends = trends_of(judged_night(), *past())

    assert [one.key for one in trends.charts] == [
        "pass-rate",
        "build-time",
        "image-size",
        "stage-unit",
        "stage-integration",
        "stage-e2e_single_gpu",
        "stage-e2e_multi_gpu",
        "night",
    ]
    assert set(trends.dates) - trends.known == GAPS
    missing = {trends.dates[at] for at, value in enumerate(values(trends, "image-size")) if value is None}
    assert missing == GAPS
    assert trends.usual_s is not None


def test_without_a_past_there_is_tonight_alone() -> None:
    trends = trends_of(night([], [stage(status="failed", failures=[failure()])]), [], [])

    assert trends.known == {DATE}
    assert [sum(value is not None for value in values(trends, one.key)) for one in trends.charts] == [1, 1, 1]
