"""What the templates do with values before they show them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup, escape

from nightly_pipeline.model.quantities import (
    bytes_text,
    digest_text,
    duration_text,
    instant_text,
    minutes_text,
    plural,
)
from nightly_pipeline.model.tags import short_run_id
from nightly_pipeline.model.untrusted import one_line, short_line


def _machine_instant(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="seconds")


def _breakable(text: str) -> Markup:
    """A path that may be broken after its slashes where a line is too short for it."""
    return escape(text).replace("/", Markup("/<wbr>"))


FILTERS: dict[str, Callable[..., Any]] = {
    "breakable": _breakable,
    "bytes": bytes_text,
    "digest": digest_text,
    "duration": duration_text,
    "instant": instant_text,
    "machine_instant": _machine_instant,
    "minutes": minutes_text,
    "one_line": one_line,
    "plural": plural,
    "short": short_line,
    "short_run": short_run_id,
}
