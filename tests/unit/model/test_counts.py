from __future__ import annotations

from nightly_pipeline.model.counts import count_collected, counts_line, counts_run, tally
from nightly_pipeline.model.outcomes import StageStatus
from tests.factories import night, stage


def test_tallies_follow_the_vocabulary() -> None:
    statuses = [StageStatus.BLOCKED, StageStatus.PASSED, StageStatus.FAILED, StageStatus.PASSED]

    assert tally(statuses) == "2 passed, 1 failed, 1 blocked"
    assert tally([]) == "none"


def test_collected_tests_are_not_counted_as_run() -> None:
    report = night(stages=[stage(), stage(arch="arm64")])

    assert counts_run(report).model_dump() == {
        "passed": 36,
        "failed": 0,
        "skipped": 2,
        "errors": 0,
        "collected": 38,
    }
    assert count_collected(report) == 38
    assert counts_line(report.stages[0]) == "36 passed, 2 skipped"
    assert counts_line(report.stages[1]) == "38 collected"
