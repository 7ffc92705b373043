"""A search for the commit that broke a test, as people read it."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from nightly_pipeline.model.bisect import Finding
from nightly_pipeline.model.bisect_record import BisectRecord, Look, State
from nightly_pipeline.model.judgement import Commit
from nightly_pipeline.model.quantities import duration_text
from nightly_pipeline.model.untrusted import short_line

_STYLES = {Finding.GOOD: "green", Finding.BAD: "red", Finding.UNCLEAR: "yellow"}
_MERGED_SHOWN = 20
_SIGNS = {Finding.GOOD: "✓", Finding.BAD: "✗", Finding.UNCLEAR: "?"}


def look_line(look: Look) -> Text:
    """One look, in a line."""
    style = _STYLES[look.finding]
    text = Text(f"{_SIGNS[look.finding]} {look.name[:12]:12}  {look.finding.value:7}", style=style)
    text.append(f"  {duration_text(look.duration_s)}", style="dim")
    if look.line:
        text.append(f"  {short_line(look.line, 160)}", style="default")
    return text


def bisect_plan(record: BisectRecord) -> RenderableType:
    """What a search would do."""
    table = Table("Night", "Commit", "Known", box=None, header_style="bold")
    found = record.night_search.found
    for night in record.nights:
        known = found.get(night)
        table.add_row(night, record.revisions[night][:12], known.value if known else "")
    looks = record.night_search.most_left
    said = f"At most {looks} runs of the test on images that are there, then the commits between."
    return Group(_title(record), table, Text(said))


def bisect_answer(record: BisectRecord) -> RenderableType:
    """What a search found."""
    lines: list[RenderableType] = [_title(record), *map(look_line, record.looks), Text()]
    lines += [Text(_verdict(record), style="bold"), *(_commit(commit) for commit in record.culprits)]
    if record.merged:
        lines += [
            Text("  which brought"),
            *(Text("  ").append_text(_commit(one)) for one in record.merged[:_MERGED_SHOWN]),
        ]
        more = len(record.merged) - _MERGED_SHOWN
        lines += [Text(f"    {more} more: git log {record.culprits[0].revision[:12]}")] if more > 0 else []
    if record.line and record.state in {State.FOUND, State.NARROWED, State.SAME_COMMIT, State.SET_BACK}:
        lines.append(Text(f"  {short_line(record.line, 300)}", style="red"))
    if record.next_step:
        lines.append(Text(f"  next: {short_line(record.next_step, 300)}"))
    return Group(*lines)


def _title(record: BisectRecord) -> Text:
    test = record.test
    return Text(f"{short_line(test.node_id, 200)}  ({test.framework}/{test.arch}/{test.stage})", style="bold")


def _verdict(record: BisectRecord) -> str:
    last_good, message = record.night_search.last_good, short_line(record.message, 300)
    if record.state is State.FOUND:
        return f"The first bad commit{f', {message}' if message else ''}:"
    if record.state is State.NARROWED:
        return f"One of these {len(record.culprits)} commits; {message}:"
    if record.state in {State.SAME_COMMIT, State.SET_BACK}:
        return f"Good until {last_good}. {message}."
    if record.state is State.CONTRADICTED:
        return f"Nothing to search: {message}."
    left = f"one of {len(record.culprits)} commits" if record.culprits else f"after {last_good}"
    return f"Stopped, {message}: it is {left}."


def _commit(commit: Commit) -> Text:
    author, subject = short_line(commit.author, 80), short_line(commit.subject, 160)
    return Text(f"  {commit.revision[:12]}  {author}: {subject}")
