"""Styles, marks and tables that every view of the terminal shares."""

from __future__ import annotations

from rich import box
from rich.table import Table
from rich.text import Text

from nightly_pipeline.model.plan import Plan, PlannedEntry
from nightly_pipeline.model.reading import SYMBOLS, Item, Tone
from nightly_pipeline.model.untrusted import visible

STYLES = {
    Tone.GOOD.value: "green",
    Tone.BAD.value: "bold red",
    Tone.UNKNOWN.value: "yellow",
    Tone.PENDING.value: "cyan",
}
MARKS = {tone.value: symbol for tone, symbol in SYMBOLS.items()}


def column_table(*columns: str, title: str | None = None) -> Table:
    """A table that stays readable at 80 columns and in a log: long words fold, nothing is cut."""
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def keep_whole(table: Table, *columns: int) -> None:
    """Never fold these columns. Only for short words of our own: a name that is too long would be cut."""
    for column in columns:
        table.columns[column].no_wrap = True


def add_group(table: Table, name: str) -> None:
    """A line that names the rows below it."""
    if table.row_count:
        table.add_row()
    table.add_row(plain_text(name, style="bold"))


def in_order(plan: Plan) -> tuple[PlannedEntry, ...]:
    """Everything of a plan as people read it: the indexes last, after all that they wait for."""
    return (*plan.images, *plan.publications, *plan.stages, *plan.indexes)


def plain_text(text: str, style: str = "") -> Text:
    """Text from anywhere: no markup in it is obeyed, no control character in it reaches the terminal."""
    return Text(visible(text).replace("\t", "    "), style=style, overflow="fold")


def status_text(item: Item) -> Text:
    """A mark and the status word, in the colour of what it means."""
    return marked(item.tone, item.word)


def marked(tone: Tone, word: str) -> Text:
    """A word with the mark and the colour of what it means."""
    return Text(f"{MARKS[tone.value]} {word}", style=STYLES[tone.value], overflow="fold")
