"""What the nights before say, as Markdown."""

from __future__ import annotations

import pytest
from hypothesis import given
from markdown_it import MarkdownIt
from markdown_it.token import Token

from nightly_pipeline.model.judgement import Commit, Judgement
from nightly_pipeline.model.markdown import CHARACTERS, report_markdown
from nightly_pipeline.model.markdown_past import past_markdown
from nightly_pipeline.model.report import Report, with_judgement
from tests.factories import broken_night, failure, stage, whole_night
from tests.hostile import ATTACKS, hostile_text
from tests.judged import CUDA, DATES, judged_night, judgement, test_of, verdict


def shape(text: str) -> list[str]:
    def flat(tokens: list[Token]) -> list[Token]:
        return [inner for token in tokens for inner in (token, *flat(token.children or []))]

    return [token.type for token in flat(MarkdownIt("commonmark").enable("table").parse(text))]


def test_incidents_stand_first_then_tests_by_verdict_then_steps_then_the_table() -> None:
    text = report_markdown(judged_night())
    places = [
        text.index(part)
        for part in (
            "# Nightly 2026-11-20: red",
            "Compared with 2026-11-19 and 26 nights on record.",
            "## Incidents (2)",
            "### N new: RuntimeError&#58; CUDA error",
            "### R recurring: AssertionError",
            "## Tests over time",
            "### N new (6): good the last time they ran",
            "### ✓ fixed (1): good tonight",
            "### Q quarantined (1)",
            "## Commits (2)",
            "## Out of the usual range (3)",
            "## Problems (8)",
            "| Stage | Status |",
        )
    ]

    assert places == sorted(places)
    assert "6 tests, 2 cells, since tonight\n\n- cells: vllm/amd64, trtllm/amd64\n" in text
    assert "- owner: &#64;\u200binference-runtime\n" in text
    assert "- last good: 2026-11-19 at 41f0be2c7d9a\n" in text


def test_a_test_has_its_place_its_nights_and_its_strip() -> None:
    text = report_markdown(judged_night())

    assert (
        "- `tests/unit/test_radix_cache.py::test_evicts_the_oldest[lru-4096]` (sglang/amd64/unit, "
        "since 2026-11-17 (4 nights), radix-77c0, `.......__.........._......FFFF`): "
        "`AssertionError: assert 4095 == 4096`\n"
    ) in text
    assert "was bad since 2026-11-17" in text
    assert "vllm/amd64/integration: 48 min 10 s, usually 36 min 50 s" in text


def test_a_judged_test_is_listed_once_and_its_stage_counts_it() -> None:
    text = report_markdown(judged_night())

    assert text.count("`tests/unit/test_tokenizer.py::test_keeps_emoji[🙂]`") == 1
    assert "### ✗ vllm/amd64/unit: failed\n\njunit.xml, output.log\n\n1 quarantined\n" in text


def test_nothing_is_said_of_a_past_nobody_asked() -> None:
    assert past_markdown(broken_night(), CHARACTERS) == ""
    assert "Incidents" not in report_markdown(broken_night())


def test_the_first_night_of_all_says_so() -> None:
    assert "There is no earlier night" in past_markdown(
        with_judgement(whole_night(), Judgement()), CHARACTERS
    )


def _huge() -> Report:
    names = [f"tests/test_a.py::test_{number}" for number in range(3_000)]
    failures = [failure(name, "line\n" * 300) for name in names]
    verdicts = tuple(verdict("vllm/amd64/unit", name, "new", "F") for name in names)
    incidents = tuple(
        judgement()
        .incidents[1]
        .model_copy(
            update={"id": str(number), "message": CUDA * 20, "tests": (test_of("vllm/amd64/unit", "x"),)}
        )
        for number in range(200)
    )
    judged = Judgement(compared_with=DATES[-2], verdicts=verdicts, incidents=incidents)
    return with_judgement(whole_night(stage(status="failed", failures=failures)), judged)


@pytest.mark.parametrize("characters", [CHARACTERS, 20_000, 12_000])
def test_a_report_of_thousands_stays_within_its_limit_and_says_what_is_left_out(characters: int) -> None:
    text = report_markdown(_huge(), characters=characters)

    assert len(text) <= characters
    assert "more entries on the page." in text
    assert "## Counts" in text


def _with_text(text: str) -> Report:
    base = judgement()
    incident = base.incidents[1].model_copy(
        update={
            "title": f"t {text}",
            "message": f"m {text}",
            "owners": (text,),
            "suspects": (text,),
            "id": text,
        }
    )
    judged = base.model_copy(
        update={
            "incidents": (incident,),
            "verdicts": (verdict("vllm/amd64/unit", f"t {text}", "new", "F", incident=text),),
            "commits": (Commit(revision=text, author=text, subject=text),),
            "drifts": (base.drifts[2].model_copy(update={"name": text}),),
        }
    )
    failing = failure(f"t {text}", "plain")
    return with_judgement(whole_night(stage(status="failed", failures=[failing])), judged)


@given(hostile_text.filter(str.strip))
def test_no_text_of_the_past_means_anything(text: str) -> None:
    shown = shape(past_markdown(_with_text(text), CHARACTERS))

    for kind in ("html_inline", "html_block", "link_open", "image", "strong_open", "em_open", "table_open"):
        assert kind not in shown
    assert shown.count("heading_open") == shape(past_markdown(_with_text("plain"), CHARACTERS)).count(
        "heading_open"
    )


@pytest.mark.parametrize("attack", ATTACKS)
def test_nobody_is_called_by_an_incident(attack: str) -> None:
    text = past_markdown(_with_text(attack), CHARACTERS)
    outside = "".join(part for part in text.split("\n") if not part.startswith(("```", "- `")))

    assert "@channel" not in outside.replace("m @channel", "")
