"""What the templates do with values before they show them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from nightly_pipeline.model.quantities import (
    bytes_text,
    digest_text,
    duration_text,
    instant_text,
    minutes_text,
)
from nightly_pipeline.model.reading import plural
from nightly_pipeline.model.tags import short_run_id
from nightly_pipeline.model.untrusted import one_line, visible


def _machine_instant(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="seconds")


FILTERS: dict[str, Callable[..., Any]] = {
    "bytes": bytes_text,
    "digest": digest_text,
    "duration": duration_text,
    "instant": instant_text,
    "machine_instant": _machine_instant,
    "minutes": minutes_text,
    "one_line": one_line,
    "plural": plural,
    "short_run": short_run_id,
    "visible": visible,
}
