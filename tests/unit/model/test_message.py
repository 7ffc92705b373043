from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightly_pipeline.model.links import Links
from nightly_pipeline.model.message import night_message
from nightly_pipeline.model.message_background import Background
from nightly_pipeline.model.message_blocks import Block, Message, code, escaped_within, fitted, link, section
from nightly_pipeline.model.message_thread import thread_messages
from nightly_pipeline.model.mrkdwn import MAX_BLOCKS, MAX_CHARACTERS, MAX_SECTION, MAX_TEXT, characters
from nightly_pipeline.model.reading import MOCK_NOTE
from nightly_pipeline.model.report import Report
from nightly_pipeline.tools.slack_limits import fit_blocks, fit_text
from tests.factories import (
    RUN_ID,
    broken_night,
    failure,
    image,
    night,
    run_facts,
    stage,
    whole_night,
)
from tests.hostile import ATTACKS, hostile_text

LINKS = Links(
    artifact=lambda key: f"https://artifacts.example/{key}?a=1&b=2",
    run=lambda run_id: f"http://127.0.0.1:3000/runs/{run_id}",
    page="https://artifacts.example/report.html",
)
OURS = re.compile(r"<https?://(?:artifacts\.example|127\.0\.0\.1:3000)/[^<>|]*\|[^<>|]*>")


def texts(blocks: list[Block]) -> Iterator[str]:
    for block in blocks:
        for part in [block["text"]] if "text" in block else block["elements"]:
            yield part["text"]


def whole(message: Message) -> str:
    return "\n".join(texts(message[1]))


def failing_night(tests: int, message: str = "assert 1 == 2", stages: int = 1) -> Report:
    failures = [failure(f"tests/test_a.py::test_{number}", message) for number in range(tests)]
    return night(
        stages=[stage("vllm", "amd64", f"stage{n}", "failed", failures=failures) for n in range(stages)]
    )


def within_limits(message: Message) -> bool:
    text, blocks = message
    for block in blocks:
        limit = 150 if block["type"] == "header" else MAX_SECTION
        assert all(0 < len(part) <= limit for part in texts([block]))
    assert len(blocks) <= MAX_BLOCKS
    assert characters(blocks) <= MAX_CHARACTERS
    assert 0 < len(text) <= MAX_TEXT
    json.dumps(blocks, ensure_ascii=False).encode()
    # Nothing is left for the last guard before Slack to cut.
    return fit_blocks(blocks) == blocks and fit_text(text) == text


def test_the_title_says_verdict_and_engine() -> None:
    assert next(texts(night_message(broken_night())[1])) == "❌ Nightly 2026-11-20: red, mock engine"
    assert next(texts(night_message(whole_night())[1])) == "✅ Nightly 2026-11-20: green, mock engine"
    assert next(texts(night_message(night())[1])) == "⚠️ Nightly 2026-11-20: incomplete, mock engine"


def test_a_real_engine_is_not_called_mock() -> None:
    message = night_message(night([image(status="failed")], engine="real"))

    assert "mock" not in (whole(message) + message[0]).lower()


def test_a_mock_engine_is_said_loudly() -> None:
    assert f"*{MOCK_NOTE}*" in whole(night_message(whole_night()))


def test_a_green_night_says_that_all_is_good_and_how_much_that_is() -> None:
    text = whole(night_message(whole_night()))

    assert "All 45 steps good." in text
    assert "*Images* 12 built" in text
    assert "*Stages* 12 passed, 12 collected" in text
    assert "*Tests* 432 passed, 24 skipped; dry runs collected 456" in text


def test_nothing_planned_is_not_good() -> None:
    assert "Nothing was planned, so nothing is known." in whole(night_message(night()))


def test_problems_come_before_counts_and_new_ones_first() -> None:
    report = whole_night(
        stage("vllm", "amd64", "unit", "failed", failures=[failure("a.py::test_old", verdict="recurring")]),
        stage("trtllm", "amd64", "unit", "failed", failures=[failure("a.py::test_new", verdict="new")]),
    )
    text = whole(night_message(report))

    assert "*2 problems*" in text
    assert text.index("test_new") < text.index("test_old") < text.index("*Images*")


def test_a_problem_says_what_failed_and_why() -> None:
    text = whole(night_message(broken_night()))

    assert "✗ *sglang/amd64/unit* failed: 36 passed, 2 failed, 2 skipped\n" in text
    assert "• *`test_prefers_the_warm_worker`* `TimeoutError: no worker answered in 5.0 s`" in text
    assert (
        "? *sglang/amd64/e2e_multi_gpu* infra_error\n  `gpu-l40-amd64 has 1 GPU, the stage asks for 2`"
        in text
    )
    assert "failed\n  `[runtime 4/9] RUN uv pip install vllm`\n  `ERROR: No matching distribution" in text
    assert "*5 problems*, 6 steps not tried because of that" in text
    assert "Not tried: vllm/arm64/published_image, vllm/arm64/unit" in text


def test_the_notification_names_the_first_problems() -> None:
    assert night_message(broken_night())[0] == (
        "Nightly 2026-11-20: red, mock engine · vllm/arm64/runtime_image failed, sglang/amd64/unit failed, "
        "trtllm/amd64/integration timed_out and 2 more"
    )


def test_partial_nights_say_so() -> None:
    message = night_message(whole_night(runs=[run_facts(partial=True)]))

    assert next(texts(message[1])) == "✅ Nightly 2026-11-20: green, partial run, mock engine"
    assert (
        "_Partial run: only a selected part of the night was planned; nothing is said about the rest._"
        in whole(message)
    )


def test_a_running_night_says_how_far_it_is_and_no_duration() -> None:
    report = night([image(), image(kind="framework")], [stage(status="not_run")], runs=[run_facts("running")])
    text = whole(night_message(report))

    assert text.startswith("⏳ Nightly 2026-11-20: running, 2 of 3 done, mock engine")
    assert "Nothing has failed so far." in text
    assert "took" not in text


def test_the_duration_stands_beside_the_usual_one_where_that_is_known() -> None:
    usual = Background(usual_s=10_920)
    again = whole_night(runs=[run_facts(run_id="a"), run_facts(run_id="b", rerun_of="a")])

    assert "took 3 h 12 min (as a rule 3 h 2 min)" in whole(night_message(whole_night(), background=usual))
    assert "as a rule" not in whole(night_message(whole_night()))
    assert "as a rule" not in whole(night_message(again, background=usual)), "two runs are no night"


def test_a_running_night_says_when_it_began_which_does_not_change() -> None:
    report = night([image()], [stage(status="not_run")], runs=[run_facts("running")])

    assert "began at 2026-11-20 08:00 UTC (as a rule 3 h 0 min)" in whole(
        night_message(report, background=Background(usual_s=10_800))
    )


def test_remarks_stand_in_the_small_print() -> None:
    said = Background(remarks=("Run on <2026-11-25>: this is a night of the past.",))

    assert "_Run on &lt;2026-11-25&gt;: this is a night of the past._" in whole(
        night_message(whole_night(), background=said)
    )


def test_more_replies_than_a_thread_takes_are_counted() -> None:
    cells = [image(f"framework{n}", "amd64", "framework", "failed") for n in range(30)]
    messages = thread_messages(night(cells))

    assert len(messages) == 20
    assert messages["more"][0] == "… 11 more replies: see the night's page."


def test_links_are_those_of_the_web_only() -> None:
    local = Links(artifact=lambda key: f"/home/a/{key}", page="/home/a/report.html")

    assert f"<http://127.0.0.1:3000/runs/{RUN_ID}|run 1f3a9c02>" in whole(night_message(whole_night(), LINKS))
    assert "<https://artifacts.example/report.html|the night's page>" in whole(
        night_message(whole_night(), LINKS)
    )
    assert "/home/a" not in whole(night_message(broken_night(), local))
    assert "junit.xml" in whole(thread_messages(broken_night(), local)["sglang/amd64"])


def test_the_thread_has_one_message_for_each_cell_with_a_problem_of_its_own() -> None:
    messages = thread_messages(broken_night(), LINKS)

    assert {cell: text for cell, (text, _) in messages.items()} == {
        "vllm/arm64": "vllm/arm64: runtime_image failed",
        "sglang/amd64": "sglang/amd64: unit failed, e2e_multi_gpu infra_error",
        "trtllm/amd64": "trtllm/amd64: integration timed_out, e2e_single_gpu no_tests",
    }
    log_end = "```[runtime 4/9] RUN uv pip install vllm\nERROR: No matching distribution"
    assert log_end in whole(messages["vllm/arm64"])
    assert "`tests/unit/test_router.py::test_prefers_the_warm_worker`" in whole(messages["sglang/amd64"])


def test_a_green_night_has_no_thread() -> None:
    assert thread_messages(whole_night()) == {}


def test_problems_beyond_the_first_are_counted() -> None:
    blocks = night_message(failing_night(1, stages=30))[1]
    shown = sum(text.startswith("✗") for text in texts(blocks))

    assert shown == 10
    assert "… 20 more problems" in list(texts(blocks))


def test_tests_beyond_the_first_are_counted() -> None:
    text = whole(night_message(failing_night(8)))

    assert text.count("test_") == 3
    assert "• 5 more tests" in text


def test_a_thread_counts_what_it_leaves_out() -> None:
    blocks = thread_messages(failing_night(500, message="x" * 5_000))["vllm/amd64"][1]
    shown = sum(text.startswith("• ") for text in texts(blocks))
    body = 1 + 25 + 1  # the stage's line, the tests, and the count of the tests beyond 25

    assert 5 < shown < 25
    assert f"… {body - 1 - shown} more details" in list(texts(blocks))


@settings(max_examples=60, deadline=None)
@given(hostile_text, hostile_text, st.integers(1, 60), st.integers(1, 30), st.integers(1, 400))
def test_messages_keep_the_limits(test: str, message: str, tests: int, stages: int, times: int) -> None:
    failures = [failure(test * times, message * times)] * tests
    report = night(
        [image(status="failed", message=message * times, runner=message * times)],
        [stage("vllm", "amd64", f"s{n}", "failed", failures=failures, runner=test) for n in range(stages)],
        profile=message * times,
        source_revision=test * times,
        date=test * times,
    )

    assert within_limits(night_message(report, LINKS))
    assert all(within_limits(one) for one in thread_messages(report, LINKS).values())


def test_a_night_of_hundreds_of_cells_keeps_the_limits() -> None:
    report = whole_night(
        *(
            image(f"framework{n}", "amd64", "framework", "failed", message=f"{n}" + "&" * 3_000)
            for n in range(200)
        ),
        *(stage(f"framework{n}", "amd64", "unit", "blocked", message="<" * 3_000) for n in range(200)),
        frameworks=[f"framework{n}" for n in range(200)],
    )

    assert within_limits(night_message(report, LINKS))
    assert "… 190 more problems" in list(texts(night_message(report, LINKS)[1]))
    assert "framework0/amd64 (1 step), framework1" in whole(night_message(report, LINKS))
    assert "and 190 more cells" in whole(night_message(report, LINKS))


@settings(deadline=None)
@given(hostile_text, hostile_text)
def test_no_text_makes_a_link_or_mentions_anyone(test: str, message: str) -> None:
    failing = stage(status="failed", failures=[failure(test, message)], message=message, runner=test)
    cell = stage(
        framework=test, arch=test, stage=test, status="crashed", message=message, artifacts={test: test}
    )
    report = night(
        [image(status="failed", message=message)],
        [failing, cell],
        profile=test,
        source_revision=test,
        date=test,
    )

    for text, blocks in [night_message(report, LINKS), *thread_messages(report, LINKS).values()]:
        for shown in [text, *texts([block for block in blocks if block["type"] != "header"])]:
            assert not set(OURS.sub("", shown)) & set("<>")
            assert not re.search(r"&(?!amp;|lt;|gt;)", shown)


@pytest.mark.parametrize("attack", ATTACKS)
def test_mrkdwn_is_verbatim_so_slack_links_and_mentions_nothing_of_its_own(attack: str) -> None:
    _, blocks = night_message(night([image(status="failed", message=attack)]), LINKS)
    parts = [part for block in blocks for part in ([block["text"]] if "text" in block else block["elements"])]

    assert all(part["verbatim"] is True for part in parts if part["type"] == "mrkdwn")
    assert {part["type"] for part in parts} == {"mrkdwn", "plain_text"}


@given(hostile_text, st.integers(min_value=2, max_value=80))
def test_a_cut_never_falls_into_an_entity(text: str, limit: int) -> None:
    cut = escaped_within(text, limit)

    assert len(cut) <= limit
    assert html.unescape(cut).rstrip("…") in html.unescape(escaped_within(text, 10_000_000))
    assert not re.search(r"&(?!amp;|lt;|gt;)", cut)


@given(hostile_text)
def test_code_cannot_be_left(text: str) -> None:
    assert code(text).count("`") == 2
    assert code(text)[1:-1]


def test_a_link_escapes_its_name_and_its_address() -> None:
    assert link("a|b<c>", "https://x.example/?a=1&b=2") == "<https://x.example/?a=1&amp;b=2|a/b&lt;c&gt;>"
    assert link("a<b", "javascript:alert(1)") == "a&lt;b"


def test_what_does_not_fit_is_counted_outside_of_what_is_cut() -> None:
    body = [section([f"{number} " + "x" * 2_000]) for number in range(20)]
    blocks = fitted([section(["head"])], body, [section(["tail"])], noun="problem")
    shown = list(texts(blocks))

    assert shown[0] == "head"
    assert shown[-1] == "tail"
    assert shown[-2] == f"… {20 - (len(blocks) - 3)} more problems"
    assert characters(blocks) <= MAX_CHARACTERS


def test_lines_that_do_not_fit_a_section_are_counted() -> None:
    text = next(texts([section([f"{number} " + "x" * 98 for number in range(100)])]))
    shown = text.splitlines()

    assert len(text) <= MAX_SECTION
    assert shown[-1] == f"… {100 - (len(shown) - 1)} more lines"
