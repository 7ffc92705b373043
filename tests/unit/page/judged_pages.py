"""The page of a night with a past, with links to its artifacts and to the list of nights."""

from __future__ import annotations

from lxml import html

from nightly_pipeline.model.links import Links
from nightly_pipeline.model.report import Report
from nightly_pipeline.model.trends import Trends
from nightly_pipeline.page import render_page
from tests.unit.page.pages import NOW

LINKS = Links(artifact=lambda key: f"https://artifacts.example/{key}", nights="../../index.html")


def page(report: Report, trends: Trends | None = None) -> html.HtmlElement:
    text = render_page(report, links=LINKS, generated_at=NOW, trends=trends)
    return html.document_fromstring(text)
