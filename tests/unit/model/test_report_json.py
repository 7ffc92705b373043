"""A report as JSON: read back as it was, and of bearable size when everything fails."""

from __future__ import annotations

from nightly_pipeline.model.judgement import Judgement, TestVerdict, Verdict
from nightly_pipeline.model.report import Report, with_judgement
from nightly_pipeline.model.report_json import STRIPS, report_json
from tests.factories import failure, stage, whole_night
from tests.judged import judged_night, strip, test_of


def _mass(count: int, *, new: int = 0) -> Report:
    names = [f"tests/test_a.py::test_case[{number}]" for number in range(count)]
    verdicts = tuple(
        TestVerdict(
            test=test_of("vllm/amd64/unit", name),
            verdict=Verdict.NEW if number >= count - new else Verdict.RECURRING,
            strip=strip("F" * 30),
        )
        for number, name in enumerate(names)
    )
    report = whole_night(stage(status="failed", failures=[failure(name) for name in names]))
    return with_judgement(report, Judgement(verdicts=verdicts))


def test_an_ordinary_night_is_read_back_as_it_was() -> None:
    report = judged_night()

    assert Report.model_validate_json(report_json(report)) == report
    assert Report.model_validate_json(report_json(whole_night())) == whole_night()


def test_the_strips_of_a_mass_are_left_out_and_counted() -> None:
    report = _mass(5_000, new=7)
    text = report_json(report)
    back = Report.model_validate_json(text)

    assert back.judgement is not None
    kept = [one for one in back.judgement.verdicts if one.strip]
    assert len(kept) == STRIPS
    assert back.judgement.strips_left_out == 5_000 - STRIPS
    assert sum(one.verdict is Verdict.NEW for one in kept) == 7
    assert len(text) < len(report.model_dump_json(indent=2)) / 3


def test_nothing_but_strips_is_left_out() -> None:
    report = _mass(STRIPS + 1)
    back = Report.model_validate_json(report_json(report))

    assert back.stages == report.stages
    assert report.judgement is not None
    assert back.judgement is not None
    bare = [one.model_copy(update={"strip": ()}) for one in report.judgement.verdicts]
    assert [one.model_copy(update={"strip": ()}) for one in back.judgement.verdicts] == bare
    assert Report.model_validate_json(report_json(_mass(STRIPS))).judgement == _mass(STRIPS).judgement
