"""The command that finds the commit which broke a test."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from nightly_pipeline.commands.history import known_cell, past_night
from nightly_pipeline.commands.options import console, format_option, print_json, profile_option
from nightly_pipeline.errors import RecordError, UsageError
from nightly_pipeline.settings import Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nightly_pipeline.assets.bisecting import Question
    from nightly_pipeline.model.history import TestIdentity


@click.command()
@profile_option
@click.argument("test")
@click.option("--framework", help="Of this framework, where several ran the test.")
@click.option("--arch", help="On this architecture.")
@click.option("--stage", help="Of this test stage.")
@click.option(
    "--good", metavar="YYYY-MM-DD", help="A night when it was good; default: what the history says."
)
@click.option(
    "--bad", metavar="YYYY-MM-DD", help="A later night when it was bad; default: what the history says."
)
@click.option(
    "--repeat",
    type=click.IntRange(1, 20),
    default=1,
    show_default=True,
    help="Runs at each look; bad once is bad.",
)
@click.option(
    "--max-builds",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    help="Build no more images now.",
)
@click.option(
    "--max-minutes", type=click.IntRange(min=1), default=240, show_default=True, help="Begin no look later."
)
@click.option("--restart", is_flag=True, help="Forget what this search found before.")
@click.option("--dry-run", is_flag=True, help="Only say what would be looked at.")
@format_option("table", "json")
def bisect(
    profile: str | None, test: str, output: str, *, dry_run: bool, restart: bool, **options: Any
) -> None:
    """Find the commit that broke a test. TEST is a node id, or a part that only one test has.

    The images of the nights between the last good one and the first bad one are asked first: the one test runs on them
    again, nothing is built. Then the commits between two nights are built and asked. Both ends are looked at first,
    every look is written down, and the same command goes on where it stopped: at a limit, at a kill, or where no daemon
    or registry answered. An end whose image is gone is built from its commit. Exits with 0 when one commit is found,
    with 8 when the search ended otherwise.

    \b
    Examples:
      nightly bisect test_streams_are_not_mixed --framework vllm --arch amd64
      nightly bisect unit/test_versions.py::test_labels --framework vllm --arch amd64 --dry-run
      nightly bisect test_streams_are_not_mixed --good 2026-11-01 --bad 2026-11-20 --repeat 3
    """
    from nightly_pipeline.assets.bisecting import go_on, open_search
    from nightly_pipeline.model.bisect_record import State
    from nightly_pipeline.steps.bisect import Limits
    from nightly_pipeline.terminal.bisect import bisect_answer, bisect_plan

    settings = load_settings(profile)
    search = open_search(settings, _question(settings, test, options), restart=restart)
    record = search.record
    if not dry_run:
        limits = Limits(builds=options["max_builds"], seconds=options["max_minutes"] * 60.0)
        record = go_on(settings, search, limits, _progress, repeat=options["repeat"])
    if output == "json":
        print_json(
            {**record.model_dump(mode="json"), "culprits": [one.model_dump() for one in record.culprits]}
        )
    else:
        console().print(bisect_plan(record) if dry_run else bisect_answer(record))
    sys.exit(0 if dry_run or record.state is State.FOUND else RecordError.exit_code)


def _question(settings: Settings, test: str, options: Mapping[str, Any]) -> Question:
    """What is asked. Raises UsageError where the profile has no such cell, or a night is none."""
    from nightly_pipeline.assets.bisecting import Question

    cell = {name: options[name] for name in ("framework", "arch", "stage")}
    known_cell(settings, **cell)
    good, bad = (
        past_night(options[name], f"--{name}") if options[name] else None for name in ("good", "bad")
    )
    return Question(_test(settings, test, **cell), good=good, bad=bad)


def _progress(line: str) -> None:
    """What builds and tests print, beside the answer."""
    click.echo(line, err=True)


def _test(settings: Settings, name: str, **cell: str | None) -> TestIdentity:
    """The one test that is meant, in the one cell.

    Raises:
        RecordError: none has that name; it offers the nearest.
        UsageError: several have.
    """
    from nightly_pipeline.tools.history_lookup import HistoryLookup, Where

    lookup, where = HistoryLookup(settings.history_root), Where(**cell)
    found = lookup.tests(name, where, limit=20)
    running = [test for test in found if settings.table.architectures[test.arch].tests == "run"] or found
    if not running:
        near = lookup.nearest(name, where)
        said = f"Perhaps you meant: {', '.join(near)}" if near else "nightly history lists what is on record."
        raise RecordError(f"no test with {name!r} in its name is on record", next_step=said)
    if len(running) > 1:
        named = ", ".join(f"{one.framework}/{one.arch}/{one.stage} {one.node_id}" for one in running[:5])
        raise UsageError(
            f"{len(running)} tests are meant: {named}",
            next_step="Say which, with --framework, --arch and --stage.",
        )
    return running[0]
