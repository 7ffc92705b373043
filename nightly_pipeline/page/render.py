"""Rendering: a report's view, the templates beside this file, a policy that lets no foreign script run."""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime
from functools import cache
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from nightly_pipeline.model.links import NO_LINKS, Links
from nightly_pipeline.model.report import Report
from nightly_pipeline.page.filters import FILTERS
from nightly_pipeline.page.view import night_view


def render_page(report: Report, *, links: Links = NO_LINKS, generated_at: datetime) -> str:
    """The page of a night: one HTML document that needs no other file and no network.

    Args:
        report: what is shown.
        links: addresses of artifacts and runs; what has none is named without a link.
        generated_at: stands in the footer, so that a reader knows how old the page is.
    """
    style, script = _own_file("night.css"), _own_file("night.js")
    return (
        _environment()
        .get_template("night.html.j2")
        .render(
            view=night_view(report, links),
            generated_at=generated_at,
            style=Markup(style),  # noqa: S704 - a file of this package
            script=Markup(script),  # noqa: S704 - likewise
            policy=_policy(style, script),
        )
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("nightly_pipeline.page", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(FILTERS)
    return environment


@cache
def _own_file(name: str) -> str:
    return (resources.files("nightly_pipeline.page") / "templates" / name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """Only this very style and this very script; nothing is loaded from anywhere."""
    return (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
