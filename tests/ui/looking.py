"""What the tests of pages look at a page with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Locator, Page

BUSY_MS = 60_000
"""How long a page may take to show what it is asked for, beside nights and builds."""
DESK, PHONE, NARROW = (
    {"width": 1400, "height": 900},
    {"width": 390, "height": 844},
    {"width": 320, "height": 640},
)
LARGE_TEXT_PX, CONTRAST, LARGE_CONTRAST = 24, 4.5, 3.0

CONTRASTS = """
() => {
  const linear = (value) => value <= .04045 ? value / 12.92 : ((value + .055) / 1.055) ** 2.4;
  const channel = (value) => linear(value / 255);
  const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => .2126 * channel(r) + .7152 * channel(g) + .0722 * channel(b);
  const paper = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const color = numbers(getComputedStyle(one).backgroundColor);
      if (color.length === 3 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
    if (element.closest("script, .skip, title, desc")) continue;
    const style = getComputedStyle(element);
    const ink = element instanceof SVGElement ? style.fill : style.color;
    const [light, dark] = [luminance(numbers(ink)), luminance(paper(element))].sort((a, b) => b - a);
    found.push([walker.currentNode.data.trim(), (light + .05) / (dark + .05), parseFloat(style.fontSize)]);
  }
  return found;
}
"""


def open_tab(browser: Browser, **options: Any) -> Page:
    """A tab of a busy machine's browser."""
    tab = browser.new_page(**options)
    tab.set_default_timeout(BUSY_MS)
    return tab


def is_scrolled_to(place: Locator, height: float) -> bool:
    """Whether a place begins on the screen, as soon as that is so: a page scrolls when it has the time."""
    script = (
        "([one, height]) => { const { top } = one.getBoundingClientRect(); return top >= 0 && top < height; }"
    )
    place.page.wait_for_function(script, arg=[place.element_handle(), height])
    return True


class Shown:
    """A page in a tab, with everything that went wrong in it."""

    def __init__(self, tab: Page, path: Path) -> None:
        self.tab = tab
        self.complaints: list[str] = []
        self.requests: list[str] = []
        tab.on("console", lambda message: self.complaints.append(message.text))
        tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        tab.on(
            "dialog", lambda dialog: (self.complaints.append(f"dialog: {dialog.message}"), dialog.dismiss())
        )
        tab.on("request", lambda request: self.requests.append(request.url))
        tab.goto(path.as_uri())

    def weak_words(self) -> list[tuple[str, float, float]]:
        """Words that are hard to read: text, contrast, size in pixels. Fails when there are hardly any words."""
        contrasts = self.tab.evaluate(CONTRASTS)
        assert len(contrasts) > 50
        return [
            one for one in contrasts if one[1] < (LARGE_CONTRAST if one[2] >= LARGE_TEXT_PX else CONTRAST)
        ]

    def open_all(self) -> None:
        """Unfold everything."""
        self.tab.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")

    def overflow(self) -> int:
        """By how many pixels the page is wider than the screen."""
        return self.tab.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
