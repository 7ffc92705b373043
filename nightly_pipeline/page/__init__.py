"""The page of a night: one self-contained HTML file."""

from __future__ import annotations

from nightly_pipeline.page.render import render_page

__all__ = ["render_page"]
