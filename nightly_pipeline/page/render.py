"""Rendering of the page."""

from __future__ import annotations

from datetime import datetime

from nightly_pipeline.model.links import NO_LINKS, Links
from nightly_pipeline.model.report import Report


def render_page(report: Report, *, links: Links = NO_LINKS, generated_at: datetime) -> str:
    """One self-contained HTML page."""
    raise NotImplementedError
