"""A test's nights on the terminal: one line each, a strip, durations as bars; and the slowest tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from nightly_pipeline.model.history import BAD_RESULTS, GOOD_RESULTS, TestIdentity
from nightly_pipeline.model.judgement import NightResult
from nightly_pipeline.model.past import TestNight
from nightly_pipeline.model.quantities import NOTHING, clock_text, digest_text
from nightly_pipeline.model.reading import Tone
from nightly_pipeline.model.strips import LEGEND, strip_text, strip_words
from nightly_pipeline.model.tags import short_run_id
from nightly_pipeline.model.untrusted import short_line
from nightly_pipeline.terminal.words import STYLES, column_table, keep_whole, marked, plain_text
from nightly_pipeline.tools.history_lookup import SlowTest

_BAR = 40
_MESSAGE = 60
_STRIP = 30


def nights_table(test: TestIdentity, nights: Sequence[TestNight]) -> RenderableType:
    """One line a night, oldest first, with how it ended, how long it took, and on what it ran."""
    table = column_table("Night", "Result", "Took", "Image", "Commit", "Run", "Message")
    keep_whole(table, 0, 1, 2)
    for night in nights:
        row = night.row
        table.add_row(
            night.date,
            _result(night),
            _took(night),
            plain_text(digest_text(row.image_digest).rpartition(":")[2]),
            plain_text((row.source_revision or NOTHING)[:8]),
            plain_text(row.source if row.source == "import" else short_run_id(row.run_id)),
            plain_text(short_line(row.message, _MESSAGE) if row.message else ""),
        )
    return Group(_title(test), *_strip(nights), Text(), table)


def nights_plot(test: TestIdentity, nights: Sequence[TestNight]) -> RenderableType:
    """How long it took, one bar a night, in the colour of how it ended."""
    longest = max((night.row.duration_s for night in nights), default=0.0)
    lines = []
    for night in nights:
        filled = round(_BAR * night.row.duration_s / longest) if longest else 0
        bar = Text("█" * max(filled, 1), style=STYLES[_tone(night).value])
        lines.append(Text.assemble(f"{night.date} ", _result(night), " ", bar, f" {_took(night)}"))
    return Group(_title(test), *_strip(nights), Text(), *lines)


def strips_table(found: Iterable[tuple[TestIdentity, Sequence[TestNight]]]) -> RenderableType:
    """A test's name, and below it its last nights as a strip with the last of them."""
    lines: list[RenderableType] = []
    for test, nights in found:
        lines.append(_title(test))
        strip = strip_text(_results(nights)[-_STRIP:]) or NOTHING
        lines.append(Text.assemble(f"  {strip}  ", *_last(nights)))
    return Group(*lines, Text(LEGEND, style="dim"))


def slowest_table(tests: Iterable[SlowTest]) -> RenderableType:
    """Tests by their usual duration, the longest first."""
    table = column_table("Usually", "At most", "Ran", "Test")
    keep_whole(table, 0, 1, 2)
    for slow in tests:
        table.add_row(
            clock_text(slow.usual_s), clock_text(slow.longest_s), str(slow.runs), _title(slow.test, "\n")
        )
    return table if table.row_count else Text("No test ran in these nights.")


def _last(nights: Sequence[TestNight]) -> list[Text]:
    return [_result(nights[-1]), Text(f" on {nights[-1].date}")] if nights else []


def _title(test: TestIdentity, between: str = "  ") -> Text:
    return plain_text(f"{test.framework}/{test.arch}/{test.stage}{between}{test.node_id}", style="bold")


def _strip(nights: Sequence[TestNight]) -> list[Text]:
    results = _results(nights)
    return [Text(strip_text(results)), Text(strip_words(results), style="dim"), Text(LEGEND, style="dim")]


def _results(nights: Sequence[TestNight]) -> list[NightResult]:
    return [NightResult(date=night.date, result=night.row.result, flaky=night.mixed) for night in nights]


def _tone(night: TestNight) -> Tone:
    if night.row.result in BAD_RESULTS:
        return Tone.BAD
    return Tone.GOOD if night.row.result in GOOD_RESULTS and not night.mixed else Tone.UNKNOWN


def _result(night: TestNight) -> Text:
    return marked(_tone(night), night.row.result.value + (" (flaky)" if night.mixed else ""))


def _took(night: TestNight) -> str:
    return clock_text(night.row.duration_s) if night.good or night.bad else NOTHING
