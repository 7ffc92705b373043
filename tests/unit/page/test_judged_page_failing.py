"""What the page of a night with a past says of failures: incidents, tests and their strips."""

from __future__ import annotations

import re

import pytest
from lxml import html

from nightly_pipeline.model.judgement import Judgement
from nightly_pipeline.model.report import with_judgement
from nightly_pipeline.model.step_incidents import step_incidents
from tests.factories import failure, stage, whole_night
from tests.judged import CUDA, DATES, judgement, test_of, verdict
from tests.unit.page.judged_pages import page
from tests.unit.page.pages import section, words


def test_incidents_say_what_where_since_when_who_and_between_which_commits(tree) -> None:
    first, second = section(tree, "incidents").xpath(".//article")

    assert words(first.find("h3")) == f"N new {CUDA}"
    facts = {words(one.find("dt")): words(one.find("dd")) for one in first.xpath(".//dl/div")}
    assert facts == {
        "Cells": "vllm/amd64, trtllm/amd64",
        "Owner": "@inference-runtime",
        "Last good": "2026-11-19 at 41f0be2c7d9a",
        "First bad": "2026-11-20 at 9c1d5e0f7a3b",
        "Commits since then by": "Ada Ling, Jo Park",
        "Id": "kv-oom-3f2a",
    }
    stages = "vllm/amd64/e2e_single_gpu, vllm/amd64/e2e_multi_gpu, trtllm/amd64/e2e_single_gpu"
    assert first.xpath(".//details[1]/pre/text()")[0].splitlines() == [
        f"tests/e2e/test_kv_cache.py::test_fills_the_cache[{size}]  {stages}" for size in ("2048", "4096")
    ]
    assert words(second.find("h3")).startswith("R recurring")


def test_a_strip_has_its_words_and_tells_failures_by_their_shape(tree) -> None:
    [strip] = section(tree, "tests-recurring").find_class("strip")
    paths = {one.get("class"): one.get("d") for one in strip.xpath("./path")}

    assert words(strip) == "30 nights to 2026-11-20: 23 passed, 4 failed, 3 did not run"
    assert strip.get("role") == "img"
    assert paths["failed"].count("v12") == 4
    assert paths["passed"].count("v4") == 23


def test_a_tests_story_and_its_incident_are_told(tree) -> None:
    new = section(tree, "tests-new")

    assert new.xpath(".//a[@href='#incident-kv-oom-3f2a']/text()") == ["kv-oom-3f2a"]
    assert tree.xpath("//*[@id='incident-kv-oom-3f2a']")
    assert "Why failed, then passed on the same image digest" in " ".join(
        words(one) for one in section(tree, "tests-flaky").xpath(".//dt | .//dd")
    )
    assert words(section(tree, "tests-fixed").find_class("known")[0]) == "was bad since 2026-11-17"


def test_an_incident_of_steps_stands_once_and_says_since_when_beside_the_step() -> None:
    message = "the daemon of gpu-l40-amd64 did not answer"
    lost = [stage("vllm", "amd64", name, "infra_error", message=message) for name in ("unit", "integration")]
    incident = step_incidents(whole_night(*lost), ())[0].model_copy(
        update={"nights": 3, "since": "2026-11-18"}
    )
    tree = page(with_judgement(whole_night(*lost), Judgement(incidents=(incident,))))

    assert [words(one) for one in section(tree, "news").xpath(".//li")] == [
        f"? infra_error vllm/amd64/unit and 1 other step {message} · since 2026-11-18 (3 nights)"
    ]
    assert section(tree, "incidents") is None
    first, second = section(tree, "problems").xpath(".//article")
    assert words(first.find_class("known")[0]) == "since 2026-11-18 (3 nights)"
    assert [words(one) for one in first.xpath("./pre")] == [message]
    assert second.xpath("./pre") == []
    assert second.find_class("same")[0].xpath("./a/@href") == ["#vllm-amd64-unit"]


def test_many_incidents_are_folded_and_still_reached() -> None:
    names = [f"tests/test_a.py::test_{number}" for number in range(40)]
    incidents = tuple(
        judgement()
        .incidents[0]
        .model_copy(update={"id": f"i{number}", "tests": (test_of("vllm/amd64/unit", name),)})
        for number, name in enumerate(names)
    )
    failing = stage("vllm", "amd64", "unit", "failed", failures=[failure(name) for name in names])
    tree = page(with_judgement(whole_night(failing), Judgement(incidents=incidents)))

    folded = section(tree, "incidents").xpath("./details")[0]
    assert words(folded.xpath("./summary")[0]) == "28 more incidents"
    assert len(folded.xpath("./article")) == 28
    more = section(tree, "news").xpath(".//li")[-1]
    assert words(more) == "34 more"
    assert tree.get_element_by_id(more.xpath("./a/@href")[0].removeprefix("#")).tag == "article"


def test_thousands_of_judged_failures_are_all_there_and_the_page_stays_light() -> None:
    names = [f"tests/test_{number % 200}.py::test_case[{number}]" for number in range(13_500)]
    failures = [failure(name, f"AssertionError: case {name}") for name in names]
    verdicts = tuple(verdict("vllm/amd64/unit", name, "new", "F") for name in names)
    report = whole_night(stage(status="failed", failures=failures))
    tree = page(with_judgement(report, Judgement(compared_with=DATES[-2], verdicts=verdicts)))

    assert len(set(re.findall(r"test_case\[\d+\]", section(tree, "tests").text_content()))) == 13_500
    assert sum(1 for _ in tree.iter()) < 10_000


def same_message(*outputs: str | None, verdict_of: str = "new") -> html.HtmlElement:
    """Tests with one message in two stages; returns what the page shows of them."""
    names = [f"tests/test_a.py::test_{number}" for number in range(len(outputs))]
    cells = ["vllm/amd64/unit" if number % 2 == 0 else "sglang/amd64/unit" for number in range(len(outputs))]
    failing = [failure(name, CUDA, output=output) for name, output in zip(names, outputs, strict=True)]
    verdicts = tuple(verdict(cell, name, verdict_of, "F") for cell, name in zip(cells, names, strict=True))
    report = whole_night(
        stage("vllm", "amd64", "unit", "failed", failures=failing[0::2]),
        stage("sglang", "amd64", "unit", "failed", failures=failing[1::2]),
    )
    tree = page(with_judgement(report, Judgement(verdicts=verdicts)))
    [group] = section(tree, "tests").find_class("tests")
    return group


def test_tests_of_one_message_lead_to_the_log_and_junit_of_each_of_their_stages() -> None:
    links = [words(one) for one in same_message("a", "b", "c").xpath("./p[@class='meta']")]

    assert links == ["vllm/amd64/unit junit.xml · output.log", "sglang/amd64/unit junit.xml · output.log"]


def test_each_test_shows_what_it_left_behind_and_what_is_the_same_stands_once() -> None:
    apart = same_message("one", "two", None)
    assert [words(one) for one in apart.xpath(".//li/details/pre")] == ["one", "two"]
    assert apart.xpath("./details") == []

    alike = same_message("same", "same", "same")
    assert [words(one) for one in alike.xpath("./details/*")] == ["Output, the same of all", "same"]
    assert alike.xpath(".//li/details") == []


def test_a_test_that_cannot_be_compared_is_not_said_to_be_bad_since_tonight() -> None:
    assert same_message("a", "b", verdict_of="unknown").find_class("known") == []
    assert len(same_message("a", "b").find_class("known")) == 2


@pytest.mark.parametrize(("stages", "lines", "more"), [(6, 6, 0), (7, 7, 0), (8, 6, 2)])
def test_what_matters_is_bounded_and_never_hides_a_single_line(stages: int, lines: int, more: int) -> None:
    cells = [
        (framework, name) for name in ("unit", "integration") for framework in ("vllm", "sglang", "trtllm")
    ]
    cells += [("vllm", "e2e_single_gpu"), ("sglang", "e2e_single_gpu")]
    lost = [
        stage(framework, "amd64", name, "infra_error", message=f"lost {framework} {name}")
        for framework, name in cells[:stages]
    ]
    found = [words(one) for one in section(page(whole_night(*lost)), "news").xpath(".//li")]

    assert len([line for line in found if "infra_error" in line]) == lines
    assert [line for line in found if line.endswith(" more")] == ([f"{more} more"] if more else [])
