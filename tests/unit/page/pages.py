"""The page of a night, and what a reader of it sees."""

from __future__ import annotations

from datetime import UTC, datetime

from lxml import html

from nightly_pipeline.model.links import NO_LINKS, Links
from nightly_pipeline.model.report import Report
from nightly_pipeline.page import render_page

NOW = datetime(2026, 11, 20, 11, 30, tzinfo=UTC)
LINKS = Links(
    artifact=lambda key: f"https://artifacts.example/{key}",
    run=lambda run_id: f"http://127.0.0.1:3000/runs/{run_id}",
)


def page(report: Report, links: Links = NO_LINKS) -> html.HtmlElement:
    """A report's page, parsed; fails when its text cannot be encoded."""
    text = render_page(report, links=links, generated_at=NOW)
    text.encode()
    return html.document_fromstring(text)


def words(element: html.HtmlElement) -> str:
    return " ".join(element.text_content().split())


def section(tree: html.HtmlElement, name: str) -> html.HtmlElement | None:
    """The section that the heading of this name labels."""
    return next(iter(tree.xpath(f"//section[@aria-labelledby='{name}']")), None)


def body_rows(tree: html.HtmlElement, name: str) -> list[list[str]]:
    return [[words(cell) for cell in row] for row in section(tree, name).xpath(".//tbody/tr")]
