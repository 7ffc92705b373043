"""The pages people open in the morning: one a night, and the list of all nights."""

from __future__ import annotations

from datetime import UTC, datetime

from nightly_pipeline.assets.links import address_of
from nightly_pipeline.errors import NightlyError
from nightly_pipeline.model.links import Links, web_address
from nightly_pipeline.model.report import Report
from nightly_pipeline.page import render_index, render_page
from nightly_pipeline.settings import Settings
from nightly_pipeline.steps.overview import INDEX_PAGE, gather_overview
from nightly_pipeline.steps.past import gather_trends
from nightly_pipeline.steps.records import NightRecords
from nightly_pipeline.stores import open_history


def page_of(report: Report, settings: Settings, links: Links) -> str:
    """The night's page, with what the history knows of the nights before it."""
    trends = gather_trends(report, open_history(settings))
    return render_page(report, links=links, generated_at=datetime.now(UTC), trends=trends)


def keep_index(settings: Settings, records: NightRecords) -> str | None:
    """Write the list of nights anew; where it is found, or None when it could not be written.

    It is made of what is kept elsewhere, and the next night writes it again: without it a night is told all the same.
    """
    try:
        overview, kept, problem = gather_overview(records.store, open_history(settings))
        pages = {
            night: web_address(address_of(settings, records.store, key)) or key for night, key in kept.items()
        }
        text = render_index(overview, pages=pages, generated_at=datetime.now(UTC), problem=problem)
        records.store.write(INDEX_PAGE, text.encode())
    except (NightlyError, OSError):
        return None
    return records.store.location(INDEX_PAGE)
