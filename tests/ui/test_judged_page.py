"""The page of a night with a past, and the list of nights, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from nightly_pipeline.model.links import Links
from nightly_pipeline.model.night_rows import entry_rows_of, night_row_of
from nightly_pipeline.model.overview import overview_of
from nightly_pipeline.model.trends import trends_of
from nightly_pipeline.page import render_index, render_page
from tests.factories import DATE
from tests.judged import judged_night, past, plausible
from tests.ui.looking import DESK, NARROW, PHONE, Shown, is_scrolled_to, open_tab

pytestmark = pytest.mark.ui

NOW = datetime(2026, 11, 20, 11, 30, tzinfo=UTC)
LINKS = Links(
    artifact=lambda key: f"https://artifacts.example/{key}",
    run=lambda run_id: f"https://dagster.example/runs/{run_id}",
    nights="../../index.html",
)


def _night(report) -> str:
    return render_page(report, links=LINKS, generated_at=NOW, trends=trends_of(report, *past()))


def _index() -> str:
    nights, entries = past()
    report = judged_night()
    overview = overview_of([*nights, night_row_of(report)], [*entries, *entry_rows_of(report)])
    return render_index(overview, pages={DATE: f"{DATE}/run/report.html"}, generated_at=NOW)


PAGES: dict[str, Callable[[], str]] = {
    "red": lambda: _night(judged_night()),
    "green": lambda: _night(plausible()),
    "index": _index,
}


@pytest.fixture
def show(browser: Browser, tmp_path: Path):
    tabs: list[Page] = []

    def _show(name: str, *, size: dict[str, int] = DESK, scheme: str = "light") -> Shown:
        path = tmp_path / f"{name}.html"
        path.write_text(PAGES[name](), encoding="utf-8")
        tabs.append(open_tab(browser, viewport=size, color_scheme=scheme))
        return Shown(tabs[-1], path)

    yield _show
    for tab in tabs:
        tab.close()


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["red", "index"])
def test_every_word_can_be_read_and_is_kept_as_a_picture(
    show, screenshots: Path, name: str, scheme: str, size: dict[str, int]
) -> None:
    shown = show(name, size=size, scheme=scheme)
    width = "desk" if size is DESK else "phone"
    shown.tab.screenshot(path=screenshots / f"page-{name}-{scheme}-{width}.png")
    shown.open_all()

    assert shown.weak_words() == []


@pytest.mark.parametrize("name", list(PAGES))
@pytest.mark.parametrize("size", [DESK, PHONE, NARROW], ids=["desk", "phone", "narrow"])
def test_the_page_is_never_wider_than_the_screen(show, name: str, size: dict[str, int]) -> None:
    shown = show(name, size=size)
    shown.open_all()

    assert shown.overflow() <= 0


@pytest.mark.parametrize("name", list(PAGES))
def test_the_page_asks_nobody_for_anything_and_complains_of_nothing(show, name: str) -> None:
    shown = show(name)
    shown.open_all()

    assert [address.split("/")[-1] for address in shown.requests] == [f"{name}.html"]
    assert shown.complaints == []


def test_the_first_screen_has_the_answer(show) -> None:
    """Verdict, engine, what is new and whose it is, what broke, every cell: without scrolling."""
    tab = show("red").tab

    for place in (".verdict", ".warning", ".news li:first-child .detail", ".news li:nth-child(2)", ".chips"):
        assert tab.locator(place).first.bounding_box()["y"] < DESK["height"] / 2
    last = tab.locator(".matrix tbody tr").last.bounding_box()
    assert last["y"] + last["height"] < DESK["height"]
    expect(tab.locator(".news li").first).to_contain_text("@inference-runtime")


def test_a_phones_first_screen_has_the_verdict_and_what_is_new(show) -> None:
    tab = show("red", size=PHONE).tab
    first = tab.locator(".news li").first.bounding_box()

    assert first["y"] + first["height"] < PHONE["height"]


def test_the_keyboard_unfolds_a_test_and_follows_it_to_its_incident(show) -> None:
    tab = show("red").tab
    tab.locator("#tests-fixed ~ details > summary").focus()
    assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    tab.keyboard.press("Enter")
    expect(tab.locator("#tests-fixed ~ details")).to_have_attribute("open", "")

    tab.locator("section.verdict-recurring a", has_text="radix-77c0").focus()
    tab.keyboard.press("Enter")
    expect(tab).to_have_url(re.compile("#incident-radix-77c0$"))
    assert is_scrolled_to(tab.locator("#incident-radix-77c0"), DESK["height"])


def test_everything_that_can_be_clicked_can_be_reached_by_tab(show) -> None:
    tab = show("red").tab
    wanted = tab.evaluate("document.querySelectorAll('a[href], summary, input').length")
    negative = tab.evaluate("document.querySelectorAll('[tabindex^=\"-\"]').length")

    assert wanted > 60
    assert negative == 0


def test_a_stage_leads_to_its_own_tests(show) -> None:
    tab = show("red").tab
    tab.locator("article#sglang-amd64-unit .which").click()

    expect(tab.locator("#filter")).to_have_value("sglang/amd64/unit")
    expect(tab.locator(".tests:visible")).to_have_count(1)
    expect(tab.locator(".tests:visible")).to_contain_text("test_evicts_the_oldest")
    expect(tab.locator(".verdict-group:visible")).to_have_count(1)


def test_pointing_at_a_night_says_its_values(show) -> None:
    tab = show("red").tab
    column = tab.locator(".chart").first.locator(".hit").last
    column.scroll_into_view_if_needed()
    before = column.evaluate("(one) => getComputedStyle(one).fillOpacity")
    column.hover()

    assert column.locator("title").text_content().startswith(f"{DATE}\nvllm 99.94 %, not whole")
    expect(column).not_to_have_css("fill-opacity", before)


def test_a_plot_has_a_name_and_a_description_for_those_who_do_not_see_it(show) -> None:
    tab = show("red").tab

    plot = tab.get_by_role("img", name="Pass rate")
    expect(plot).to_have_accessible_description(re.compile("Tonight: vllm 99.94 %, not whole"))
    assert plot.count() == 1
    strips = tab.get_by_role("img", name="30 nights to 2026-11-20: 23 passed, 4 failed, 3 did not run")
    assert strips.count() == 1


def test_paper_has_everything_unfolded_and_says_where_links_lead(show, screenshots: Path) -> None:
    tab = show("red", scheme="dark").tab
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    tab.emulate_media(media="print")
    tab.set_viewport_size({"width": 760, "height": 1100})
    tab.screenshot(path=screenshots / "page-red-paper.png")

    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert tab.locator("details:not([open]):not(.figures)").count() == 0
    assert tab.locator(".filter, .figures, .all-nights").filter(visible=True).count() == 0
    after = tab.locator("article#vllm-arm64-runtime-image .meta a").first.evaluate(
        "(one) => getComputedStyle(one, '::after').content"
    )
    assert "https://artifacts.example/" in after or "attr(href)" in after
    assert tab.evaluate("document.documentElement.scrollWidth") <= 760


def test_without_scripts_everything_is_still_there(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "red.html"
    path.write_text(PAGES["red"](), encoding="utf-8")
    tab = open_tab(browser, java_script_enabled=False)
    tab.goto(path.as_uri())

    assert tab.locator("#filter").is_hidden()
    assert tab.locator(".chart").count() == 8
    assert tab.locator(".tests").count() == 6
    tab.close()


def test_a_night_of_the_list_is_reached_by_keyboard(show) -> None:
    tab = show("index").tab
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.textContent") == "Skip to the nights"
    tab.get_by_role("link", name=DATE).focus()

    assert tab.evaluate("document.activeElement.getAttribute('href')") == f"{DATE}/run/report.html"
