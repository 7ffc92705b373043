"""The page of a night: its verdict, its matrix, its tables, its links."""

from __future__ import annotations

from collections import Counter

import pytest

from nightly_pipeline.model.outcomes import EngineFacts
from nightly_pipeline.model.reading import MOCK_NOTE, items
from nightly_pipeline.model.report import Report
from tests.factories import RUN_ID, broken_night, image, night, publication, run_facts, whole_night
from tests.unit.page.pages import LINKS, body_rows, page, section, words


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


def test_the_footer_says_when_the_page_was_made() -> None:
    footer = page(whole_night()).find(".//footer")

    assert footer.xpath(".//time/@datetime") == ["2026-11-20T11:30:00+00:00"]
    assert words(footer).startswith("Made 2026-11-20 11:30 UTC from what is on record of run " + RUN_ID)
