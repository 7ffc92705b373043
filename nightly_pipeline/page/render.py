"""Rendering: a report's view, the templates beside this file, a policy that lets no foreign script run."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from nightly_pipeline.model.links import NO_LINKS, Links
from nightly_pipeline.model.report import Report
from nightly_pipeline.model.trends import Trends
from nightly_pipeline.page.filters import FILTERS
from nightly_pipeline.page.view import night_view

STYLES = ("base.css", "night.css", "print.css")


def render_page(
    report: Report,
    *,
    links: Links = NO_LINKS,
    generated_at: datetime,
    trends: Trends | None = None,
) -> str:
    """The page of a night: one HTML document that needs no other file and no network.

    Args:
        report: what is shown, with its judgement where there is one.
        links: addresses of artifacts and runs; what has none is named without a link.
        generated_at: stands in the footer, so that a reader knows how old the page is.
        trends: the nights before; None where nobody asked for them.
    """
    view = night_view(report, links, trends)
    return render("night.html.j2", styles=STYLES, script="night.js", view=view, generated_at=generated_at)


def render(template: str, *, styles: Sequence[str], script: str | None = None, **values: Any) -> str:
    """A template of this package with its own style and script in it, and a policy that allows no other."""
    style = "\n".join(_own_file(name) for name in styles)
    code = _own_file(script) if script else ""
    return (
        _environment()
        .get_template(template)
        .render(
            **values,
            style=Markup(style),  # noqa: S704 - files of this package
            script=Markup(code),  # noqa: S704 - likewise
            policy=_policy(style, code),
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
    scripts = _hash(script) if script else "'none'"
    return (
        f"default-src 'none'; style-src {_hash(style)}; script-src {scripts}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
