"""The team's message in Slack: the verdict in ten seconds, the details in its thread. Pure; delivery is elsewhere.

Slack refuses what is too long, so everything is cut here, on purpose and visibly: what is cut is counted, and the
count stands outside of what is cut.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from nightly_pipeline.model.links import NO_LINKS, Links, web_address
from nightly_pipeline.model.message_limits import Block, fit, limited, section
from nightly_pipeline.model.quantities import duration_text
from nightly_pipeline.model.reading import (
    Item,
    Tone,
    causes,
    consequences,
    counts_line,
    counts_words,
    duration_s,
    headline,
    items,
    mock_note,
    night_tone,
    notes,
    plural,
    short_revision,
    tally,
    tests_collected,
    tests_run,
)
from nightly_pipeline.model.report import Report

Message = tuple[str, list[Block]]
"""The text for notifications, and the blocks."""


def night_message(report: Report, links: Links = NO_LINKS) -> Message:
    raise NotImplementedError


def thread_messages(report: Report, links: Links = NO_LINKS) -> list[Message]:
    raise NotImplementedError
