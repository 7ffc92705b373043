"""The pages of nights, each one self-contained HTML file: one a night, and the list of them."""

from __future__ import annotations

from nightly_pipeline.page.index import render_index
from nightly_pipeline.page.render import render_page

__all__ = ["render_index", "render_page"]
