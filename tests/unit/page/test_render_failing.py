"""What a page says of what failed: what matters first, problems, tests."""

from __future__ import annotations

import re

from lxml import html

from nightly_pipeline.page import render_page
from tests.factories import RUN_ID, broken_night, failure, night, stage, whole_night
from tests.unit.page.pages import LINKS, NOW, page, section, words


def test_what_matters_stands_before_everything_else_and_leads_there() -> None:
    tree = page(broken_night())
    news = section(tree, "news")

    assert [words(one) for one in news.xpath(".//li")] == [
        (
            "✗ failed vllm/arm64/runtime_image [runtime 4/9] RUN uv pip install vllm "
            "ERROR: No matching distribution for vllm==0.32.0"
        ),
        (
            "✗ timed_out trtllm/amd64/integration ended by its deadline after 90 min; last test: "
            "tests/test_stream.py::test_long_answer"
        ),
        "✗ no_tests trtllm/amd64/e2e_single_gpu nothing was selected by `trtllm and e2e and gpu_1`",
        "? infra_error sglang/amd64/e2e_multi_gpu gpu-l40-amd64 has 1 GPU, the stage asks for 2",
        "✗ failed sglang/amd64/unit 2 failing",
        "6 steps not tried because of that",
    ]
    assert news.xpath(".//a/@href")[4] == "#sglang-amd64-unit"
    assert tree.xpath("//main/section")[0] is news


def test_problems_come_worst_first_with_message_and_links() -> None:
    tree = page(broken_night(), LINKS)
    problems = section(tree, "problems")

    assert [words(one) for one in problems.xpath(".//article/h3")] == [
        "✗ failed vllm/arm64/runtime_image",
        "✗ timed_out trtllm/amd64/integration",
        "✗ no_tests trtllm/amd64/e2e_single_gpu",
        "? infra_error sglang/amd64/e2e_multi_gpu",
        "✗ failed sglang/amd64/unit 2 failing",
        "Not tried, because of the above 6",
    ]
    unit = problems.xpath(".//article[@id='sglang-amd64-unit']")[0]
    assert f"https://artifacts.example/2026-11-20/{RUN_ID}/sglang/amd64/unit/junit.xml" in unit.xpath(
        ".//a/@href"
    )
    assert f"http://127.0.0.1:3000/runs/{RUN_ID}" in unit.xpath(".//a/@href")


def test_every_failing_test_is_there_with_its_message_where_it_ran_and_links() -> None:
    tests = section(page(broken_night(), LINKS), "tests")

    assert words(tests.find("h2")) == "Tests 3"
    assert [one.text for one in tests.find_class("test")] == [
        "tests/unit/test_radix_cache.py::test_evicts_the_oldest[lru-4096]",
        "tests/unit/test_router.py::test_prefers_the_warm_worker",
        "tests/test_stream.py::test_long_answer",
    ]
    assert [one.text for one in tests.find_class("first-line")] == [
        "AssertionError: assert 4095 == 4096",
        "TimeoutError: no worker answered in 5.0 s",
        "still running at the deadline",
    ]
    assert next(one.text for one in tests.find_class("where")) == "sglang/amd64/unit"
    assert tests.xpath(".//pre/text()")[0].startswith("AssertionError: assert 4095 == 4096\n  +  where")
    [first, *_] = tests.find_class("tests")
    assert f"https://artifacts.example/2026-11-20/{RUN_ID}/sglang/amd64/unit/junit.xml" in first.xpath(
        ".//a/@href"
    )


def test_a_failing_tests_output_can_be_unfolded() -> None:
    report = night(stages=[stage(status="failed", failures=[failure(output="--- captured stdout\nhello")])])
    [output] = page(report).find_class("output")

    assert words(output) == "Output--- captured stdout hello"


def test_a_verdict_that_a_report_brings_along_is_shown() -> None:
    failing = failure(verdict="recurring", since="2026-11-18", incident="INC-1")
    tests = section(page(night(stages=[stage(status="failed", failures=[failing])])), "tests")

    assert [words(one) for one in tests.find_class("known")] == ["since 2026-11-18"]
    assert words(tests.xpath(".//h3")[0]) == "R Recurring 1"
    assert "Incident INC-1" in words(tests)


def test_tests_that_say_the_same_are_shown_together() -> None:
    same = [failure(f"a.py::test_{number}", "CUDA error: out of memory\nat f") for number in range(120)]
    tree = page(night(stages=[stage(status="failed", failures=[*same, failure("a.py::test_other", "no")])]))
    groups = tree.find_class("tests")

    assert [words(group.find("summary")) for group in groups] == [
        "120 tests, one message: CUDA error: out of memory",
        "a.py::test_other vllm/amd64/unit no",
    ]
    more = groups[0].xpath("pre[1]/text()")[0].splitlines()
    listed = [one.text for one in groups[0].find_class("test")] + [line.split()[-1] for line in more]
    assert listed == [f"a.py::test_{number}" for number in range(120)]


def test_thousands_of_failures_are_all_there_and_the_page_stays_light() -> None:
    failures = [
        failure(
            f"tests/test_{number % 200}.py::test_case[{number}]",
            f"AssertionError: case {number}\n" + "E  x\n" * 40,
        )
        for number in range(13_500)
    ]
    text = render_page(whole_night(stage(status="failed", failures=failures)), generated_at=NOW)
    tree = html.document_fromstring(text)
    shown = section(tree, "tests").text_content()

    assert len(set(re.findall(r"test_case\[\d+\]", shown))) == 13_500
    assert len(set(re.findall(r"AssertionError: case \d+", shown))) == 13_500
    assert sum(1 for _ in tree.iter()) < 8_000
    assert len(text) < 8_000_000
