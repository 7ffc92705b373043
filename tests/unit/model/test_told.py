"""No trouble is told twice: a step that broke and its incident are one line, in every place that tells of a night."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from nightly_pipeline.model.findings import findings
from nightly_pipeline.model.headlines import headlines
from nightly_pipeline.model.judgement import Incident, Judgement, Verdict
from nightly_pipeline.model.markdown import report_markdown
from nightly_pipeline.model.markdown_text import escape_cell
from nightly_pipeline.model.message import night_message
from nightly_pipeline.model.message_background import Background
from nightly_pipeline.model.message_thread import thread_messages
from nightly_pipeline.model.outcomes import StageOutcome
from nightly_pipeline.model.report import Report, with_judgement
from nightly_pipeline.model.step_incidents import step_incidents
from nightly_pipeline.model.told import first_steps, leads, standing, told
from nightly_pipeline.page.render import render_page
from nightly_pipeline.terminal import report_tables
from tests.factories import DATE, failure, image, stage, whole_night
from tests.judged import test_of
from tests.unit.model.test_message import whole
from tests.unit.terminal.screens import screen

HANG = "tests/test_stream.py::test_long_answer"
CALLED = Background(mentions={"@org/stream": "S0123"})


def incident(verdict: str = "new", nights: int = 1, **fields) -> Incident:
    defaults = {
        "id": "5a5a",
        "title": "still running at the deadline",
        "tests": (test_of("sglang/amd64/unit", HANG),),
        "cells": (("sglang", "amd64"),),
        "since": DATE if nights == 1 else "2026-11-15",
        "nights": nights,
        "owners": ("@org/stream",),
    }
    return Incident(verdict=Verdict(verdict), **(defaults | fields))


def timed_out(*more: str) -> StageOutcome:
    return stage(
        "sglang",
        "amd64",
        "unit",
        "timed_out",
        message=f"ended by its deadline after 45 min; last test: {HANG}",
        failures=[failure(HANG, "still running at the deadline"), *map(failure, more)],
    )


def no_gpu(framework: str = "vllm") -> StageOutcome:
    return stage(framework, "amd64", "e2e_multi_gpu", "infra_error", message="no GPU on gpu-l40-amd64")


def night(*changed, incidents: tuple[Incident, ...] = ()) -> Report:
    return with_judgement(whole_night(*changed), Judgement(incidents=incidents))


def lines(report: Report) -> list[str]:
    return [f"{one.word} {one.title}: {one.detail}" for one in headlines(report, findings(report))]


def test_a_stage_that_hung_is_one_line_with_what_its_incident_knows() -> None:
    report = night(timed_out(), incidents=(incident("recurring", 6),))
    who = told(report)

    assert who.incidents == ()
    assert [item.label for item in who.steps] == ["sglang/amd64/unit"]
    why = f"ended by its deadline after 45 min; last test: {HANG}"
    assert lines(report) == [f"timed_out sglang/amd64/unit: {why} · since 2026-11-15 (6 nights)"]
    text = whole(night_message(report))
    assert "*1 problem*." in text
    assert "incident" not in text
    assert text.count("sglang/amd64/unit* timed_out") == 1
    assert "since 2026-11-15 (6 nights) · owner: @org/stream" in text


def test_owners_of_what_broke_for_the_first_time_are_called() -> None:
    text = whole(night_message(night(timed_out(), incidents=(incident(),)), background=CALLED))

    assert "36 passed" not in text
    assert "timed_out · new · owner: <!subteam^S0123>" in text


def test_a_stage_that_broke_and_has_failures_besides_keeps_its_line_beside_their_incidents() -> None:
    """What a crash or deadline means must not disappear behind the tests that failed before it."""
    other = incident(
        id="b", title="AssertionError: no", tests=(test_of("sglang/amd64/unit", "a.py::test_a"),)
    )
    report = night(timed_out("a.py::test_a"), incidents=(incident(), other))

    assert [line.split(":")[0] for line in lines(report)] == [
        "new still running at the deadline",
        "new AssertionError",
        "timed_out sglang/amd64/unit",
    ]


def test_an_incident_that_reaches_beyond_the_stage_that_broke_keeps_its_line() -> None:
    both = (test_of("sglang/amd64/unit", HANG), test_of("vllm/amd64/unit", HANG))
    failed = stage("vllm", "amd64", "unit", "failed", failures=[failure(HANG)])
    report = night(timed_out(), failed, incidents=(incident(tests=both),))

    assert [line.split(" ")[0] for line in lines(report)] == ["new", "timed_out"]


def test_stages_that_name_no_test_are_told_as_steps_and_their_incident_says_since_when() -> None:
    stages = (no_gpu("vllm"), no_gpu("sglang"))
    [found] = step_incidents(night(*stages), ())
    report = night(*stages, incidents=(found.model_copy(update={"nights": 3, "since": "2026-11-18"}),))

    assert lines(report) == [
        "infra_error vllm/amd64/e2e_multi_gpu and 1 other step: no GPU on gpu-l40-amd64 · since 2026-11-18 (3 nights)"
    ]
    text = whole(night_message(report))
    assert "*2 problems*." in text
    assert "0 tests" not in text
    assert text.count("no GPU on gpu-l40-amd64") == 1
    assert "  The same in sglang/amd64/e2e_multi_gpu" in text
    assert list(thread_messages(report)) == ["vllm/amd64", "sglang/amd64"]
    markdown = report_markdown(report)
    assert "## Incidents" not in markdown
    assert "infra_error, since 2026-11-18 (3 nights)" in markdown


def test_an_image_that_cannot_be_built_says_since_when() -> None:
    broken = image("vllm", "arm64", "runtime", "failed", message="RUN uv pip install vllm: exit code 1")
    [found] = step_incidents(night(broken), ())
    report = night(broken, incidents=(found.model_copy(update={"nights": 3, "since": "2026-11-18"}),))

    why = "RUN uv pip install vllm: exit code 1 · since 2026-11-18 (3 nights)"
    assert f"failed vllm/arm64/runtime_image: {why}" in lines(report)
    assert told(report).incidents == ()


SUSPECTS = ("Ada", "Bob", "Cleo", "Dan", "Eve", "Finn")


def images_broken_since(date: str) -> Report:
    """Two images that one change broke, with what their incident knows."""
    message = "RUN uv pip install vllm: exit code 1"
    broken = [image("vllm", arch, "framework", "failed", message=message) for arch in ("amd64", "arm64")]
    [found] = step_incidents(night(*broken), ())
    known = {
        "last_good": date,
        "last_good_revision": "1" * 40,
        "first_bad_revision": "2" * 40,
        "owners": ("@org/images",),
        "suspects": SUSPECTS,
    }
    return night(*broken, incidents=(found.model_copy(update=known),))


def test_steps_that_one_change_broke_lead_to_it_once() -> None:
    report = images_broken_since("2026-11-19")
    [(label, known)] = first_steps(told(report)).items()

    between = "good last on 2026-11-19, 111111111111 to 222222222222"
    by = "commits since then by Ada, Bob, Cleo, Dan, Eve and 1 more"
    assert (label, leads(known)) == ("vllm/amd64/framework_image", (between, by))
    markdown = report_markdown(report)
    assert markdown.count("- owner: ") == 2
    assert markdown.count(f"- {escape_cell(between)}\n- {escape_cell(by)}\n") == 1
    thread = thread_messages(report, background=Background(mentions={"@org/images": "S0456"}))
    (_, amd64), (_, arm64) = thread["vllm/amd64"], thread["vllm/arm64"]
    assert by in str(amd64)
    assert "owner: <!subteam^S0456>" in str(amd64)
    assert "commits since" not in str(arm64)
    assert "S0456" not in str(arm64)
    page = render_page(report, generated_at=datetime(2026, 11, 20, tzinfo=UTC))
    assert page.count(by) == 1
    assert page.count('<span class="why">@org/images</span>') == 2
    shown = "\n".join(line.rstrip() for line in screen(report_tables(report), 160).splitlines())
    assert shown.count(f"  {between}\n  {by}\n") == 1
    assert shown.count("@org/images\n") == 2


def test_nothing_is_known_of_a_step_that_was_never_good() -> None:
    broken = image("vllm", "arm64", "framework", "failed", message="no space left")
    [found] = step_incidents(night(broken), ())
    assert leads(found) == ()
    assert first_steps(told(night(broken))) == {}


def test_what_recurs_comes_after_what_is_new_in_page_and_message() -> None:
    broken = image("vllm", "arm64", "framework", "failed", message="no space left")
    report = night(broken, timed_out(), incidents=(incident("recurring", 6),))
    text = whole(night_message(report))

    assert [line.split(" ")[0] for line in lines(report)] == ["failed", "timed_out"]
    assert text.index("*vllm/arm64/framework_image*") < text.index("*sglang/amd64/unit*")


def test_replies_of_cells_leave_tests_to_the_replies_of_their_incidents() -> None:
    replies = thread_messages(night(timed_out("a.py::test_alone"), incidents=(incident(),)))

    assert HANG in whole(replies["incident-5a5a"])
    cell = whole(replies["sglang/amd64"])
    assert "• `a.py::test_alone`" in cell
    assert f"• `{HANG}`" not in cell


@pytest.mark.parametrize(
    ("verdict", "nights", "text"),
    [
        ("new", 1, "new"),
        ("unknown", 1, ""),
        ("environment", 1, ""),
        ("unknown", 6, "since 2026-11-15 (6 nights)"),
        ("recurring", 6, "since 2026-11-15 (6 nights)"),
        ("flaky", 2, "flaky"),
        ("quarantined", 6, "quarantined"),
    ],
)
def test_a_step_says_what_its_incident_knows_and_nothing_more(verdict: str, nights: int, text: str) -> None:
    assert standing(incident(verdict, nights)) == text
    assert standing(None) == ""


def test_a_night_without_a_past_says_of_nothing_that_it_began_tonight() -> None:
    failed = stage("sglang", "amd64", "unit", "failed", failures=[failure(HANG, "no")])
    report = night(failed, incidents=(incident("unknown"),))

    assert lines(report) == [
        "not compared still running at the deadline: test_long_answer in sglang/amd64/unit"
    ]
    assert "tonight" not in whole(night_message(report))
