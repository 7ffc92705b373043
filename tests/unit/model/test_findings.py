from __future__ import annotations

import pytest

from nightly_pipeline.model.findings import (
    broken_steps,
    counts,
    counts_text,
    failed_stages,
    findings,
    incident_line,
    incidents,
    since_text,
)
from nightly_pipeline.model.headlines import Headline, headlines
from nightly_pipeline.model.judgement import Incident, Judgement, Verdict
from nightly_pipeline.model.report import Report, with_judgement
from tests.factories import broken_night, failure, stage, whole_night
from tests.judged import judged_night, test_of, verdict


def _lines(report: Report) -> tuple[Headline, ...]:
    return headlines(report, findings(report))


def test_every_test_is_found_once_by_its_verdict_in_the_order_people_ask() -> None:
    found = findings(judged_night())

    assert list(found) == [
        Verdict.NEW,
        Verdict.RECURRING,
        Verdict.FLAKY,
        Verdict.ENVIRONMENT,
        Verdict.FIXED,
        Verdict.QUARANTINED,
    ]
    tests = [one.test for group in found.values() for one in group]
    assert len(tests) == len(set(tests)) == 11


def test_without_a_judgement_nothing_is_made_up() -> None:
    assert counts(findings(broken_night())) == {Verdict.UNKNOWN: 3}


def test_a_failure_the_judgement_does_not_know_is_not_lost() -> None:
    report = whole_night(stage(status="failed", failures=[failure("a"), failure("b")]))
    told = with_judgement(report, Judgement(verdicts=(verdict("vllm/amd64/unit", "a", "new", "F"),)))

    assert {word: [one.test.node_id for one in found] for word, found in findings(told).items()} == {
        Verdict.NEW: ["a"],
        Verdict.UNKNOWN: ["b"],
    }


def test_a_verdict_without_a_failure_tonight_is_not_lost_either() -> None:
    flaky = verdict("vllm/amd64/unit", "passed at last", "flaky", "~")
    [found] = findings(with_judgement(whole_night(), Judgement(verdicts=(flaky,))))[Verdict.FLAKY]

    assert found.failure is None
    assert (found.where, found.message) == ("vllm/amd64/unit", "")


def test_a_failures_own_verdict_counts_when_there_is_no_judgement() -> None:
    failing = [failure("a", verdict="recurring"), failure("b", verdict="a word of the future")]

    assert counts(findings(whole_night(stage(status="failed", failures=failing)))) == {
        Verdict.UNKNOWN: 1,
        Verdict.RECURRING: 1,
    }


def test_steps_that_broke_are_told_from_stages_whose_tests_failed() -> None:
    report = broken_night()

    assert [one.label for one in failed_stages(report)] == ["sglang/amd64/unit"]
    assert [one.label for one in broken_steps(report)] == [
        "vllm/arm64/runtime_image",
        "trtllm/amd64/integration",
        "trtllm/amd64/e2e_single_gpu",
        "sglang/amd64/e2e_multi_gpu",
    ]


def test_new_incidents_come_first_then_the_larger_ones() -> None:
    def incident(name: str, word: str, tests: int) -> Incident:
        members = tuple(test_of("vllm/amd64/unit", str(number)) for number in range(tests))
        return Incident(
            id=name, title="t", verdict=Verdict(word), tests=members, cells=(), since=None, nights=0
        )

    many = (incident("a", "recurring", 9), incident("b", "new", 1), incident("c", "new", 4))
    report = with_judgement(whole_night(), Judgement(incidents=many))

    assert [one.id for one in incidents(report)] == ["c", "b", "a"]


def test_headlines_begin_with_what_is_new_and_name_everything_that_is_not_good() -> None:
    lines = _lines(judged_night())

    assert [one.word for one in lines] == ["new", "failed", "recurring", "failed", "failed", "failed"]
    assert lines[1].title == "vllm/arm64/runtime_image"
    assert [one.detail for one in lines[3:]] == ["1 quarantined", "1 flaky", "1 environment"]
    assert _lines(whole_night()) == ()


def test_a_new_failure_without_an_incident_comes_before_what_was_there() -> None:
    report = whole_night(stage("sglang", status="failed", failures=[failure("a")]))
    old = verdict("vllm/amd64/unit", "b", "recurring", "FF", incident="i")
    incident = Incident(
        id="i",
        title="old",
        verdict=Verdict.RECURRING,
        tests=(old.test,),
        cells=(),
        since="2026-11-19",
        nights=2,
    )
    verdicts = (old, verdict("sglang/amd64/unit", "a", "new", "F"))
    told = with_judgement(report, Judgement(verdicts=verdicts, incidents=(incident,)))

    assert [(one.title, one.detail) for one in _lines(told)] == [
        ("sglang/amd64/unit", "1 new"),
        ("old", "b in vllm/amd64/unit, since 2026-11-19 (2 nights)"),
    ]


@pytest.mark.parametrize(
    ("since", "nights", "text"),
    [("2026-11-20", 1, "since tonight"), ("2026-11-17", 4, "since 2026-11-17 (4 nights)"), (None, 3, "")],
)
def test_since_is_a_date_and_a_number_of_nights(since: str | None, nights: int, text: str) -> None:
    assert since_text(since, nights) == text


def test_an_incident_is_read_as_one_line() -> None:
    assert incident_line(incidents(judged_night())[0]) == "6 tests, 2 cells, since tonight"


def test_counts_are_words() -> None:
    assert counts_text({Verdict.NEW: 1200, Verdict.UNKNOWN: 1}, judged=True) == "1,200 new, 1 not compared"
    assert counts_text({Verdict.UNKNOWN: 2}, judged=False) == "2 failing"
    assert counts_text({}, judged=False) == ""
