"""The night's page in a real browser: what a person sees on a desk, on a phone, in the dark and on paper."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from nightly_pipeline.model.report import Report
from nightly_pipeline.page import render_page
from tests.factories import broken_night, failure, image, night, stage, whole_night
from tests.hostile import ATTACKS
from tests.ui.looking import (
    CONTRAST,
    CONTRASTS,
    DESK,
    LARGE_CONTRAST,
    LARGE_TEXT_PX,
    NARROW,
    PHONE,
    Shown,
    is_scrolled_to,
    open_tab,
)

pytestmark = pytest.mark.ui

NOW = datetime(2026, 11, 20, 11, 30, tzinfo=UTC)


@pytest.fixture
def show(browser: Browser, tmp_path: Path):
    tabs: list[Page] = []

    def _show(report: Report, *, size: dict[str, int] = DESK, scheme: str = "light") -> Shown:
        path = tmp_path / "report.html"
        path.write_text(render_page(report, generated_at=NOW), encoding="utf-8")
        tabs.append(open_tab(browser, viewport=size, color_scheme=scheme))
        return Shown(tabs[-1], path)

    yield _show
    for tab in tabs:
        tab.close()


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_word_can_be_read(show, size: dict[str, int], scheme: str) -> None:
    shown = show(broken_night(), size=size, scheme=scheme)
    contrasts = shown.tab.evaluate(CONTRASTS)

    assert len(contrasts) > 300
    weak = [one for one in contrasts if one[1] < (LARGE_CONTRAST if one[2] >= LARGE_TEXT_PX else CONTRAST)]
    assert not weak


def test_dark_is_dark_and_light_is_light(show) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"

    assert show(whole_night(), scheme="light").tab.evaluate(paper) == "rgb(255, 255, 255)"
    assert show(whole_night(), scheme="dark").tab.evaluate(paper) == "rgb(17, 20, 24)"


@pytest.mark.parametrize("size", [DESK, PHONE, NARROW], ids=["desk", "phone", "narrow"])
def test_the_page_is_never_wider_than_the_screen(show, size: dict[str, int]) -> None:
    long = stage(
        status="failed", message="x" * 500, failures=[failure("tests/" + "y" * 400 + ".py::test", "z" * 900)]
    )
    shown = show(whole_night(long), size=size)

    assert shown.tab.evaluate("document.documentElement.scrollWidth") <= size["width"]


def test_a_phone_shows_the_verdict_the_engine_and_every_cell_by_name(show) -> None:
    tab = show(broken_night(), size=PHONE).tab

    assert tab.locator(".verdict").bounding_box()["y"] < 200
    assert tab.locator(".warning").bounding_box()["y"] < PHONE["height"]
    box = tab.locator(".matrix").bounding_box()
    assert box["width"] <= PHONE["width"]
    assert tab.locator(".matrix .step:visible").count() == 45
    labels = tab.evaluate(
        "[...document.querySelectorAll('.matrix td')].map((one) => getComputedStyle(one, '::before').content)"
    )
    assert labels.count('"unit"') == 6


def test_the_page_asks_nobody_for_anything_and_complains_of_nothing(show) -> None:
    shown = show(broken_night())

    assert [address.split("/")[-1] for address in shown.requests] == ["report.html"]
    assert shown.complaints == []


def test_hostile_text_runs_no_script_and_makes_no_element(show) -> None:
    failures = [failure(attack, attack + attack) for attack in ATTACKS]
    hostile = night(
        [image("x" + ATTACKS[0], status="failed", message="".join(ATTACKS))],
        [stage(status="failed", failures=failures, runner=attack, stage=attack) for attack in ATTACKS],
        profile=ATTACKS[0],
        source_revision=ATTACKS[1],
    )
    shown = show(hostile)
    shown.tab.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")

    assert shown.complaints == []
    assert len(shown.requests) == 1
    assert shown.tab.locator("img, svg, iframe, body script + script, h1 + h1").count() == 0
    assert shown.tab.locator("script").count() == 1


def test_even_an_injected_script_would_not_run(show) -> None:
    shown = show(whole_night())
    with shown.tab.expect_console_message() as complaint:
        shown.tab.evaluate(
            """() => {
              const one = document.createElement("script");
              one.textContent = "window.ran = true";
              document.body.append(one);
            }"""
        )

    assert "Content Security Policy" in complaint.value.text
    assert shown.tab.evaluate("window.ran") is None


def test_the_keyboard_reaches_the_results_and_a_cell_leads_to_its_problem(show) -> None:
    tab = show(broken_night()).tab
    tab.keyboard.press("Tab")

    assert tab.evaluate("document.activeElement.textContent") == "Skip to the results"
    tab.keyboard.press("Enter")
    expect(tab).to_have_url(re.compile("#content$"))
    tab.locator(".step", has_text="timed_out").focus()
    assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    tab.keyboard.press("Enter")

    expect(tab).to_have_url(re.compile("#trtllm-amd64-integration$"))
    assert is_scrolled_to(tab.locator("article#trtllm-amd64-integration"), DESK["height"])


def test_the_filter_finds_failing_tests_by_keyboard(show) -> None:
    failures = [failure(f"tests/test_a.py::test_case[{number}]", f"no {number}") for number in range(30)]
    tab = show(whole_night(stage(status="failed", failures=failures))).tab
    tab.keyboard.press("/")
    tab.keyboard.type("CASE[7]")

    expect(tab.locator("#matches")).to_have_text("1 of 30")
    expect(tab.locator(".tests:visible")).to_have_count(1)
    tab.locator("#filter").fill("")
    expect(tab.locator("#matches")).to_have_text("")
    expect(tab.locator(".tests:visible")).to_have_count(30)


def test_paper_shows_everything_black_on_white(show) -> None:
    failures = [failure(f"a.py::test_{number}", f"message {number}") for number in range(30)]
    tab = show(whole_night(stage(status="failed", failures=failures)), scheme="dark").tab
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    tab.emulate_media(media="print")

    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert tab.locator("details:not([open])").count() == 0
    expect(tab.get_by_text("message 29")).to_be_visible()
    expect(tab.locator(".filter")).to_be_hidden()


def test_thousands_of_failures_can_be_opened_and_searched(show) -> None:
    failures = [
        failure(
            f"tests/test_{number % 200}.py::test_case[{number}]",
            f"AssertionError: case {number}\n" + "E  x\n" * 20,
        )
        for number in range(13_500)
    ]
    tab = show(whole_night(stage(status="failed", failures=failures))).tab
    tab.keyboard.press("/")
    tab.keyboard.type("case[13499]")

    expect(tab.locator(".tests:visible")).to_have_count(1)
    tab.locator(".tests:visible summary").click()
    expect(tab.get_by_text("AssertionError: case 13499")).to_be_visible()
