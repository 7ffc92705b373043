"""The commands of the quarantine: what is in it, what comes in, what ends."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import click

from nightly_pipeline.commands.options import console, format_option, print_json, profile_option
from nightly_pipeline.settings import load_settings

_DAYS = 14


@click.group()
def quarantine() -> None:
    """Tests that are known to be bad: they run and are shown apart, until a date.

    \b
    Examples:
      nightly quarantine list
      nightly quarantine add 'e2e/test_serve.py::test_stream' --owner @serving --reason 'ends early' --issue '#217'
      nightly quarantine expire 'e2e/test_serve.py::test_stream'
    """


@quarantine.command(name="list")
@profile_option
@format_option("table", "json")
def list_(profile: str | None, output: str) -> None:
    """Show every entry and how it stands by the newest whole night on record.

    \b
    States:
      active           its failures are shown apart
      expired          its last night is over: its failures count again
      ready_to_leave   its tests were good for long enough and count like any other; remove the entry
      unmatched        no test of the newest night is meant

    \b
    Examples:
      nightly quarantine list
      nightly quarantine list --format json | jq -r '.[] | select(.state == "expired") | .test'
    """
    from nightly_pipeline.quarantine_file import read_quarantine
    from nightly_pipeline.steps.quarantine import standing
    from nightly_pipeline.stores import open_history
    from nightly_pipeline.terminal.quarantine import quarantine_table

    settings = load_settings(profile)
    entries = read_quarantine(
        settings.quarantine_file, leave_after_nights=settings.quarantine.leave_after_nights
    )
    notes = standing(entries, open_history(settings), today=_today().isoformat())
    if output == "json":
        print_json([note.model_dump(mode="json") for note in notes])
    else:
        console().print(quarantine_table(notes, settings.quarantine.file))


@quarantine.command()
@profile_option
@click.argument("test")
@click.option("--owner", required=True, help="Who mends it.")
@click.option("--reason", required=True, help="Why it is known to be bad.")
@click.option("--issue", required=True, help="Where it is followed: an address, or #217.")
@click.option("--cell", "cells", multiple=True, metavar="FRAMEWORK/ARCH", help="Only there; repeat for more.")
@click.option(
    "--days", type=click.IntRange(1, 366), default=_DAYS, show_default=True, help="For so many days."
)
def add(profile: str | None, days: int, cells: tuple[str, ...], **fields: Any) -> None:
    """Put a test into the quarantine, from today on. TEST is a node id; * and ? stand for any characters, for one.

    \b
    Examples:
      nightly quarantine add 'unit/test_kv.py::test_evict[*]' --owner @kv --reason races --issue '#217' --days 7
    """
    from nightly_pipeline.quarantine_file import add_entry, new_entry

    settings = load_settings(profile)
    today = _today()
    until = today + timedelta(days=days - 1)
    entry = new_entry(**fields, cells=cells, since=today, expires=until)
    add_entry(settings.quarantine_file, entry)
    click.echo(f"{entry.test} is in the quarantine until {entry.expires} ({settings.quarantine.file})")


@quarantine.command()
@profile_option
@click.argument("test")
def expire(profile: str | None, test: str) -> None:
    """End an entry: its failures count again from today on. TEST is the pattern as the file has it.

    \b
    Examples:
      nightly quarantine expire 'unit/test_kv.py::test_evict[*]'
    """
    from nightly_pipeline.quarantine_file import expire_entry

    settings = load_settings(profile)
    entry = expire_entry(settings.quarantine_file, test, _today() - timedelta(days=1))
    click.echo(f"{entry.test} counts again; it was in the quarantine until {entry.expires}")


def _today() -> date:
    return datetime.now(UTC).date()
