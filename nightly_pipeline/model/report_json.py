"""A report as JSON: whole, but for the history strips of a night in which thousands of tests are bad."""

from __future__ import annotations

from nightly_pipeline.model.judgement import Judgement, TestVerdict, Verdict
from nightly_pipeline.model.report import Report

STRIPS = 1_000
"""Thirty nights each. The history has all of them: `nightly history TEST`."""

_FIRST = (Verdict.NEW, Verdict.UNKNOWN, Verdict.FLAKY, Verdict.ENVIRONMENT, Verdict.FIXED)


def report_json(report: Report, *, strips: int = STRIPS) -> str:
    """The report as people's programs read it; how many strips are left out stands in `judgement.strips_left_out`.

    Args:
        report: the night.
        strips: how many are kept at most: those of new failures first, those of recurring and quarantined ones last.
    """
    judgement = report.judgement
    if judgement is not None:
        report = report.model_copy(update={"judgement": _with_strips(judgement, strips)})
    return report.model_dump_json(indent=2)


def _with_strips(judgement: Judgement, most: int) -> Judgement:
    having = [one for one in judgement.verdicts if one.strip]
    if len(having) <= most:
        return judgement
    kept = {one.test for one in sorted(having, key=lambda one: one.verdict not in _FIRST)[:most]}
    verdicts = tuple(_bare(one) if one.test not in kept else one for one in judgement.verdicts)
    return judgement.model_copy(update={"verdicts": verdicts, "strips_left_out": len(having) - len(kept)})


def _bare(one: TestVerdict) -> TestVerdict:
    return one.model_copy(update={"strip": ()})
