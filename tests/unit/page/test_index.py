"""The list of nights."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from lxml import html

from nightly_pipeline.model.night_rows import entry_rows_of, night_row_of
from nightly_pipeline.model.overview import Overview, overview_of
from nightly_pipeline.page import render_index
from tests.factories import DATE
from tests.hostile import ATTACKS
from tests.judged import DATES, GAPS, judged_night, past
from tests.unit.page.pages import NOW, words


def overview() -> Overview:
    nights, entries = past()
    report = judged_night()
    return overview_of([*nights, night_row_of(report)], [*entries, *entry_rows_of(report)])


def page(found: Overview, pages: dict[str, str] | None = None, **fields) -> html.HtmlElement:
    text = render_index(found, pages=pages or {}, generated_at=NOW, **fields)
    return html.document_fromstring(text)


def rows(tree: html.HtmlElement) -> list[list[str]]:
    return [[words(cell) for cell in row] for row in tree.xpath("//table[@class='nights']/tbody/tr")]


def test_nights_stand_newest_first_with_verdict_rate_counts_duration_and_revision() -> None:
    first, second, *_ = rows(page(overview(), {DATE: f"{DATE}/run/report.html"}))

    assert first[0:2] == ["2026-11-20 Fri", "✗ red mock"]
    assert first[3:] == ["99.95 %", "10", "21,042", "3 h 12 min", "9c1d5e0f7a3b", ""]
    assert second[0:2] == ["2026-11-19 Thu", "✗ red mock"]


def test_a_night_whose_artifacts_are_gone_stays_without_a_link() -> None:
    tree = page(overview(), {DATE: f"{DATE}/run/report.html"})

    assert tree.xpath("//table[@class='nights']//a/@href") == [f"{DATE}/run/report.html"]
    assert rows(tree)[1][-1] == ""
    notes = [" ".join(one.text_content().split()) for one in tree.find_class("note")]
    assert notes == ["The pages and artifacts of nights without a link are no longer kept."]


def test_a_day_without_a_night_says_so() -> None:
    silent = [row for row in rows(page(overview())) if len(row) == 2]

    assert [row[0].split()[0] for row in silent] == sorted(GAPS, reverse=True)
    assert {row[1] for row in silent} == {"? no night on record"}


def test_each_cell_has_a_strip_with_words_and_a_title_for_every_night() -> None:
    strips = page(overview()).xpath("//table[@class='strips']/tbody/tr")

    assert [words(one.find("th")) for one in strips] == [
        "whole night",
        "vllm/amd64",
        "vllm/arm64",
        "sglang/amd64",
        "sglang/arm64",
        "trtllm/amd64",
        "trtllm/arm64",
    ]
    assert strips[3].xpath(".//svg/@aria-label") == ["sglang/amd64, last 30 nights: 22 green, 5 red"]
    titles = [one.text_content() for one in strips[0].xpath(".//title")]
    assert len(titles) == 30
    assert titles[0] == "2026-11-20 whole night: red"
    assert f"{DATES[7]} whole night: no result" in titles


def test_verdicts_differ_in_shape_and_not_only_in_colour() -> None:
    tree = page(overview())
    heights = {
        kind: {one.get("height") for one in tree.xpath(f"//table[@class='strips']//rect[@class='{kind}']")}
        for kind in ("green", "red", "incomplete", "absent")
    }

    assert len({frozenset(one) for one in heights.values()}) == 4


def test_a_history_that_cannot_be_read_is_said() -> None:
    assert "The history could not be read" in words(
        page(Overview((), ()), problem="The history could not be read: x")
    )


def test_without_nights_the_page_says_so() -> None:
    assert "No night is on record yet." in words(page(Overview((), ())))


def test_the_page_needs_nothing_from_outside_and_runs_no_script() -> None:
    text = render_index(overview(), pages={}, generated_at=NOW)
    tree = html.document_fromstring(text)

    assert not tree.xpath("//script | //@src | //link | //iframe | //form")
    assert "script-src 'none'" in tree.xpath("//meta[@http-equiv]/@content")[0]
    assert not re.search(r"url\(|@import", tree.findtext(".//style"))
    assert max(Counter(tree.xpath("//@id")).values()) == 1


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_text_becomes_an_element(attack: str) -> None:
    def attacked(text: str) -> html.HtmlElement:
        report = judged_night()
        night = night_row_of(report).model_copy(update={"run_id": text, "source_revision": text})
        entries = [one.model_copy(update={"framework": text}) for one in entry_rows_of(report)]
        return page(overview_of([night, night], entries), {DATE: f"javascript:{text}"})

    shown, plain = attacked(attack), attacked("plain")
    assert Counter(one.tag for one in shown.iter()) == Counter(one.tag for one in plain.iter())
    assert not [one for one in shown.xpath("//@href") if "script:" in one]


def test_ten_years_make_a_page_that_a_browser_copes_with() -> None:
    night = night_row_of(judged_night())
    days = [
        f"20{year:02}-{month:02}-{day:02}"
        for year in range(17, 27)
        for month in range(1, 13)
        for day in range(1, 29)
    ]
    text = render_index(
        overview_of([night.model_copy(update={"date": day}) for day in days], []), pages={}, generated_at=NOW
    )

    assert text.count("no longer kept") == 1
    assert all(text.count(f'<th scope="row">{day} ') == 1 for day in days)
    assert len(text) < 4_000_000
