from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from lxml import html

from nightly_pipeline.model.links import NO_LINKS, Links
from nightly_pipeline.model.outcomes import EngineFacts
from nightly_pipeline.model.reading import MOCK_NOTE, items
from nightly_pipeline.model.report import Report
from nightly_pipeline.model.untrusted import one_line
from nightly_pipeline.page import render_page
from tests.factories import (
    RUN_ID,
    broken_night,
    failure,
    image,
    night,
    publication,
    run_facts,
    stage,
    whole_night,
)
from tests.hostile import ATTACKS, hostile_text

NOW = datetime(2026, 11, 20, 11, 30, tzinfo=UTC)
LINKS = Links(
    artifact=lambda key: f"https://artifacts.example/{key}",
    run=lambda run_id: f"http://127.0.0.1:3000/runs/{run_id}",
)


def page(report: Report, links: Links = NO_LINKS) -> html.HtmlElement:
    text = render_page(report, links=links, generated_at=NOW)
    text.encode()
    return html.document_fromstring(text)


def words(element: html.HtmlElement) -> str:
    return " ".join(element.text_content().split())


def attributes(tree: html.HtmlElement) -> Counter[str]:
    return Counter(name for element in tree.iter() for name in element.attrib)


def section(tree: html.HtmlElement, name: str) -> html.HtmlElement | None:
    return next(iter(tree.xpath(f"//section[@aria-labelledby='{name}']")), None)


def body_rows(tree: html.HtmlElement, name: str) -> list[list[str]]:
    return [[words(cell) for cell in row] for row in section(tree, name).xpath(".//tbody/tr")]


def test_the_verdict_and_the_engine_stand_on_top() -> None:
    tree = page(broken_night())
    head = words(tree.find(".//header"))

    assert head.startswith(f"Nightly 2026-11-20 ✗ red {MOCK_NOTE}")
    assert tree.findtext(".//title") == "red · Nightly 2026-11-20 · mock engine"
    lists = tree.xpath("//dl[@class='line-facts' or @class='facts']/div")
    facts = {words(one.find("dt")): words(one.find("dd")) for one in lists}
    assert facts == {
        "Engine": "mock",
        "Revision": "9c1d5e0f7a3b",
        "Started": "2026-11-20 08:00 UTC",
        "Took": "3 h 12 min",
        "Profile": "local",
        "Images": "11 built, 1 failed",
        "Publications": "7 published, 2 blocked",
        "Stages": "8 passed, 8 collected, 1 failed, 1 no_tests, 1 timed_out, 1 infra_error, 4 blocked",
        "Tests run": "324 passed, 2 failed, 18 skipped",
        "Tests collected only": "304",
    }


@pytest.mark.parametrize(
    ("report", "tone", "verdict"),
    [
        (whole_night(), "good", "✓ green"),
        (whole_night(runs=[run_facts(partial=True)]), "good", "✓ green, partial run"),
        (broken_night(), "bad", "✗ red"),
        (night([image(status="cancelled")]), "unknown", "? incomplete"),
        (night(), "unknown", "? incomplete"),
        (night([image(status="not_run")], runs=[run_facts("running")]), "pending", "… running, 0 of 1 done"),
    ],
)
def test_the_verdict_has_a_mark_a_word_and_a_tone(report: Report, tone: str, verdict: str) -> None:
    [element] = page(report).find_class("verdict")

    assert words(element) == verdict
    assert tone in element.get("class").split()


def test_a_real_engine_is_not_called_mock() -> None:
    real = EngineFacts(kind="real", name="vllm", version="0.32.0")
    tree = page(night([image(engine=real)], engine="real"))

    assert "mock" not in tree.find(".//body").text_content().replace(tree.findtext(".//script"), "").lower()
    assert "real vllm 0.32.0" in words(section(tree, "images"))


def test_the_matrix_shows_every_step_of_every_cell_once() -> None:
    report = broken_night()
    matrix = section(page(report), "matrix")
    shown = {link.get("title").split(":")[0]: link for link in matrix.find_class("step")}

    assert len(matrix.find_class("step")) == len(shown) == 45
    for item in items(report):
        link = shown[item.label]
        assert words(link).startswith(f"{item.symbol} {item.word}")
        assert item.tone.value in link.get("class").split()


def test_the_matrix_has_a_row_a_cell_and_the_index_reaches_over_its_cells() -> None:
    matrix = section(page(whole_night()), "matrix")
    heads = [words(cell) for cell in matrix.xpath(".//thead//th")]
    rows = matrix.xpath(".//tbody/tr")

    assert heads == [
        "Cell",
        "framework image",
        "runtime image",
        "published image",
        "unit",
        "integration",
        "e2e single gpu",
        "e2e multi gpu",
        "multi arch image",
    ]
    assert [list(row.find("th").itertext()) for row in rows][:2] == [["vllm", "amd64"], ["vllm", "arm64"]]
    assert [len(row.xpath("td")) for row in rows] == [8, 7] * 3
    assert [cell.get("rowspan") for cell in matrix.xpath(".//td[@rowspan]")] == ["2"] * 3


def test_every_link_inside_the_page_leads_somewhere_and_every_name_is_there_once() -> None:
    tree = page(broken_night())
    names = Counter(tree.xpath("//@id"))

    assert max(names.values()) == 1
    targets = [address.removeprefix("#") for address in tree.xpath("//a/@href") if address.startswith("#")]
    assert len(targets) > 45
    assert set(targets) <= set(names)


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


def test_a_green_night_has_nothing_that_matters_but_itself() -> None:
    tree = page(whole_night())

    assert not [
        name for name in ("news", "problems", "tests", "incidents") if section(tree, name) is not None
    ]


def test_what_nobody_was_asked_has_no_section() -> None:
    tree = page(broken_night())

    assert not [
        name for name in ("incidents", "trends", "changes", "drifts") if section(tree, name) is not None
    ]
    assert "the history was not asked" in words(section(tree, "tests"))
    assert [words(one) for one in tree.xpath("//h3[starts-with(@id, 'tests-')]")] == ["? Failing 3"]


def test_a_verdict_that_a_report_brings_along_is_shown() -> None:
    failing = failure(verdict="recurring", since="2026-11-18", incident="INC-1")
    tests = section(page(night(stages=[stage(status="failed", failures=[failing])])), "tests")

    assert [words(one) for one in tests.find_class("known")] == ["since 2026-11-18"]
    assert words(tests.xpath(".//h3")[0]) == "R Recurring 1"
    assert "Incident INC-1" in words(tests)


def test_images_show_digest_tags_size_duration_engine_and_origin() -> None:
    reused = image(status="reused", built_by_run="77777777-aaaa", duration_s=2.0)
    [row] = body_rows(page(night([reused])), "images")

    assert row == [
        "vllm/amd64/runtime_image",
        "✓ reused",
        reused.digest[:19],
        "nightly-vllm-amd64nightly-vllm-amd64-run-1f3a9c02",
        "61.5 MB",
        "2.0 s",
        "mock mock-engine 0.1.0",
        "77777777",
    ]
    assert page(night([reused])).xpath("//code[@class='digest']/@title") == [reused.digest]


def test_an_image_that_was_not_built_shows_nothing_made_up() -> None:
    [row] = body_rows(page(night([image(status="failed")])), "images")

    assert row == ["vllm/amd64/runtime_image", "✗ failed", "—", "—", "—", "—", "—", "—"]


def test_publications_show_every_registry() -> None:
    rows = body_rows(
        page(night(publications=[publication(), publication(arch=None, status="blocked")])), "publications"
    )

    assert rows[0][:4] == ["vllm/amd64/published_image", "✓ published", "linux/amd64", "ecr"]
    assert rows[1][0] == "acr"
    assert rows[2] == ["vllm/multi_arch_image", "? blocked", "—", "—"]


def test_the_table_of_everything_has_every_row() -> None:
    report = broken_night()
    rows = body_rows(page(report), "everything")

    assert [row[:2] for row in rows] == [[item.label, f"{item.symbol} {item.word}"] for item in items(report)]
    assert rows[8] == [
        "vllm/arm64/runtime_image",
        "✗ failed",
        "cpu-arm-r8g-4xlarge",
        "1.6",
        "—",
        "build.log · metrics.json",
    ]


def test_runs_and_reruns_are_listed_and_linked() -> None:
    report = whole_night(
        runs=[run_facts("failed"), run_facts(run_id="77777777-a", partial=True, rerun_of=RUN_ID)]
    )
    tree = page(report, LINKS)

    assert body_rows(tree, "runs") == [
        [RUN_ID, "failed", "2026-11-20 08:00 UTC", "2026-11-20 11:12 UTC", "0", ""],
        [
            "77777777-a",
            "succeeded",
            "2026-11-20 08:00 UTC",
            "2026-11-20 11:12 UTC",
            "0",
            "partial, re-run of 1f3a9c02",
        ],
    ]
    assert section(tree, "runs").xpath(".//a/@href")[-1] == "http://127.0.0.1:3000/runs/77777777-a"
    assert "Re-run: 77777777 repeats 1f3a9c02." in words(tree.find(".//header"))


def test_the_page_needs_nothing_from_outside() -> None:
    tree = page(broken_night())

    assert not tree.xpath("//@src | //link | //iframe | //object | //embed | //form | //base")
    assert not re.search(r"url\(|@import", tree.findtext(".//style"))
    assert not [address for address in tree.xpath("//@href") if not address.startswith("#")]


def test_the_policy_allows_the_pages_own_style_and_script_and_no_other() -> None:
    tree = page(broken_night())
    [policy] = tree.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")

    for kind, name in (("style", "style"), ("script", "script")):
        [element] = tree.xpath(f"//{name}")
        allowed = base64.b64encode(hashlib.sha256(element.text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{allowed}'" in policy
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy


@settings(max_examples=80, deadline=None)
@given(hostile_text.filter(one_line), hostile_text.filter(str.strip))
def test_no_text_becomes_an_element(test: str, message: str) -> None:
    def report(test: str, message: str) -> Report:
        message = f"first line\n{message}"
        failing = stage(status="failed", failures=[failure(test, message)], message=message, runner=test)
        return night(
            [image(status="failed", message=message), image(kind="framework", tags=(test,), digest=test)],
            [failing, stage(stage="other", artifacts={test: test})],
            [publication(status="failed", message=message)],
            profile=test,
            source_revision=test,
            date=test,
        )

    shown, plain = page(report(test, message)), page(report("test", "message"))

    assert Counter(one.tag for one in shown.iter()) == Counter(one.tag for one in plain.iter())
    assert attributes(shown) == attributes(plain)
    assert one_line(test) in [one.text for one in shown.find_class("test")]


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_address_of_ours_can_be_made_a_script(attack: str) -> None:
    hostile = Links(artifact=lambda _: "javascript:" + attack, run=lambda _: attack + "javascript:alert(1)")
    tree = page(night(stages=[stage()]), hostile)

    assert not [
        one for one in tree.xpath("//@href") if one.lower().lstrip().startswith(("javascript:", "data:"))
    ]


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


def test_the_footer_says_when_the_page_was_made() -> None:
    footer = page(whole_night()).find(".//footer")

    assert footer.xpath(".//time/@datetime") == ["2026-11-20T11:30:00+00:00"]
    assert words(footer).startswith("Made 2026-11-20 11:30 UTC from what is on record of run " + RUN_ID)
